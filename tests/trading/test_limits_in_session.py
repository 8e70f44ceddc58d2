"""Limits in a running session: what they refuse never reaches the exchange and is stored with its reason."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.risk.models import RestrictedMarket, RiskLimit, Theme
from apps.trading.execution.armed import load_armed
from apps.trading.models import Order
from tests import factories

from .harness import TICKER, arrange, query, running

pytestmark = pytest.mark.django_db(transaction=True)

BIDS, ASKS = [(5600, 10_000)], [(6000, 10_000)]


def limit(scope: str, scope_id: str, rule: str, value: str) -> None:
    RiskLimit.objects.create(scope=scope, scope_id=scope_id, rule=rule, value=Decimal(value), updated_at=factories.NOW)


async def test_a_theme_that_is_full_stops_the_order_and_the_record_says_so() -> None:
    account = await query(arrange)()
    await query(Theme.objects.create)(slug="tests", name="Tests", members=["KXTEST"], updated_at=factories.NOW)
    await query(limit)("theme", "*", "max_total_exposure", "0.01")
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: stage.session.context.counters.denied, "a denial")
        assert stage.venue.sent == []
    order = await query(Order.objects.first)()
    assert order is not None
    assert order.status == "denied"
    assert "theme tests: max_total_exposure would be" in order.outcome
    assert "limit $0.010000" in order.outcome


async def test_a_restricted_market_is_not_quoted() -> None:
    account = await query(arrange)()
    await query(RestrictedMarket.objects.create)(
        scope="event", scope_id="KXTEST-26NOV20", reason="insider", added_at=factories.NOW
    )
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: stage.session.context.counters.denied, "a denial")
        assert stage.venue.sent == []
    outcomes = await query(lambda: list(Order.objects.values_list("outcome", flat=True)))()
    assert "restricted market: firm: insider" in outcomes[0]


async def test_a_limit_that_is_lowered_binds_within_the_next_reading() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == 2, "two orders")
        await query(limit)("market", TICKER, "max_order_contracts", "0.01")
        await stage.session.trader.desks.reload()
        armed = await query(load_armed)(account=account, now=factories.NOW)
        assert stage.session.context.desks[TICKER].armed.limits == armed[TICKER].limits
