"""What the switches of the whole account look at: the inputs of K5, K6, K10 to K13, K15, K16, K18, K19 and KM."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from apps.core.processes import disagreements, reports_known
from apps.engine.exposure import NodeKey, NodeLevel
from apps.engine.limits import Breach, LimitRule
from apps.engine.orders import OrderStatus
from apps.engine.ports import VenueStatus
from apps.engine.switches.base import Inputs
from apps.engine.switches.health import (
    ApiErrorInputs,
    ApiErrorThresholds,
    ClockInputs,
    DeadManInputs,
    ExchangeInputs,
    FeedInputs,
)
from apps.engine.switches.orders import BreachInputs, ManualInputs, NodeUse, RestrictedInputs
from apps.engine.switches.truth import (
    BooksInputs,
    FeeInputs,
    FeeThresholds,
    VersionInputs,
)
from apps.engine.types import Money, Ticker
from apps.risk.guardian import heartbeat
from apps.trading.choices import ExecutionMode

from .context import SessionContext
from .switch_agreement import Agreement
from .switch_money import NavTracker
from .switch_reads import Present
from .switch_windows import Sums, Window

RESTING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
# The end of a market is no halt of it.
SETTLED = frozenset({"determined", "settled"})


class AccountInputs:
    """Keeps what has to be counted, reads the rest from the session when asked.

    `measures` gives every limit with what is used of it; without it only the contracts of each market are looked at.
    """

    def __init__(self, context: SessionContext, measures: Callable[[], Iterable[Breach]] | None = None) -> None:
        self._context = context
        self._measures = measures or self._contracts
        self.agreement = Agreement(context)
        self.skew_ms: int | None = None
        self.call_ms: int | None = None
        self._calls, self._errors = Window(), Window()
        self._unpredicted = Window()
        self._fees = Sums()
        self._status: VenueStatus | None = None
        self._status_ms: int | None = None
        self._compared: tuple[int, int, Money, bool] | None = None
        self._drift_since_ms: int | None = None
        self._version_since_ms: int | None = None
        self._refused: deque[tuple[int, Ticker]] = deque(maxlen=1_000)

    def called(self, *, ok: bool, now_ms: int) -> None:
        self.call_ms, self.skew_ms = now_ms, self._context.venue.clock_skew_ms
        self._calls.add(now_ms)
        if not ok:
            self._errors.add(now_ms)

    def status(self, status: VenueStatus, now_ms: int) -> None:
        self._status, self._status_ms = status, now_ms

    def fee(self, charged: Money, predicted: Money | None, now_ms: int) -> None:
        if predicted is None:
            self._unpredicted.add(now_ms)
        elif charged != predicted:
            self._fees.add(now_ms, abs(charged - predicted))

    def compared(self, orders: int, positions: int, drift: Money, *, is_confirmed: bool, now_ms: int) -> None:
        self._compared = (orders, positions, drift, is_confirmed)
        if drift and is_confirmed:
            self._drift_since_ms = now_ms if self._drift_since_ms is None else self._drift_since_ms
        else:
            self._drift_since_ms = None

    def refused(self, ticker: Ticker, now_ms: int) -> None:
        self._refused.append((now_ms, ticker))

    def start_over(self, key: str, scope_id: str) -> None:
        """People have resumed after this switch."""
        if key == "K7":
            self.agreement.start_over()
        elif key == "K11":
            self._fees, self._unpredicted = Sums(), Window()
        elif key == "K19":
            self._refused = deque(((at, t) for at, t in self._refused if t != scope_id), maxlen=1_000)

    def api_errors(self, t: ApiErrorThresholds, now_ms: int) -> ApiErrorInputs:
        since = now_ms - t.window_ms
        return ApiErrorInputs(at_ms=self.call_ms, calls=self._calls.count(since), errors=self._errors.count(since))

    def feed(self, now_ms: int) -> FeedInputs | None:
        """None before the first connection: then there is no input yet, rather than a feed that was lost."""
        context = self._context
        if context.last_frame_ms is None and context.feed_reason == "not connected yet":
            return None
        is_connected = context.feed_reason == ""
        silent_ms = context.feed_age_ms if is_connected else None
        return FeedInputs(at_ms=now_ms, is_connected=is_connected, silent_ms=silent_ms)

    def books(self) -> BooksInputs | None:
        if self._compared is None:
            return None
        orders, positions, drift, is_confirmed = self._compared
        return BooksInputs(
            at_ms=self._context.venue_cash_ms, order_differences=orders, position_differences=positions,
            cash_drift=drift, is_confirmed=is_confirmed,
        )  # fmt: skip

    def fees(self, t: FeeThresholds, now_ms: int) -> FeeInputs:
        since = now_ms - t.window_ms
        return FeeInputs(
            at_ms=self._context.venue_cash_ms,
            difference=self._fees.total(since),
            unpredicted=self._unpredicted.count(since),
            drift=self._context.cash_drift,
            drift_ms=0 if self._drift_since_ms is None else now_ms - self._drift_since_ms,
        )

    def clock(self) -> ClockInputs:
        return ClockInputs(at_ms=self.call_ms, skew_ms=self.skew_ms)

    def dead_man(self, now_ms: int) -> DeadManInputs:
        """The session's own beat is read back from where the guardian looks for it."""
        context = self._context
        try:
            beat = heartbeat.beats_read_files().get(context.account.name)
        except OSError:
            beat = None
        leases = [
            order.tracked.expires_at_s * 1000 - now_ms
            for order in context.blotter.open_orders()
            if order.tracked.status in RESTING and order.tracked.expires_at_s is not None
        ]
        return DeadManInputs(
            at_ms=now_ms,
            beat_age_ms=None if beat is None else max(0, now_ms - beat.at_ms),
            guardian_age_ms=context.guardian_age_ms,
            lease_left_ms=min(leases, default=None),
        )

    def exchange(self) -> ExchangeInputs | None:
        if self._status is None:
            return None
        halted = tuple(
            ticker
            for ticker, desk in self._context.desks.items()
            if desk.halted_by_exchange is not None and desk.halted_by_exchange not in SETTLED
        )
        return ExchangeInputs(
            at_ms=self._status_ms,
            is_exchange_active=self._status.is_exchange_active,
            is_trading_active=self._status.is_trading_active,
            halted_markets=halted,
        )

    def breaches(self, now_ms: int) -> BreachInputs:
        """Every limit of which anything is used. Shares of NAV are left to the gate: they move with prices alone."""
        nodes = tuple(
            NodeUse(scope=m.node.level.value, scope_id=m.node.id, rule=m.rule.value, used=m.observed, limit=m.limit)
            for m in self._measures()
            if m.observed and m.rule is not LimitRule.MAX_NAV_SHARE
        )
        return BreachInputs(at_ms=now_ms, nodes=nodes)

    def _contracts(self) -> Iterable[Breach]:
        """Contracts held in each market against the tightest limit that binds it."""
        for ticker, position in self._context.portfolio.positions.items():
            desk = self._context.desks.get(ticker)
            if position.quantity and desk is not None and desk.armed.limits is not None:
                most = desk.armed.limits.value(LimitRule.MAX_CONTRACTS_PER_MARKET)
                if most is not None:
                    node = NodeKey(NodeLevel.MARKET, ticker)
                    yield Breach(node, LimitRule.MAX_CONTRACTS_PER_MARKET, abs(position.quantity), most)

    def versions(self, present: Present | None, now_ms: int) -> VersionInputs | None:
        if present is None:
            return None
        found = [*present.disagreements, *disagreements(reports_known())]
        # A market on its way out decides nothing any more and keeps what it was armed with.
        desks = [desk for desk in self._context.desks.values() if not desk.is_retired]
        running = {desk.armed.armed.config_id: desk.armed.armed for desk in desks}
        for config_id, armed in running.items():
            approved = present.approved.get(config_id)
            if approved is not None and approved != armed.params_hash:
                found.append(f"{armed.slug} runs parameters {armed.params_hash[:12]}, approved are {approved[:12]}")
        if not found:
            self._version_since_ms = None
        elif self._version_since_ms is None:
            self._version_since_ms = now_ms
        since_ms = 0 if self._version_since_ms is None else now_ms - self._version_since_ms
        return VersionInputs(at_ms=present.at_ms, disagreements=tuple(found), since_ms=since_ms)

    def restricted(self, present: Present | None) -> RestrictedInputs | None:
        if present is None:
            return None
        context = self._context
        asked = {ticker for _, ticker in self._refused}
        # A person's own order was judged by what binds that person.
        working = {
            ticker
            for ticker in present.restricted
            if any(order.mode is not ExecutionMode.MANUAL for order in context.blotter.open_orders(ticker))
        } | asked
        armed = present.restricted & context.desks.keys()
        return RestrictedInputs(at_ms=present.at_ms, armed=tuple(sorted(armed)), working=tuple(sorted(working)))

    def manual(self, now_ms: int) -> ManualInputs:
        gate = self._context.gate
        age_s = gate.clock.monotonic() - gate.state_read_at
        at_ms = now_ms - int(age_s * 1000) if age_s < 1e6 else None
        return ManualInputs(at_ms=at_ms, state=gate.state.value, reason=gate.state_reason)


def account_inputs(
    look: AccountInputs, money: NavTracker, present: Present | None, thresholds: Callable[[str], Any], now_ms: int
) -> dict[str, Inputs | None]:
    """Of every switch of the account what it judges now, by key; None where there is nothing to judge yet."""
    return {
        "K1": money.daily_loss(),
        "K4": money.drawdown(),
        "K5": look.api_errors(thresholds("K5"), now_ms),
        "K6": look.feed(now_ms),
        "K7": look.agreement.inputs(thresholds("K7"), now_ms),
        "K10": look.books(),
        "K11": look.fees(thresholds("K11"), now_ms),
        "K12": look.clock(),
        "K13": look.dead_man(now_ms),
        "K14": money.floor(),
        "K15": look.exchange(),
        "K16": look.breaches(now_ms),
        "K18": look.versions(present, now_ms),
        "K19": look.restricted(present),
        "KM": look.manual(now_ms),
    }
