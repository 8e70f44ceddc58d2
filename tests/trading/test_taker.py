"""Taking orders of a real session: one at a time, never resting, never past the approved price, never sent twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from apps.engine.limits import LimitRule, RiskDecision
from apps.engine.rollout import Style
from apps.engine.strategies.base import Quote, QuoteReason, SkipReason, combine
from apps.engine.types import Side, TimeInForce
from apps.gateway.errors import FokUnfilled, ReplyTimeout
from apps.trading.execution.context import MarketDesk
from apps.trading.execution.taker import MISS_PAUSE_MS, TakerExecution
from apps.trading.models import Order

from .harness import TICKER, Stage, arrange, query, running
from .immediate import Immediate

pytestmark = pytest.mark.django_db(transaction=True)

# Too narrow for the maker to rest anything.
BIDS, ASKS = [(5600, 1000)], [(5700, 1000)]
BUY = Quote(Side.BID, 5700, 400, QuoteReason.TAKE, Style.TAKER, 5800, TimeInForce.IMMEDIATE_OR_CANCEL)
ALLOWED = RiskDecision(True, LimitRule.ALLOWED, None, None, "within all limits")
DENIED = RiskDecision(False, LimitRule.MAX_PRICE, 5700, 5000, "price 0.5700 above the band's 0.5000")


@dataclass(slots=True)
class Scene:
    stage: Stage
    venue: Immediate
    taker: TakerExecution
    verdict: list[RiskDecision] = field(default_factory=lambda: [ALLOWED])

    @property
    def desk(self) -> MarketDesk:
        return self.stage.session.context.desks[TICKER]

    async def take(self, quote: Quote = BUY) -> None:
        """As the trader does after the strategy has decided."""
        _, record = self.stage.session.trader.evaluator.decide(self.desk)
        self.taker.pursue(self.desk, combine(quote, SkipReason.SIDE_OFF), record)
        await self.stage.session.trader.requests.settle()

    def order(self, index: int = 0) -> str:
        found = self.stage.session.context.blotter.find(client_order_id=self.venue.sent[index].client_order_id)
        assert found is not None
        return found.tracked.status

    async def fill(self) -> None:
        """What was executed arrives on the private feed."""
        for fill in self.venue.book_fills(self.stage.clock.now_ms()):
            await self.stage.fill(fill)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    account = await query(arrange)()
    venue = Immediate()
    async with running(account, venue) as stage:
        trader = stage.session.trader
        made = Scene(stage, venue, None)  # type: ignore[arg-type]
        made.taker = TakerExecution(
            stage.session.context, trader.evaluator, trader.requests, trader.placing, trader.groups,
            lambda desk, intent: made.verdict[0],
        )  # fmt: skip
        await stage.until(lambda: stage.session.context.gate.closed_because() is None, "gate open")
        await stage.book(BIDS, ASKS)
        yield made
        await made.fill()


async def test_it_sends_one_immediate_order_at_others_best() -> None:
    async with scene() as made:
        made.venue.filling[TICKER] = [400]
        await made.take()
        [intent] = made.venue.sent
        assert (intent.side, intent.price, intent.quantity) == (Side.BID, 5700, 400)
        assert (intent.time_in_force, intent.post_only) == (TimeInForce.IMMEDIATE_OR_CANCEL, False)
        assert intent.expires_at_s is None
    row = await Order.objects.select_related("decision").aget()
    assert (row.mode, row.reason, row.time_in_force) == ("taker", "take", "immediate_or_cancel")
    assert row.decision is not None


async def test_a_second_one_waits_until_the_fill_of_the_first_has_arrived() -> None:
    async with scene() as made:
        made.venue.filling[TICKER] = [400, 400]
        await made.take()
        await made.take()
        assert len(made.venue.sent) == 1
        await made.fill()
        assert made.order() == "filled"
        await made.take()
        assert len(made.venue.sent) == 2
        await made.fill()


async def test_what_was_not_there_is_canceled_and_what_filled_is_waited_for() -> None:
    async with scene() as made:
        made.venue.filling[TICKER] = [150]
        await made.take()
        assert made.order() == "canceled"
        made.stage.clock.ms += MISS_PAUSE_MS
        await made.take()
        assert len(made.venue.sent) == 1
        await made.fill()
        await made.take()
        assert len(made.venue.sent) == 2
    row = await Order.objects.order_by("id").afirst()
    assert row is not None
    assert (row.status, row.filled, row.remaining) == ("canceled", 1.5, 0)


async def test_after_a_miss_it_pauses_before_it_tries_again() -> None:
    async with scene() as made:
        await made.take()
        assert made.order() == "canceled"
        await made.take()
        assert len(made.venue.sent) == 1
        assert made.desk.wake_ms == made.stage.clock.now_ms() + MISS_PAUSE_MS
        made.stage.clock.ms += MISS_PAUSE_MS
        await made.take()
        assert len(made.venue.sent) == 2


async def test_a_fill_or_kill_that_finds_too_little_is_rejected_and_nothing_else_happens() -> None:
    async with scene() as made:
        made.venue.answers = [FokUnfilled(status=409, code="fill_or_kill_insufficient_resting_volume")]
        await made.take(replace(BUY, time_in_force=TimeInForce.FILL_OR_KILL))
        assert made.venue.sent[0].time_in_force is TimeInForce.FILL_OR_KILL
        assert made.order() == "rejected"
        assert made.stage.session.context.gate.closed_because() is None
    row = await Order.objects.aget()
    assert "fill_or_kill_insufficient_resting_volume" in row.outcome


async def test_an_unanswered_one_is_looked_up_and_never_sent_again() -> None:
    async with scene() as made:
        made.venue.answers = [ReplyTimeout("timeout")]
        await made.take()
        assert made.order() == "unknown"
        for _ in range(3):
            made.stage.clock.ms += 1_000
            await made.take()
        assert len(made.venue.sent) == 1
        made.venue.rest(made.venue.sent[0], "v-1")
        made.venue.closed["v-1"] = replace(made.venue.resting.pop("v-1"), status="executed", filled=400, remaining=0)
        await made.stage.session.trader.reconciler.resolve_undecided()
        await made.take()
        assert len(made.venue.sent) == 1
        await made.fill()
        assert made.order() == "filled"


async def test_a_price_beyond_the_bound_is_refused_with_numbers_and_not_moved_to_it() -> None:
    async with scene() as made:
        await made.take(replace(BUY, price=5500, bound=5600))
        await made.take(replace(BUY, price=5500, bound=5600))
        assert made.venue.sent == []
    rows = [row async for row in Order.objects.all()]
    assert [(row.status, row.outcome) for row in rows] == [("denied", "price 0.5700 is beyond the approved 0.5600")]
    event = await rows[0].events.aget()
    assert event.detail == {"rule": "price_bound", "observed": "0.5700", "limit": "0.5600"}


async def test_a_sale_below_its_bound_is_refused() -> None:
    async with scene() as made:
        sale = replace(BUY, side=Side.ASK, price=5700, bound=5700)
        await made.take(sale)
        assert made.venue.sent == []
        await made.take(replace(sale, bound=5600))
        assert [(i.side, i.price) for i in made.venue.sent] == [(Side.ASK, 5600)]


async def test_the_gate_judges_it_like_every_order() -> None:
    async with scene() as made:
        made.verdict = [DENIED]
        await made.take()
        await made.take()
        assert made.venue.sent == []
        assert made.stage.session.context.counters.denied == 1
    row = await Order.objects.aget()
    assert (row.status, row.outcome) == ("denied", DENIED.reason)


async def test_nothing_is_taken_beside_an_order_of_ours_that_rests() -> None:
    async with scene() as made:
        await made.stage.book([(5600, 1000)], [(6000, 1000)])
        await made.stage.session.trader.requests.settle()
        assert made.desk.working
        sent = len(made.venue.sent)
        await made.take(replace(BUY, price=6000, bound=6000))
        assert len(made.venue.sent) == sent


async def test_a_shut_gate_stops_it_even_after_it_was_stored() -> None:
    async with scene() as made:
        made.stage.session.context.gate.block("test", "shut by a test")
        await made.take()
        assert made.venue.sent == []
        made.stage.session.context.gate.unblock("test")
    row = await Order.objects.aget()
    assert (row.status, row.outcome) == ("canceled", "not sent: shut by a test")
