"""Positions, settlements, the cash walk, and the page of a market that is over."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.trading.models import Settlement
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = make.NOW


def page(client: Client, name: str = "positions", *args: object, **query: str) -> str:
    response = client.get(reverse(f"console:{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def settled(ticker: str = "KXOVER-26NOV20-T1") -> Settlement:
    market = make.market(ticker, status="finalized", result="no", settlement_value=Decimal(0))
    make.position(market=market, quantity=Decimal(0), cost=Decimal(0), realized_pnl=Decimal("-8.7164"))
    return Settlement.objects.create(
        account=make.account(),
        market=market,
        result="no",
        value=Decimal(0),
        quantity=Decimal("-1.65"),
        revenue=Decimal("1.65"),
        fee=Decimal(0),
        settled_at=NOW - timedelta(minutes=2),
    )


def test_flat_positions_of_markets_that_are_over_are_a_filter_away(viewer: Client) -> None:
    settled()
    make.position(market=make.market("KXOPEN-26NOV20-T2"), quantity=Decimal(0))
    held = 'title="KXOVER-26NOV20-T1: '
    html = page(viewer)
    assert held not in html
    assert "1 hidden" in html
    assert "KXOPEN-26NOV20-T2: " in html
    assert held in page(viewer, over="on")


def test_the_sum_is_over_the_hidden_ones_too(viewer: Client) -> None:
    settled()
    make.position(market=make.market("KXOPEN-26NOV20-T2"), realized_pnl=Decimal("1.00"))
    assert "\N{MINUS SIGN}$7.72" in page(viewer)


def test_contracts_left_in_a_market_that_is_over_are_never_hidden(viewer: Client) -> None:
    make.position(market=make.market("KXSTUCK-26NOV20-T3", status="finalized"), quantity=Decimal(3))
    assert "KXSTUCK-26NOV20-T3: " in page(viewer)


def test_a_status_nobody_knows_hides_nothing(viewer: Client) -> None:
    make.position(market=make.market("KXNEW-26NOV20-T4", status="resting_in_peace"), quantity=Decimal(0))
    assert "KXNEW-26NOV20-T4: " in page(viewer)


def test_settlements_say_what_was_held_and_received(viewer: Client) -> None:
    settled()
    html = page(viewer)
    for shown in ("Settlements", "NO", "\N{MINUS SIGN}1.65", "$1.65", "2 min 0 s"):
        assert shown in html, shown


def test_a_movement_names_the_trade_it_came_from(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        fill = make.fill()
        make.cash_entry(kind="trade", reference=fill.trade_id, amount=Decimal("-2.85"), balance=Decimal("9997.15"))
    make.cash_entry(kind="settlement", reference="KXOVER-26NOV20-T1", amount=Decimal(0))
    with django_assert_num_queries(16):
        html = page(viewer)
    assert "5.00 @ 0.5700" in html
    assert "KXOVER-26NOV20-T1" in html


def test_the_page_of_a_settled_market_says_how_it_ended(viewer: Client) -> None:
    market = settled().market
    make.book_snapshot(market, received_at=NOW - timedelta(minutes=3))
    html = page(viewer, "market", market.ticker)
    for shown in ("Settled NO", "Our position then", "\N{MINUS SIGN}1.65", "Last stored book", "Finalized"):
        assert shown in html, shown
    assert "not live" not in html


def test_a_settled_market_we_held_nothing_in_says_so(viewer: Client) -> None:
    make.account()
    make.market("KXOTHER-26NOV20-T1", status="finalized", result="yes", settlement_value=Decimal(1))
    assert "no settlement of ours is recorded" in page(viewer, "market", "KXOTHER-26NOV20-T1")
