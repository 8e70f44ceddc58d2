"""Order states: every (status, event) pair, and orders as their reports arrive in any order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.errors import BadNumber, InvalidTransition
from apps.engine.orders import (
    OPEN_STATUSES,
    TERMINAL_STATUSES,
    OrderEventKind,
    OrderStatus,
    TrackedOrder,
    transition,
)
from apps.engine.types import Fill, OrderIntent, Side

# One row per status, one column per event; `fill` leaves something, `filled` leaves nothing; `-` cannot happen.
TABLE = """
                  deny    submit     accept            reject    fill              filled  request_cancel  cancel_reject  cancel    expire   lose      not_found   request_amend     amend             amend_reject
initialized       denied  submitted  -                 -         -                 -       -               -              -         -        -         -   -                 -                 -
denied            -       -          -                 -         -                 -       -               -              -         -        -         -   -                 -                 -
submitted         -       -          accepted          rejected  partially_filled  filled  pending_cancel  -              canceled  expired  unknown   -   -                 -                 -
accepted          -       -          accepted          -         partially_filled  filled  pending_cancel  -              canceled  expired  unknown   -   accepted          accepted          accepted
partially_filled  -       -          partially_filled  -         partially_filled  filled  pending_cancel  -              canceled  expired  unknown   -   partially_filled  partially_filled  partially_filled
filled            -       -          filled            -         -                 -       filled          filled         filled    -        filled    -   -                 filled            filled
pending_cancel    -       -          pending_cancel    rejected  pending_cancel    filled  pending_cancel  unknown        canceled  expired  unknown   -   -                 pending_cancel    pending_cancel
canceled          -       -          canceled          -         canceled          filled  canceled        canceled       canceled  canceled canceled  -   -                 canceled          canceled
rejected          -       -          -                 rejected  unknown           filled  -               -              -         -        -         rejected   -                 -                 -
expired           -       -          expired           -         expired           filled  expired         expired        expired   expired  expired   -   -                 expired           expired
unknown           -       -          accepted          rejected  partially_filled  filled  pending_cancel  unknown        canceled  expired  unknown   rejected   -                 unknown           unknown
"""  # noqa: E501 - a table is read by its columns


def canceled_part(made: TrackedOrder) -> int:
    """What left the book unfilled, so far as the venue has told."""
    return made.quantity - made.filled - made.missing_fills


def _pairs() -> list[tuple[OrderStatus, str, str]]:
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return [(OrderStatus(row[0]), event, after) for row in rows for event, after in zip(head, row[1:], strict=True)]


PAIRS = _pairs()


def test_the_table_holds_every_pair() -> None:
    events = {kind.value for kind in OrderEventKind} | {"filled"}
    assert {(s, e) for s, e, _ in PAIRS} == set(itertools.product(OrderStatus, events))
    assert OPEN_STATUSES | TERMINAL_STATUSES | {OrderStatus.INITIALIZED} == set(OrderStatus)
    assert not OPEN_STATUSES & TERMINAL_STATUSES


@pytest.mark.parametrize(("status", "event", "after"), PAIRS)
def test_transition(status: OrderStatus, event: str, after: str) -> None:
    kind = OrderEventKind.FILL if event == "filled" else OrderEventKind(event)
    remaining = {"fill": 100, "filled": 0}.get(event)
    if after == "-":
        with pytest.raises(InvalidTransition, match=f"{kind} cannot follow {status}"):
            transition(status, kind, remaining_after=remaining)
    else:
        assert transition(status, kind, remaining_after=remaining) is OrderStatus(after)


@pytest.mark.parametrize("remaining", [None, -1])
def test_fill_must_say_what_is_left(remaining: int | None) -> None:
    with pytest.raises(BadNumber):
        transition(OrderStatus.ACCEPTED, OrderEventKind.FILL, remaining_after=remaining)


def order(status: OrderStatus = OrderStatus.SUBMITTED, quantity: int = 1000) -> TrackedOrder:
    made = TrackedOrder.of(OrderIntent("c1", "KXT", Side.BID, 5000, quantity))
    made.status = status
    return made


def fill(trade_id: str = "t1", quantity: int = 400, **changes: object) -> Fill:
    values: dict[str, object] = {
        "trade_id": trade_id,
        "order_id": "o1",
        "ticker": "KXT",
        "side": Side.BID,
        "price": 5000,
        "quantity": quantity,
        "fee": 70,
        "is_taker": False,
        "ts_ms": 1,
    }
    return Fill(**(values | changes))  # type: ignore[arg-type]


def test_resting_order_fills_in_parts() -> None:
    made = order()
    assert made.apply_ack("o1", 0, 1000)
    assert (made.status, made.order_id, made.remaining) == (OrderStatus.ACCEPTED, "o1", 1000)
    assert made.apply_fill(fill("t1", 400))
    assert (made.status, made.remaining, made.fees) == (OrderStatus.PARTIALLY_FILLED, 600, 70)
    assert not made.apply_fill(fill("t1", 400))
    assert made.filled == 400
    assert made.apply_fill(fill("t2", 600))
    assert (made.status, made.remaining, made.fees) == (OrderStatus.FILLED, 0, 140)
    assert made.is_terminal
    assert not made.is_open


def test_fill_before_its_acknowledgement() -> None:
    made = order()
    assert made.apply_fill(fill("t1", 1000))
    assert made.status is OrderStatus.FILLED
    assert not made.apply_ack("o1", 1000, 0)
    assert (made.status, made.missing_fills) == (OrderStatus.FILLED, 0)


def test_acknowledged_fill_is_missing_until_its_report_comes() -> None:
    made = order()
    made.apply_ack("o1", 1000, 0)
    assert (made.status, made.remaining, made.missing_fills) == (OrderStatus.ACCEPTED, 0, 1000)
    made.apply_fill(fill("t1", 1000))
    assert (made.status, made.missing_fills) == (OrderStatus.FILLED, 0)


@pytest.mark.parametrize(("filled", "canceled"), [(0, 1000), (300, 700)])
def test_immediate_order_that_ended_is_canceled_at_once(filled: int, canceled: int) -> None:
    made = order()
    assert made.apply_ack("o1", filled, 0)
    assert (made.status, canceled_part(made), made.missing_fills) == (OrderStatus.CANCELED, canceled, filled)
    assert made.reason == "immediate order ended"


def test_late_fill_after_the_cancel_was_acknowledged_is_recorded() -> None:
    made = order(OrderStatus.PENDING_CANCEL)
    assert made.apply_cancel(700)
    assert (made.status, made.missing_fills, canceled_part(made)) == (OrderStatus.CANCELED, 300, 700)
    assert made.apply_fill(fill("t1", 300))
    assert (made.status, made.filled, made.missing_fills) == (OrderStatus.CANCELED, 300, 0)
    assert canceled_part(made) == 700
    assert made.apply_fill(fill("t2", 700))
    assert (made.status, canceled_part(made)) == (OrderStatus.FILLED, 0)


def test_cancel_without_an_amount_leaves_the_fills_open() -> None:
    made = order(OrderStatus.ACCEPTED)
    assert made.apply_cancel(reason="TimeOut")
    assert (made.status, made.missing_fills, made.reason) == (OrderStatus.CANCELED, 0, "TimeOut")
    assert not made.apply_cancel()


def test_partial_fill_keeps_a_cancel_pending() -> None:
    made = order(OrderStatus.ACCEPTED)
    assert made.apply(OrderEventKind.REQUEST_CANCEL)
    made.apply_fill(fill())
    assert made.status is OrderStatus.PENDING_CANCEL


def test_acknowledgement_of_a_lost_order_with_fills() -> None:
    made = order()
    made.apply_fill(fill())
    made.apply(OrderEventKind.LOSE, "timeout")
    assert (made.status, made.reason) == (OrderStatus.UNKNOWN, "timeout")
    assert made.apply(OrderEventKind.ACCEPT)
    assert made.status is OrderStatus.PARTIALLY_FILLED


def test_order_said_not_to_exist_that_fills_is_unknown_again() -> None:
    made = order(OrderStatus.UNKNOWN)
    made.apply(OrderEventKind.NOT_FOUND)
    assert made.status is OrderStatus.REJECTED
    made.apply_fill(fill())
    assert (made.status, made.remaining) == (OrderStatus.UNKNOWN, 600)


@pytest.mark.parametrize(
    "bad",
    [
        fill(quantity=0),
        fill(quantity=-5),
        fill(quantity=1001),
        fill(ticker="KXU"),
        fill(side=Side.ASK),
    ],
)
def test_fill_that_does_not_fit_is_refused_whole(bad: Fill) -> None:
    made = order(OrderStatus.ACCEPTED)
    with pytest.raises(BadNumber):
        made.apply_fill(bad)
    assert (made.filled, made.fees, made.trade_ids) == (0, 0, set())


def test_fill_with_another_order_id_is_refused_whole() -> None:
    made = order()
    made.apply_ack("o1", 0, 1000)
    with pytest.raises(BadNumber):
        made.apply_fill(fill(order_id="o2"))
    with pytest.raises(BadNumber):
        made.apply_ack("o2", 0, 1000)
    assert (made.filled, made.order_id, made.trade_ids) == (0, "o1", set())


@pytest.mark.parametrize("status", [OrderStatus.INITIALIZED, OrderStatus.DENIED])
def test_order_never_sent_cannot_fill_or_be_on_record(status: OrderStatus) -> None:
    made = order(status)
    with pytest.raises(InvalidTransition):
        made.apply_fill(fill())
    with pytest.raises(InvalidTransition):
        made.apply_venue_state("resting", 0, 1000)
    with pytest.raises(InvalidTransition):
        made.apply_cancel(0)
    assert (made.filled, made.reported_filled, made.status) == (0, 0, status)


def test_order_of_nothing_is_refused() -> None:
    with pytest.raises(BadNumber):
        TrackedOrder.of(OrderIntent("c1", "KXT", Side.BID, 5000, 0))


@pytest.mark.parametrize(("filled", "remaining"), [(-1, 0), (0, -1), (600, 500), (0, 1001)])
def test_impossible_amounts_are_refused_whole(filled: int, remaining: int) -> None:
    made = order()
    with pytest.raises(BadNumber):
        made.apply_ack("o1", filled, remaining)
    with pytest.raises(BadNumber):
        made.apply_venue_state("resting", filled, remaining)
    if remaining < 0 or remaining > 1000:
        with pytest.raises(BadNumber):
            made.apply_cancel(remaining)
    assert (made.status, made.order_id, made.reported_filled) == (OrderStatus.SUBMITTED, None, 0)


S = OrderStatus


@pytest.mark.parametrize(
    ("before", "word", "filled", "remaining", "reason", "after"),
    [
        (S.SUBMITTED, "resting", 0, 1000, None, S.ACCEPTED),
        (S.UNKNOWN, "resting", 0, 1000, None, S.ACCEPTED),
        (S.PENDING_CANCEL, "resting", 0, 1000, None, S.PENDING_CANCEL),
        (S.REJECTED, "resting", 0, 1000, None, S.ACCEPTED),
        (S.ACCEPTED, "canceled", 0, 0, None, S.CANCELED),
        (S.PENDING_CANCEL, "canceled", 300, 0, "Decrease", S.CANCELED),
        (S.ACCEPTED, "canceled", 0, 0, "ExpiryCancel", S.EXPIRED),
        (S.REJECTED, "canceled", 0, 0, None, S.REJECTED),
        (S.REJECTED, "canceled", 1, 0, None, S.CANCELED),
        (S.UNKNOWN, "executed", 1000, 0, "Trade", S.ACCEPTED),
        (S.PENDING_CANCEL, "executed", 1000, 0, None, S.PENDING_CANCEL),
        (S.ACCEPTED, "frozen", 0, 1000, None, S.UNKNOWN),
        (S.CANCELED, "resting", 0, 1000, None, S.CANCELED),
        (S.FILLED, "resting", 0, 1000, None, S.FILLED),
    ],
)
def test_venue_record(
    before: OrderStatus, word: str, filled: int, remaining: int, reason: str | None, after: OrderStatus
) -> None:
    made = order(before)
    assert made.apply_venue_state(word, filled, remaining, reason) is (before is not after)
    assert made.status is after
    assert made.reported_filled == (1000 if word == "executed" else filled)


def test_executed_order_waits_for_its_fills() -> None:
    made = order(OrderStatus.ACCEPTED)
    made.apply_fill(fill("t1", 400))
    made.apply_venue_state("executed", 1000, 0)
    assert (made.status, made.remaining, made.missing_fills) == (OrderStatus.PARTIALLY_FILLED, 0, 600)
    made.apply_fill(fill("t2", 600))
    assert made.status is OrderStatus.FILLED


@given(st.permutations(["ack", "t1", "t2", "t1", "cancel", "record"]))
def test_reports_in_any_order_end_alike(events: list[str]) -> None:
    """Two fills of 400 and 100, then canceled with 500 left: however the reports interleave, so does it end."""
    made = order()
    for event in events:
        if event == "ack":
            made.apply_ack("o1", 0, 1000)
        elif event == "cancel":
            made.apply_cancel(500)
        elif event == "record":
            made.apply_venue_state("canceled", 500, 0)
        else:
            made.apply_fill(fill(event, 400 if event == "t1" else 100))
    assert (made.status, made.filled, made.missing_fills) == (OrderStatus.CANCELED, 500, 0)
    assert (canceled_part(made), made.remaining, made.fees) == (500, 0, 140)
