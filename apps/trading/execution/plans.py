"""Carries plans of several legs out: what the plan wants goes through the gate, what became of it is reported back.

A plan whose session died is taken up by the next: nothing more is entered, every order it may have sent is looked up,
and what filled is unwound by its rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError

from apps.engine.decimals import format_quantity
from apps.engine.legs import Action, Cancel, Leg, Outcome, PlannedOrder, PlanRun, Report, hardest_first
from apps.engine.legs import PlanState as RunState
from apps.engine.orders import OrderStatus
from apps.governance.choices import Severity
from apps.trading.choices import ExecutionMode, PlanState
from apps.trading.services.plans import (
    LegProgress,
    StoredPlan,
    plan_claim,
    plan_progress_store,
    plans_open,
)

from .blotter import WorkingOrder
from .context import SessionContext
from .groups import OrderGroups
from .incidents import Incidents
from .placing import Judge, Placement, Placing
from .plan_orders import LegOrders
from .requests import OrderRequests

RESTARTED = "the session restarted"
# How long a plan waits for a shut gate to open before its steps to unwind are used up against it.
HOLD_MS = 30_000
# In a market of a plan nothing else of the platform's may stand in the way of its legs.
CLEAR_MS = 500
GET_CLEAR_MS = 5_000
LEVELS = 20
_OUTCOMES = {OrderStatus.SUBMITTED: Outcome.SENT, OrderStatus.UNKNOWN: Outcome.UNKNOWN}


@dataclass(slots=True)
class _Running:
    """A plan under way. `orders`: what was sent for each of its order keys, None once it provably was not."""

    stored: StoredPlan
    run: PlanRun
    taken_ms: int
    orders: dict[tuple[int, int], WorkingOrder | None] = field(default_factory=dict)
    shown: tuple[object, ...] = ()


class Plans:
    """`poll` about once a second reads the plans, `tick` ten times a second moves them."""

    def __init__(
        self,
        context: SessionContext,
        requests: OrderRequests,
        placing: Placing,
        groups: OrderGroups,
        incidents: Incidents,
        judge: Judge,
    ) -> None:
        self._context = context
        self._requests = requests
        self._placing = placing
        self._incidents = incidents
        self._legs = LegOrders(context, placing, groups, incidents, judge)
        self._running: dict[int, _Running] = {}
        self._shut_since_ms: int | None = None
        self._looking = asyncio.Lock()

    @property
    def under_way(self) -> list[int]:
        """Primary keys of the plans this session is carrying out."""
        return list(self._running)

    async def poll(self) -> None:
        """Starts new plans, takes up those of a session before, and hears who wants one stopped."""
        context = self._context
        async with self._looking:
            try:
                stored = await context.journal.read(
                    plans_open, account_id=context.account.pk, order_key=context.account.order_key,
                    known=frozenset(self._running),
                )  # fmt: skip
                for plan in stored:
                    await self._look(plan)
            except DatabaseError:
                return

    def tick(self) -> None:
        """Tells every plan what became of its orders and that time has passed."""
        now_ms = self._context.clock.now_ms()
        is_shut = self._waits_for_gate(now_ms)
        for running in list(self._running.values()):
            is_clear = self._keep_clear(running, now_ms)
            running.run.is_held = is_shut or not is_clear
            if running.run.state is RunState.PENDING:
                self._begin(running, now_ms, is_clear=is_clear)
            for key in running.run.waits_for:
                self._report(running, key, now_ms)
            self._act(running, running.run.tick(now_ms))
            self._store(running)

    async def _look(self, stored: StoredPlan) -> None:
        now_ms = self._context.clock.now_ms()
        running = self._running.get(stored.pk)
        if running is not None:
            if stored.is_stop_asked and not running.run.failure:
                self._act(running, running.run.stop(now_ms, "stopped by hand"))
        elif stored.state is not PlanState.PENDING:
            self._resume(stored, now_ms)
        elif await self._context.journal.commit(plan_claim, pk=stored.pk, now=self._context.now()):
            self._running[stored.pk] = _Running(stored, PlanRun(stored.plan), now_ms)

    def _begin(self, running: _Running, now_ms: int, *, is_clear: bool) -> None:
        """Once nothing of ours stands in its markets; not at all while the gate is shut."""
        run, plan = running.run, running.stored.plan
        closed = self._context.gate.closed_because()
        if closed is not None:
            self._act(running, run.stop(now_ms, f"not started: {closed}"))
        elif is_clear:
            depth = {leg.ticker: self._depth(leg) for leg in plan.legs}
            self._act(running, run.start(now_ms, hardest_first(plan.legs, depth)))
        elif now_ms - running.taken_ms > GET_CLEAR_MS:
            self._act(running, run.stop(now_ms, "not started: our own orders did not get out of its way"))

    def _keep_clear(self, running: _Running, now_ms: int) -> bool:
        """Takes the strategy's quotes off in the plan's markets and keeps new ones away; True once they are off."""
        is_clear = True
        for leg in running.stored.plan.legs:
            desk = self._context.desks.get(leg.ticker)
            if desk is None:
                continue
            desk.not_before_ms = max(desk.not_before_ms, now_ms + CLEAR_MS)
            for order in self._context.blotter.open_orders(leg.ticker):
                if order.mode in (ExecutionMode.MAKER, ExecutionMode.TAKER):
                    is_clear = False
                    self._requests.cancel(order, f"plan {running.stored.pk} trades here")
        return is_clear

    def _depth(self, leg: Leg) -> int | None:
        """What the book shows within the leg's bound."""
        book = self._context.books.book(leg.ticker)
        if book is None or not book.is_quotable:
            return None
        levels = book.levels(leg.side.opposite, LEVELS)
        return sum(size for price, size in levels if (price - leg.bound) * leg.side.sign <= 0)

    def _resume(self, stored: StoredPlan, now_ms: int) -> None:
        """Of each order that was stored: in memory if it may still be open, else as its row says it ended."""
        running = self._running[stored.pk] = _Running(stored, PlanRun(stored.plan), now_ms)
        running.run.resume({key: sent.quantity for key, sent in stored.sent.items()}, now_ms, RESTARTED)
        for key, sent in stored.sent.items():
            order = self._context.blotter.find(client_order_id=sent.client_order_id)
            if order is not None:
                running.orders[key] = order
            elif sent.is_over:
                self._act(running, running.run.report(Report(key, sent.filled, Outcome.CLOSED), now_ms))

    def _waits_for_gate(self, now_ms: int) -> bool:
        if self._context.gate.closed_because() is None:
            self._shut_since_ms = None
            return False
        self._shut_since_ms = now_ms if self._shut_since_ms is None else self._shut_since_ms
        return now_ms - self._shut_since_ms < HOLD_MS

    def _report(self, running: _Running, key: tuple[int, int], now_ms: int) -> None:
        if key not in running.orders:
            return
        order = running.orders[key]
        report = Report(key, 0, Outcome.CLOSED) if order is None else Report(key, _filled(order), _outcome(order))
        self._act(running, running.run.report(report, now_ms))

    def _act(self, running: _Running, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Cancel):
                order = running.orders.get(action.key)
                if order is not None:
                    self._requests.cancel(order, f"plan {running.stored.pk}: {running.run.failure}")
            else:
                self._place(running, action.orders)

    def _place(self, running: _Running, orders: Sequence[PlannedOrder]) -> None:
        """Judges all of a batch; entering goes out only if every leg of it is allowed, unwinding each for itself."""
        placements: list[Placement] = []
        for planned in orders:
            placement = self._legs.judged(running.stored, planned)
            running.orders[planned.key] = None
            if placement is not None:
                placements.append(placement)
        is_entry = any(planned.key[1] == 0 for planned in orders)
        if is_entry and sum(p.order is not None for p in placements) < len(orders):
            for placement in placements:
                if placement.order is not None:
                    self._context.blotter.discard(placement.order)
            placements = [p for p in placements if p.order is None]
        else:
            running.orders |= {p.key: _order_of(placements, self._legs.order_id(running.stored, p.key)) for p in orders}
        if placements:
            self._requests.spawn(self._send(running, placements))

    async def _send(self, running: _Running, placements: list[Placement]) -> None:
        await self._placing.send(placements)
        for key, order in running.orders.items():
            if order is not None and order.pk == 0 and any(p.order is order for p in placements):
                running.orders[key] = None

    def _store(self, running: _Running) -> None:
        """Stores where the plan stands if that changed; one that is over is let go, and contracts left are news."""
        run, stored = running.run, running.stored
        legs = [self._leg_progress(running, i) for i in range(len(stored.plan.legs))]
        outcome = _outcome_text(run)
        shown = (run.state, outcome, tuple(legs))
        if shown == running.shown:
            return
        running.shown = shown
        self._context.journal.post(
            plan_progress_store, pk=stored.pk, state=PlanState(run.state.value), outcome=outcome, legs=legs,
            is_over=run.is_over, now=self._context.now(),
        )  # fmt: skip
        if not run.is_over:
            return
        del self._running[stored.pk]
        if run.state is RunState.LEFT:
            self._incidents.raise_event(
                "PLAN_LEFT", Severity.CRITICAL, f"plan {stored.pk} ended with contracts left: {outcome}"
            )

    def _leg_progress(self, running: _Running, i: int) -> LegProgress:
        stored, run = running.stored, running.run
        ids = [self._legs.order_id(stored, key) for key in running.orders if key[0] == i]
        return LegProgress(stored.leg_keys[i], run.leg_state(i), run.filled(i), run.unwound(i), tuple(ids))


def _order_of(placements: Sequence[Placement], client_order_id: str) -> WorkingOrder | None:
    return next((p.order for p in placements if p.record.intent.client_order_id == client_order_id), None)


def _filled(order: WorkingOrder) -> int:
    return max(order.tracked.filled, order.tracked.reported_filled)


def _outcome(order: WorkingOrder) -> Outcome:
    """An order that has ended is waited for until its fills are booked: only then does the position show it."""
    tracked = order.tracked
    if not tracked.is_open or _filled(order) == tracked.quantity:
        return Outcome.SENT if tracked.missing_fills else Outcome.CLOSED
    return _OUTCOMES.get(tracked.status, Outcome.OPEN)


def _outcome_text(run: PlanRun) -> str:
    """Why it did not complete, and the exact contracts it has left in each market."""
    if run.state in (RunState.WORKING, RunState.COMPLETE):
        return ""
    left = ", ".join(f"{ticker} {format_quantity(quantity)}" for ticker, quantity in run.left.items())
    return f"{run.failure}; left: {left}" if left else run.failure
