"""Amends: what may be asked for, what the venue's records may show afterwards, and what is somebody else's doing."""

from __future__ import annotations

import pytest

from apps.engine.errors import BadNumber, InvalidTransition
from apps.engine.orders import OrderStatus, Terms, TrackedOrder
from apps.engine.types import Side

OLD = Terms(5_000, 1_000, 100)


def resting(side: Side = Side.BID) -> TrackedOrder:
    return TrackedOrder("c-1", "T", side, OLD.price, OLD.quantity, OLD.expires_at_s, status=OrderStatus.ACCEPTED)


def test_an_amend_may_draw_back_shrink_or_renew() -> None:
    for terms in (Terms(4_900, 1_000, 155), Terms(5_000, 400, 155), Terms(5_000, 1_000, 155)):
        order = resting()
        order.request_amend(terms)
        assert order.amending == terms
        order.apply_amend(0)
        assert order.terms == terms
        assert order.amending is None


@pytest.mark.parametrize(
    ("side", "terms"),
    [
        (Side.BID, Terms(5_001, 1_000, 155)),
        (Side.ASK, Terms(4_999, 1_000, 155)),
        (Side.BID, Terms(5_000, 1_001, 155)),
        (Side.ASK, Terms(5_001, 1_001, 155)),
    ],
)
def test_an_amend_never_adds_risk(side: Side, terms: Terms) -> None:
    order = resting(side)
    with pytest.raises(BadNumber):
        order.request_amend(terms)
    assert order.terms == OLD
    assert order.amending is None


def test_an_amend_must_leave_something_resting() -> None:
    order = resting()
    order.reported_filled = 400
    for total in (400, 399):
        with pytest.raises(BadNumber):
            order.request_amend(Terms(5_000, total, 155))


def test_one_amend_at_a_time() -> None:
    order = resting()
    order.request_amend(Terms(4_900, 1_000, 155))
    with pytest.raises(InvalidTransition):
        order.request_amend(Terms(4_800, 1_000, 155))
    assert order.amending == Terms(4_900, 1_000, 155)


def test_a_refused_amend_leaves_the_order_as_it_was() -> None:
    order = resting()
    order.request_amend(Terms(4_900, 500, 155))
    order.drop_amend()
    assert order.terms == OLD
    assert order.amending is None


def test_a_record_with_terms_nobody_here_asked_for_is_refused() -> None:
    order = resting()
    for price, remaining in ((4_999, 1_000), (5_000, 999), (5_001, 1_000)):
        with pytest.raises(BadNumber):
            order.apply_venue_state("resting", 0, remaining, price=price)
    assert order.terms == OLD


def test_a_lost_order_takes_over_terms_that_add_no_risk_and_no_others() -> None:
    order = resting()
    order.status = OrderStatus.UNKNOWN
    with pytest.raises(BadNumber):
        order.apply_venue_state("resting", 0, 1_000, price=5_001)
    order.apply_venue_state("resting", 0, 600, price=4_900, expires_at_s=155)
    assert order.terms == Terms(4_900, 600, 155)


def test_an_old_record_does_not_bring_old_terms_back() -> None:
    order = resting()
    order.request_amend(Terms(4_900, 1_000, 155))
    order.apply_amend(0)
    assert not order.apply_venue_state("resting", 0, 1_000, price=5_000, expires_at_s=100)
    assert order.terms == Terms(4_900, 1_000, 155)


def test_a_record_settles_the_amend_whose_answer_was_lost() -> None:
    order = resting()
    order.request_amend(Terms(4_900, 500, 155))
    order.apply_venue_state("resting", 0, 500, price=4_900, expires_at_s=155)
    assert order.terms == Terms(4_900, 500, 155)
    assert order.amending is None


def test_the_answer_to_the_create_may_come_after_an_amend() -> None:
    order = resting()
    order.request_amend(Terms(5_000, 400, 155))
    order.apply_amend(0)
    order.apply_ack("v-1", 0, 1_000)
    assert (order.order_id, order.remaining, order.status) == ("v-1", 400, OrderStatus.ACCEPTED)


@pytest.mark.parametrize(("reduced_by", "missing"), [(400, 0), (1_000, 0), (300, 100)])
def test_a_cancel_that_met_an_amend_makes_no_fill_up(reduced_by: int, missing: int) -> None:
    order = resting()
    order.request_amend(Terms(5_000, 400, 155))
    order.apply_cancel(reduced_by)
    assert (order.missing_fills, order.remaining) == (missing, 0)
