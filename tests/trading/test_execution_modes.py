"""Modes of execution from the parameters to the exchange: what the strategy decides is what a session sends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from apps.engine.strategies.maker_inside import params_from_mapping
from apps.engine.strategies.params import params_hash, params_to_mapping
from apps.engine.types import Side, TimeInForce
from apps.trading.models import Account, LegPlan, Order, OrderRequest, ParameterSet
from apps.trading.services.manual_orders import Wanted, order_request_place
from apps.trading.services.plans import WantedLeg, WantedRule, plan_request
from tests import factories
from tests.factories import NOW, user

from .harness import TICKER, Stage, arrange, fill_of, query, running
from .immediate import Immediate

pytestmark = pytest.mark.django_db(transaction=True)

BIDS, ASKS = [(5600, 1000)], [(6400, 1000)]


def armed_with(**values: Any) -> Account:
    account = arrange()
    params = params_from_mapping(values)
    ParameterSet.objects.update(values=params_to_mapping(params), params_hash=params_hash(params))
    return account


@asynccontextmanager
async def trading(**values: Any) -> AsyncIterator[tuple[Stage, Immediate]]:
    account, venue = await query(armed_with)(**values), Immediate()
    async with running(account, venue) as stage:
        await stage.until(lambda: stage.session.context.gate.closed_because() is None, "gate open")
        yield stage, venue
        for fill in venue.book_fills(stage.clock.now_ms()):
            await stage.fill(fill)


async def quiet(stage: Stage, seconds: int) -> None:
    """The market stands for a while; only the sizes move."""
    for n in range(seconds):
        stage.clock.advance(1)
        await stage.delta(Side.BID, 5600, 100 if n % 2 else -100)


async def test_a_sniper_rests_nothing_and_takes_what_falls_under_its_reference() -> None:
    async with trading(execution_mode="sniper", reference_ms=1_000) as (stage, venue):
        await stage.book(BIDS, ASKS)
        await quiet(stage, 3)
        assert venue.sent == []
        venue.filling[TICKER] = [1000]
        await stage.delta(Side.ASK, 5700, 700)
        await stage.until(lambda: venue.sent, "taken")
        await stage.delta(Side.ASK, 5700, -700)
        [intent] = venue.sent
        assert (intent.side, intent.price, intent.quantity) == (Side.BID, 5700, 700)
        assert (intent.time_in_force, intent.post_only) == (TimeInForce.IMMEDIATE_OR_CANCEL, False)
    row = await Order.objects.select_related("decision").aget()
    assert (row.mode, row.reason) == ("taker", "take")
    assert row.decision is not None
    assert row.decision.bid_reason == "take"


async def test_hybrid_at_share_zero_is_a_maker() -> None:
    async with trading(execution_mode="hybrid", taker_share_bps=0) as (stage, venue):
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(venue.resting) == 2, "quotes resting")
        assert all(intent.post_only for intent in venue.sent)


async def test_a_filled_side_steps_back_and_returns() -> None:
    async with trading(fade_ticks=2, fade_after_fill_ms=2_000, quote_ask=False) as (stage, venue):
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(venue.resting) == 1, "bid resting")
        fill = fill_of(stage, 0, quantity=400)
        venue.cash -= fill.price * fill.quantity
        record = venue.resting["v-1"]
        venue.executed_resting("v-1", record, fill)
        await stage.fill(fill)
        await stage.until(lambda: venue.amended, "stepped back")
        assert (venue.amended[0].price, venue.amended[0].total) == (5500, 1000)
        stage.clock.advance(2)
        await stage.until(lambda: len(venue.sent) > 1, "returned")
        assert venue.sent[-1].price == 5700


def asked_for(account: Account) -> tuple[OrderRequest, LegPlan]:
    person, market = user("scalper", perms=("trading.place_order",)), factories.market(TICKER)
    order = order_request_place(
        account=account, wanted=Wanted(market, "bid", Decimal("0.40"), Decimal(2)), reason="a test",
        no_inside_information=True, actor=person, now=NOW,
    )  # fmt: skip
    plan = plan_request(
        account=account, legs=[WantedLeg(market, "bid", Decimal("0.41"), Decimal(3))], rule=WantedRule(),
        reason="a test", actor=person, now=NOW,
    )  # fmt: skip
    return order, plan


async def test_a_running_session_hears_what_people_ask_for() -> None:
    async with trading(min_spread="0.50") as (stage, venue):
        await stage.book(BIDS, ASKS)
        order, plan = await query(asked_for)(stage.session.context.account)
        await stage.until(lambda: len(venue.sent) == 2, "both sent")
        assert {(i.price, i.quantity) for i in venue.sent} == {(4000, 200), (4100, 300)}
        await stage.until(lambda: not stage.session.trader.plans.under_way, "plan over")
        await stage.session.trader.requests.settle()
        await stage.session.context.journal.drain(5)
        await order.arefresh_from_db()
        assert order.state == "sent"
    await plan.arefresh_from_db()
    assert plan.state == "canceled"
