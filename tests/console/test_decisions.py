"""Repeated decisions are one row; a different one is never swallowed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.console.decisions import decision_groups
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = make.NOW
SKIP: dict[str, Any] = {
    "reason": "spread_below_minimum",
    "bid_reason": "spread_below_minimum",
    "ask_reason": "spread_below_minimum",
    "bid_price": None,
    "bid_quantity": None,
    "ask_price": None,
    "ask_quantity": None,
}


def test_repeated_ones_are_told_by_the_newest_with_a_count_and_since_when() -> None:
    run = make.session()
    for second in range(7):
        make.decision(run, at=NOW + timedelta(seconds=second), best_bid=Decimal(second + 50) / 100, **SKIP)
    (group,) = decision_groups(account=run.account)
    assert (group.count, group.first_at) == (7, NOW)
    assert (group.newest.at, group.newest.best_bid) == (NOW + timedelta(seconds=6), Decimal("0.56"))


def test_another_market_between_does_not_part_them() -> None:
    run = make.session()
    for ticker in ("KXA", "KXB", "KXA", "KXB"):
        make.decision(run, market=make.market(ticker), **SKIP)
    groups = decision_groups(account=run.account)
    assert [(g.newest.ticker, g.count) for g in groups] == [("KXB", 2), ("KXA", 2)]


@pytest.mark.parametrize(
    "other",
    [
        {"reason": "no_bid"},
        {"bid_reason": "side_off"},
        {"ask_reason": "side_off"},
        {"bid_price": Decimal("0.57")},
        {"ask_quantity": Decimal(3)},
    ],
)
def test_whatever_came_out_differently_has_a_row_of_its_own(other: dict[str, Any]) -> None:
    run = make.session()
    for fields in (SKIP, SKIP | other, SKIP):
        make.decision(run, **fields)
    assert [group.count for group in decision_groups(account=run.account)] == [1, 1, 1]


def test_a_new_parameter_set_starts_a_new_row() -> None:
    run = make.session()
    make.decision(run, **SKIP)
    armed = make.config(run.account)
    make.decision(run, parameters=make.parameters(armed, number=2, params_hash="b" * 64), **SKIP)
    assert [group.newest.parameters_number for group in decision_groups(account=run.account)] == [2, 1]


def test_the_market_page_shows_count_and_span(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    run = make.session()
    for second in range(5):
        make.decision(run, at=NOW - timedelta(minutes=4 - second), **SKIP)
    with django_assert_num_queries(17):
        html = viewer.get("/markets/KXTEST-26NOV20-T50/").content.decode()
    assert "5×" in html
    assert "in 4 min 0 s" in html


def test_a_burst_is_not_said_to_take_no_time(viewer: Client) -> None:
    run = make.session()
    for _ in range(3):
        make.decision(run, **SKIP)
    assert "in under 1 s" in viewer.get("/markets/KXTEST-26NOV20-T50/").content.decode()
