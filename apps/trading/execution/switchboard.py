"""The automatic switches of one session: gathers their inputs each second, judges, acts, and shows what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

from apps.core.processes import disagreements, reports_known
from apps.engine.limits import Breach
from apps.engine.ports import VenueStatus
from apps.engine.switches.base import Inputs, Switch, Verdict
from apps.engine.switches.catalogue import SWITCHES
from apps.engine.types import ONE_DOLLAR, Fill, Money, OrderIntent, Ticker
from apps.governance.choices import Severity
from apps.risk.choices import Scope
from apps.trading.choices import ExecutionMode

from .blotter import WorkingOrder
from .context import SessionContext
from .gate import Gate
from .incidents import Incidents
from .switch_account import AccountInputs, account_inputs
from .switch_actions import Actions, ScopeKey
from .switch_flow import StrategyFlow
from .switch_flows import StrategyFlows
from .switch_lookup import Lookup
from .switch_money import DayStart, NavTracker
from .switch_reads import Past
from .switch_status import StatusBoard
from .watch import Watch
from .watched_venue import watched

BLOCK, DRILLS, MIXTURE = "switches", "drills", "mixture"
CHECK_S, BLIND_CHECK_S = 1.0, 0.1
# The stored state itself: the gate reads it on its own, and it needs nobody to act on it.
SHOWN_ONLY = frozenset({"KM"})


class Switchboard(Watch):
    """Shuts the gate when built, and opens it once every required switch has a live input and a good drill.

    `on_pull(why)` takes every quote off; `measures` gives every limit with what is used of it (K16); `optional` names
    switches whose missing input does not block. Building it puts it between the session and its venue, and makes it
    the session's watch.
    """

    def __init__(
        self,
        context: SessionContext,
        incidents: Incidents,
        *,
        on_pull: Callable[[str], None],
        measures: Callable[[], Iterable[Breach]] | None = None,
        optional: Collection[str] = (),
        day_start: DayStart | None = None,
    ) -> None:
        self._context = context
        self._incidents = incidents
        self._optional = SHOWN_ONLY | set(optional)
        self._blind: tuple[str, ...] = ()
        self.money = NavTracker(context, day_start or DayStart())
        self.account = AccountInputs(context, measures)
        self.actions = Actions(context, incidents, on_pull=on_pull, on_release=self._start_over)
        self.statuses = StatusBoard(context)
        self.flows = StrategyFlows(context)
        self.lookup = Lookup(context, self.actions)
        self._of = self.lookup.thresholds
        context.gate.block(BLOCK, "switches have not looked yet")
        context.gate.block(DRILLS, "drills of the switches are not known yet")
        context.watch = self
        context.venue = watched(context.venue, self)

    async def check(self) -> None:
        """Once a second. Raises only for a bug; a database that is away makes inputs old, and old ones block."""
        await self.lookup.refresh()
        past = self.lookup.take_past()
        if past is not None:
            self._load(past)
        now_ms = self._context.clock.now_ms()
        self.flows.count_slots()
        self.money.update(self._of("K4"), now_ms)
        self._judge_account(now_ms)
        for flow in self.flows.all():
            self._judge_flow(flow, now_ms)
        self._block_while_blind(now_ms)
        self.statuses.post(self.actions, now_ms)
        record = self.money.due_record(now_ms)
        if record is not None:
            self.statuses.post_nav(record)

    # What the session tells.

    def on_order_sent(self, intent: OrderIntent) -> str | None:
        """An order is about to leave; why it must not, or None. What it trips, it trips at once."""
        now_ms = self._context.clock.now_ms()
        flow = self.flows.of_market(intent.ticker)
        scopes = ((Scope.STRATEGY, flow.slug), (Scope.MARKET, intent.ticker), self._account_scope)
        stopped = self.actions.stopped(*scopes)
        if stopped is not None:
            return stopped
        bad = _bad_number(intent)
        if bad is not None:
            self.on_bad_number(bad, intent.ticker)
            return bad
        if self._is_restricted(intent):
            self.on_restricted(intent.ticker)
            return f"{intent.ticker} is on the restricted list"
        if flow.is_duplicate(intent):
            self._judge("K9", (Scope.STRATEGY, flow.slug), flow.runaway(self._of("K9"), now_ms), now_ms)
            return f"order {intent.client_order_id} has been sent before"
        flow.sent(intent, self.flows.expected(intent), now_ms)
        if flow.may_trip(intent, self._of("K8"), self._of("K9"), now_ms):
            self._judge_sending(flow, now_ms)
        return self.actions.stopped(*scopes)

    def _is_restricted(self, intent: OrderIntent) -> bool:
        """For the platform's own orders; a person's was judged by what binds that person."""
        present, order = self.lookup.present, self._context.blotter.find(client_order_id=intent.client_order_id)
        if present is None or (order is not None and order.mode is ExecutionMode.MANUAL):
            return False
        return intent.ticker in present.restricted

    def on_cancel_sent(self, ticker: Ticker) -> None:
        """Only of markets a strategy has: what an earlier session left is taken off in one go."""
        if ticker in self._context.desks:
            self.flows.of_market(ticker).canceled(self._context.clock.now_ms())

    def on_venue_call(self, *, ok: bool) -> None:
        self.account.called(ok=ok, now_ms=self._context.clock.now_ms())

    def on_venue_status(self, status: VenueStatus) -> None:
        self.account.status(status, self._context.clock.now_ms())

    def on_fill(self, fill: Fill, order: WorkingOrder | None, predicted_fee: Money | None) -> None:
        client_order_id = fill.client_order_id if order is None else order.client_order_id
        self.money.note_fill(fill)
        self.flows.of_market(fill.ticker, remember=True).filled(fill, client_order_id)
        if order is not None and not order.is_recovered:
            self.account.fee(fill.fee, predicted_fee, self._context.clock.now_ms())

    def on_settlement(self, ticker: Ticker, result: Money) -> None:
        self.flows.of_settled(ticker).settled(result)

    def on_compared(self, *, orders: int, positions: int, drift: Money, is_confirmed: bool) -> None:
        now_ms = self._context.clock.now_ms()
        self.account.compared(orders, positions, drift, is_confirmed=is_confirmed, now_ms=now_ms)

    def on_own_order_mismatch(self, text: str) -> None:
        """Halts at once: an order whose fate we got wrong is not looked at a second later."""
        now_ms = self._context.clock.now_ms()
        self.account.agreement.mismatch(now_ms)
        self._judge("K7", self._account_scope, self.account.agreement.inputs(self._of("K7"), now_ms), now_ms)

    def on_book_problem(self, ticker: Ticker) -> None:
        self.account.agreement.book_problem(ticker, self._context.clock.now_ms())

    def on_bad_number(self, text: str, ticker: Ticker | None = None) -> None:
        now_ms = self._context.clock.now_ms()
        flows = self.flows.all() if ticker is None else [self.flows.of_market(ticker)]
        for flow in flows:
            flow.bad_number(text, now_ms)
            self._judge("K17", (Scope.STRATEGY, flow.slug), flow.bad_numbers(self._of("K17"), now_ms), now_ms)

    def on_restricted(self, ticker: Ticker) -> None:
        now_ms = self._context.clock.now_ms()
        self.account.refused(ticker, now_ms)
        self._judge("K19", self._account_scope, self.account.restricted(self.lookup.present), now_ms)

    # How it is judged.

    @property
    def _account_scope(self) -> ScopeKey:
        return (Scope.ACCOUNT, self._context.account.name)

    def _judge_account(self, now_ms: int) -> None:
        inputs = account_inputs(self.account, self.money, self.lookup.present, self._of, now_ms)
        for key, found in inputs.items():
            self._judge(key, self._account_scope, found, now_ms)

    def _judge_flow(self, flow: StrategyFlow, now_ms: int) -> None:
        scope, confirmed_ms = (Scope.STRATEGY, flow.slug), self._context.venue_cash_ms
        self._judge("K2", scope, flow.streak(confirmed_ms), now_ms)
        self._judge("K3", scope, flow.slippage(confirmed_ms), now_ms)
        self._judge("K17", scope, flow.bad_numbers(self._of("K17"), now_ms), now_ms)
        self._judge_sending(flow, now_ms)

    def _judge_sending(self, flow: StrategyFlow, now_ms: int) -> None:
        scope, t = (Scope.STRATEGY, flow.slug), self._of("K8")
        self._judge("K8", scope, flow.fill_rate(self._context.venue_cash_ms, t, now_ms), now_ms)
        self._judge("K9", scope, flow.runaway(self._of("K9"), now_ms), now_ms)

    def _judge(self, key: str, scope: ScopeKey, inputs: Inputs | None, now_ms: int) -> Verdict:
        switch: Switch[Any, Any] = SWITCHES[key]
        verdict = switch.evaluate(inputs, now_ms, self._of(key))
        if key not in SHOWN_ONLY:
            self.actions.take(switch, scope, verdict, now_ms)
        self.statuses.note(switch, scope, verdict, None if inputs is None else inputs.at_ms, now_ms)
        return verdict

    def _block_while_blind(self, now_ms: int) -> None:
        """A required switch without a live input, or settings that cannot be used, shut the gate."""
        gate = self._context.gate
        blind = tuple(self.statuses.blind(self._optional))
        if self.lookup.present is not None and self.lookup.present.problem:
            gate.block(BLOCK, f"thresholds of switches cannot be used: {self.lookup.present.problem}")
        elif blind or self.lookup.present is None:
            gate.block(BLOCK, f"switches have no live input: {'; '.join(blind) or 'settings not read'}")
        else:
            gate.unblock(BLOCK)
        keys = tuple(text.split(" ")[0] for text in blind)
        if keys and keys != self._blind and self.lookup.present is not None:
            message = f"switches have no live input: {'; '.join(blind)}"
            self._incidents.raise_event("SWITCH_NO_INPUT", Severity.WARNING, message, {"switches": list(keys)})
        self._blind = keys
        due = None if self.lookup.present is None else self.lookup.present.drills_due
        if due:
            gate.block(DRILLS, f"no good drill in 30 days: {', '.join(due)}; run manage.py switch_drill")
        elif due is not None:
            gate.unblock(DRILLS)
        _block_while_mixed(gate)

    def _load(self, past: Past) -> None:
        self.money.load(past.nav, past.marks)
        if past.is_resumed:
            self.money.forget_ladder()
        for slug, known in past.strategies.items():
            self.flows.of(slug).remember(known.unfilled, known.since_ms, known.losses)

    def _start_over(self, key: str, scope_id: str) -> None:
        if key == "K4":
            self.money.rebase()
        self.account.start_over(key, scope_id)
        for flow in self.flows.all():
            if flow.slug == scope_id:
                flow.start_over(key)


def _block_while_mixed(gate: Gate) -> None:
    """K18 waits out a grace before it halts; a mixture of releases sends nothing from the first look on."""
    if mixed := disagreements(reports_known()):
        gate.block(MIXTURE, f"processes run different releases: {'; '.join(mixed)}")
    else:
        gate.unblock(MIXTURE)


async def look_always(board: Switchboard, gate: Gate) -> None:
    """A look each second, ten a second while an input is missing; one of the session's loops."""
    while True:
        await board.check()
        await asyncio.sleep(BLIND_CHECK_S if BLOCK in gate.blocks else CHECK_S)


def _bad_number(intent: OrderIntent) -> str | None:
    if type(intent.price) is not int or not 0 < intent.price < ONE_DOLLAR:
        return f"order {intent.client_order_id} in {intent.ticker} has the price {intent.price!r:.40}"
    if type(intent.quantity) is not int or intent.quantity <= 0:
        return f"order {intent.client_order_id} in {intent.ticker} has the quantity {intent.quantity!r:.40}"
    return None
