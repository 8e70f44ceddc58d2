"""Plans of several legs in a real session: all of them, or taken back, or told to the contract what is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.engine.ports import VenueOrder
from apps.engine.types import BookSnapshot, Side, TimeInForce
from apps.gateway.errors import ReplyTimeout
from apps.gateway.kalshi.frames import SnapshotFrame
from apps.governance.models import SystemEvent
from apps.trading.execution.plans import Plans
from apps.trading.models import Account, LegPlan, Order, PlanLeg
from apps.trading.services.plans import (
    WantedLeg,
    WantedRule,
    leg_order_id,
    plan_claim,
    plan_request,
    plan_stop,
    plans_open,
)
from tests import factories
from tests.factories import NOW, user

from .harness import Stage, arrange, query, running
from .immediate import Immediate

pytestmark = pytest.mark.django_db(transaction=True)

A, B, C, D = (f"KXTEST-26NOV20-T{strike}" for strike in (50, 60, 70, 80))
BACK = WantedRule(unwind_slippage=Decimal("0.04"), unwind_steps=2)
HOLD = WantedRule()


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session looks at requests when the test says so."""
    monkeypatch.setattr("apps.trading.execution.session.REQUESTS_S", 3600.0)


def person() -> User:
    return User.objects.filter(username="scalper").first() or user("scalper", perms=("trading.place_order",))


def leg(ticker: str, **changes: Any) -> WantedLeg:
    fields: dict[str, Any] = {"side": "bid", "price": Decimal("0.57"), "quantity": Decimal(4)} | changes
    return WantedLeg(factories.market(ticker), **fields)


def ask(account: Account, tickers: tuple[str, ...] = (A, B), rule: WantedRule = BACK, **changes: Any) -> LegPlan:
    legs = [leg(ticker, **changes.get(ticker, {})) for ticker in tickers]
    return plan_request(account=account, legs=legs, rule=rule, reason="the sum is below one", actor=person(), now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"legs": []},
        {"legs": [(A, {}), (A, {})]},
        {"legs": [(A, {"side": "yes"})]},
        {"legs": [(A, {"price": Decimal("0.575")})]},
        {"legs": [(A, {"price": Decimal("NaN")})]},
        {"legs": [(A, {"quantity": Decimal(0)})]},
        {"rule": WantedRule(complete_ms=0)},
        {"rule": WantedRule(complete_ms=50_001)},
        {"rule": WantedRule(sending="all")},
        {"rule": WantedRule(time_in_force="day")},
        {"rule": WantedRule(unwind_steps=11)},
        {"rule": WantedRule(unwind_slippage=Decimal("-0.01"), unwind_steps=1)},
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(changes: dict[str, Any]) -> None:
    account = arrange()
    legs = [leg(ticker, **more) for ticker, more in changes.get("legs", [(A, {})])]
    with pytest.raises(Refused) as refused:
        plan_request(
            account=account, legs=legs, rule=changes.get("rule", HOLD), reason="a test", actor=person(), now=NOW
        )
    assert refused.value.code == "bad_plan"
    assert not LegPlan.objects.exists()


def test_a_plan_needs_the_right_and_a_reason() -> None:
    account = arrange()
    with pytest.raises(NotPermitted):
        plan_request(account=account, legs=[leg(A)], rule=HOLD, reason="why", actor=user("viewer"), now=NOW)
    with pytest.raises(Refused):
        plan_request(account=account, legs=[leg(A)], rule=HOLD, reason=" ", actor=person(), now=NOW)


def test_a_plan_stopped_before_it_began_never_begins() -> None:
    account = arrange()
    plan = ask(account)
    plan_stop(plan_id=plan.pk, reason="a mistake", actor=person(), now=NOW)
    plan.refresh_from_db()
    assert (plan.state, plan.outcome) == ("canceled", "stopped by scalper before it began")
    assert plans_open(account_id=account.pk, order_key=account.order_key, known=frozenset()) == []
    with pytest.raises(Refused):
        plan_stop(plan_id=plan.pk, reason="again", actor=person(), now=NOW)


def test_a_plan_is_claimed_by_one_session_only() -> None:
    plan = ask(arrange())
    assert [plan_claim(pk=plan.pk, now=NOW) for _ in range(3)] == [True, False, False]


@dataclass(slots=True)
class Scene:
    stage: Stage
    venue: Immediate
    plans: Plans
    account: Account

    async def ask(self, *args: Any, **changes: Any) -> LegPlan:
        return await query(ask)(self.account, *args, **changes)

    async def begin(self, *args: Any, **changes: Any) -> LegPlan:
        plan = await self.ask(*args, **changes)
        await self.plans.poll()
        await self.step()
        return plan

    async def step(self, ms: int = 100, times: int = 1) -> None:
        for _ in range(times):
            self.stage.clock.ms += ms
            self.plans.tick()
            await self.stage.session.trader.requests.settle()
            await self.book_in_fills()
        self.plans.tick()
        assert await self.stage.session.context.journal.drain(20)

    async def book(self, ticker: str, bid: int = 5600, ask: int = 5700, size: int = 1000) -> None:
        self.stage.seq += 1
        await self.stage.socket.give(
            SnapshotFrame(1, self.stage.seq, BookSnapshot(ticker, ((bid, size),), ((ask, size),)))
        )

    async def book_in_fills(self) -> None:
        """Everything the venue executed arrives on the private feed."""
        for fill in self.venue.book_fills(self.stage.clock.now_ms()):
            await self.stage.fill(fill)

    def sent(self) -> list[tuple[str, Side, int, int, bool]]:
        return [(i.ticker, i.side, i.price, i.quantity, i.reduce_only) for i in self.venue.sent]


@asynccontextmanager
async def scene(prepare: Any = None) -> AsyncIterator[Scene]:
    account, venue = await query(arrange)(), Immediate()
    for ticker in (B, C, D):
        await query(factories.market)(ticker)
    if prepare is not None:
        await query(prepare)(account, venue)
    async with running(account, venue) as stage:
        made = Scene(stage, venue, stage.session.trader.plans, account)
        for ticker in (A, B, C, D):
            await made.book(ticker)
        await stage.until(lambda: stage.session.context.gate.closed_because() is None, "gate open")
        yield made
        await made.book_in_fills()


async def state_of(plan: LegPlan) -> tuple[str, str, list[tuple[str, Decimal, Decimal]]]:
    await plan.arefresh_from_db()
    legs = [(row.state, row.filled, row.unwound) async for row in PlanLeg.objects.filter(plan=plan)]
    return plan.state, plan.outcome, legs


async def test_four_legs_go_out_in_one_batch_and_the_plan_completes() -> None:
    async with scene() as made:
        made.venue.filling = {ticker: [400] for ticker in (A, B, C, D)}
        plan = await made.begin((A, B, C, D))
        assert made.venue.batches == [4]
        assert {i.time_in_force for i in made.venue.sent} == {TimeInForce.IMMEDIATE_OR_CANCEL}
        assert not any(i.post_only for i in made.venue.sent)
        assert await state_of(plan) == ("complete", "", [("filled", Decimal(4), Decimal(0))] * 4)
        assert plan.ended_at is not None
    assert {row.mode async for row in Order.objects.all()} == {"leg"}
    row = await PlanLeg.objects.select_related("plan__account").filter(plan=plan).afirst()
    assert row is not None
    assert row.client_order_ids == [leg_order_id(row.plan.account.order_key, row.pk, 0)]


async def test_what_filled_is_given_back_step_by_step_when_another_leg_falls_short() -> None:
    async with scene() as made:
        made.venue.filling = {A: [400, 150, 250], B: [100, 100]}
        plan = await made.begin()
        await made.step(times=8)
        assert made.sent() == [
            (A, Side.BID, 5700, 400, False),
            (B, Side.BID, 5700, 400, False),
            (A, Side.ASK, 5500, 400, True),
            (B, Side.ASK, 5500, 100, True),
            (A, Side.ASK, 5300, 250, True),
        ]
        state, outcome, legs = await state_of(plan)
        assert (state, outcome) == ("unwound", f"{B} did not fill in full")
        assert legs == [("unwound", Decimal(4), Decimal(4)), ("unwound", Decimal(1), Decimal(1))]


async def test_what_cannot_be_given_back_is_a_critical_event_with_exact_numbers() -> None:
    async with scene() as made:
        made.venue.filling = {A: [400, 150, 25]}
        plan = await made.begin()
        await made.step(times=12)
        state, outcome, _ = await state_of(plan)
        assert (state, outcome) == ("left", f"{B} did not fill in full; left: {A} 2.25")
    event = await SystemEvent.objects.aget(code="PLAN_LEFT")
    assert f"left: {A} 2.25" in event.message


async def test_without_an_unwind_rule_it_holds_and_reports() -> None:
    async with scene() as made:
        made.venue.filling = {A: [400]}
        plan = await made.begin((A, B), HOLD)
        assert (await state_of(plan))[:2] == ("left", f"{B} did not fill in full; left: {A} 4.00")
        assert len(made.venue.sent) == 2


async def test_one_leg_denied_by_the_gate_keeps_every_leg_from_being_sent() -> None:
    async with scene() as made:
        plan = await made.begin((A, B), BACK, **{B: {"quantity": Decimal(9000)}})
        assert made.venue.sent == []
        assert (await state_of(plan))[0] == "canceled"
        assert made.stage.session.context.blotter.open_orders() == []
    assert [(row.status, row.mode) async for row in Order.objects.all()] == [("denied", "leg")]


async def test_one_by_one_sends_the_scarcest_leg_first() -> None:
    async with scene() as made:
        await made.book(B, size=300)
        made.venue.filling = {A: [400], B: [400]}
        plan = await made.begin((A, B), WantedRule(sending="one_by_one"))
        await made.step(times=2)
        assert [ticker for ticker, *_ in made.sent()] == [B, A]
        assert (await state_of(plan))[0] == "complete"


async def test_an_unanswered_leg_is_looked_up_before_anything_else_happens_to_it() -> None:
    async with scene() as made:
        made.venue.answers = [ReplyTimeout("timeout")]
        plan = await made.begin()
        await made.step(times=30)
        assert len(made.venue.sent) == 2
        state, _, legs = await state_of(plan)
        assert (state, legs[0][0]) == ("unwinding", "unknown")
        made.venue.rest(made.venue.sent[0], "v-1")
        record = made.venue.resting.pop("v-1")
        made.venue.closed["v-1"] = _ended(record, filled=400)
        made.venue.filling = {A: [400]}
        await made.stage.session.trader.reconciler.resolve_undecided()
        await made.step(times=2)
        assert made.sent()[2] == (A, Side.ASK, 5500, 400, True)
        assert (await state_of(plan))[0] == "unwound"


def _ended(record: VenueOrder, *, filled: int) -> VenueOrder:
    return replace(record, status="executed" if filled == record.initial else "canceled", filled=filled, remaining=0)


async def test_the_strategys_quotes_get_out_of_the_way_first_and_stay_away() -> None:
    async with scene() as made:
        await made.book(A, bid=5600, ask=6000)
        await made.stage.until(lambda: len(made.venue.resting) == 2, "quotes resting")
        made.venue.filling = {A: [400], B: [400]}
        plan = await made.ask((A, B), BACK, **{A: {"price": Decimal("0.60")}})
        await made.plans.poll()
        made.plans.tick()
        assert len(made.venue.sent) == 2
        await made.step(times=2)
        assert made.venue.resting == {}
        assert [ticker for ticker, *_ in made.sent()[2:]] == [A, B]
        assert (await state_of(plan))[0] == "complete"


async def test_a_plan_is_begun_once_however_often_it_is_seen() -> None:
    async with scene() as made:
        await made.ask()
        for _ in range(5):
            await made.plans.poll()
            await made.step()
        assert len([i for i in made.venue.sent if not i.reduce_only]) == 2


async def test_a_shut_gate_keeps_a_plan_from_beginning() -> None:
    async with scene() as made:
        made.stage.session.context.gate.block("test", "shut by a test")
        plan = await made.begin()
        made.stage.session.context.gate.unblock("test")
        assert (await state_of(plan))[:2] == ("canceled", "not started: shut by a test")
        assert made.venue.sent == []


async def test_a_gate_that_shuts_meanwhile_uses_no_step_up() -> None:
    async with scene() as made:
        made.venue.filling = {A: [400, 400]}
        plan = await made.ask()
        await made.plans.poll()
        made.plans.tick()
        await made.stage.session.trader.requests.settle()
        made.stage.session.context.gate.block("test", "shut by a test")
        await made.step(times=10)
        assert len(made.venue.sent) == 2
        assert (await state_of(plan))[0] == "unwinding"
        made.stage.session.context.gate.unblock("test")
        await made.step(times=2)
        assert (await state_of(plan))[0] == "unwound"


async def test_a_stop_by_hand_cancels_what_rests_and_unwinds_what_filled() -> None:
    async with scene() as made:
        rule = WantedRule(time_in_force="good_till_canceled", complete_ms=40_000, unwind_slippage=Decimal("0.02"),
                          unwind_steps=1)  # fmt: skip
        plan = await made.begin((A, B), rule)
        assert len(made.venue.resting) == 2
        assert all(i.order_group_id for i in made.venue.sent)
        await query(plan_stop)(plan_id=plan.pk, reason="enough", actor=await query(person)(), now=NOW)
        await made.plans.poll()
        await made.step(times=2)
        assert made.venue.resting == {}
        assert (await state_of(plan))[:2] == ("canceled", "stopped by hand")


@pytest.mark.parametrize(("filled", "state"), [(400, "unwound"), (0, "canceled")])
async def test_a_plan_whose_session_died_is_taken_up_and_entered_no_further(filled: int, state: str) -> None:
    """Killed after its first leg was stored and sent, before the answer came."""
    kept: list[LegPlan] = []

    def died(account: Account, venue: Immediate) -> None:
        plan = ask(account, (A, B))
        LegPlan.objects.filter(pk=plan.pk).update(state="working", started_at=NOW)
        client_order_id = leg_order_id(account.order_key, plan.legs.get(ordinal=0).pk, 0)
        dead = factories.session(account, state="failed", fencing_token=1_000_000)
        factories.cash_entry(account, amount=Decimal("10002.28"), balance=Decimal("10002.28"))
        factories.order(dead, client_order_id=client_order_id, venue_order_id=None, quantity=4, status="submitted",
                        mode="leg", time_in_force="immediate_or_cancel")  # fmt: skip
        venue.cash += 2_280_000 - 5_700 * filled
        venue.execute_earlier(client_order_id, A, Side.BID, 5_700, 400, filled)
        kept.append(plan)

    async with scene(died) as made:
        made.venue.filling = {A: [400]}
        await made.plans.poll()
        await made.step(times=3)
        assert [(ticker, side, reduce) for ticker, side, _, _, reduce in made.sent()] == [(A, Side.ASK, True)] * bool(
            filled
        )
        assert (await state_of(kept[0]))[:2] == (state, "the session restarted")
    assert await Order.objects.filter(status="unknown").acount() == 0
