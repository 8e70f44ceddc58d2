"""From a decision to resting orders: one per market and side, kept, renewed, drawn back, moved or taken away."""

from __future__ import annotations

from collections.abc import Sequence

from apps.engine.limits import LimitRule, RiskDecision, RiskLimits
from apps.engine.orders import OrderStatus, Terms
from apps.engine.strategies.base import Decision, Quote
from apps.engine.types import OrderIntent, Price, Side
from apps.trading.choices import ExecutionMode
from apps.trading.services.orders import DecisionRecord, IntentRecord

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext
from .evaluate import Evaluator
from .groups import OrderGroups
from .placing import Judge, Placement, Placing, denial_detail
from .requests import OrderRequests
from .token_room import TokenRoom

# How long an order rests at the exchange unless it is renewed: if everything of ours dies, nothing outlives this.
ORDER_LIFETIME_S = 55
RENEW_BELOW_S = 25
# Renewals under way at once, as a share of what the account's tokens pay for in a second.
RENEWALS_SHARE = 1 / 3
DENIAL_REPEAT_MS = 10_000
# A quote that others have overtaken risks nothing by waiting; moving at every tick would only burn tokens and
# queue place. One that stands too far inside is drawn back at once.
PATIENCE_MS = 1_000
ROOM_RETRY_MS = 1_000
RESTING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class MakerExecution:
    """Pursues decisions. At most one order per market and side is open or on its way at any time."""

    def __init__(
        self,
        context: SessionContext,
        evaluator: Evaluator,
        requests: OrderRequests,
        placing: Placing,
        groups: OrderGroups,
        judge: Judge,
    ) -> None:
        self._context = context
        self._evaluator = evaluator
        self._requests = requests
        self._placing = placing
        self._groups = groups
        self._judge = judge
        self._gathered: list[Placement] | None = None
        self.room = TokenRoom(context, requests, renewed_every_s=ORDER_LIFETIME_S - RENEW_BELOW_S)

    def pursue(self, desk: MarketDesk, decision: Decision, record: DecisionRecord) -> None:
        """Starts what the decision wants of this market; an order on its way or on its way out is left to finish."""
        desk.wake_ms = decision.review_ms
        wanted: list[Quote] = []
        for side, quote in ((Side.BID, decision.bid), (Side.ASK, decision.ask)):
            order = desk.working.get(side)
            if order is not None:
                self._manage(desk, order, quote, str(_side_reason(decision, side)))
            elif quote is not None and self._may_place(desk, quote):
                wanted.append(quote)
        if wanted:
            self._place(desk, wanted, record)

    def gather(self) -> None:
        """From now on placements wait for `send_gathered`, so that many markets share one commit and one request."""
        self._gathered = []

    def send_gathered(self) -> None:
        """Sends what was gathered since `gather`."""
        gathered, self._gathered = self._gathered, None
        if gathered:
            self._requests.spawn(self._placing.send(gathered))

    def take_off_strays(self) -> None:
        """Resting orders that no quote stands for: one that reached the exchange after it was given up for lost."""
        context = self._context
        for order in context.blotter.open_orders():
            tracked = order.tracked
            desk = context.desks.get(tracked.ticker)
            is_kept = desk is not None and desk.working.get(tracked.side) is order
            if order.mode is ExecutionMode.MAKER and tracked.status in RESTING and not is_kept:
                self._requests.cancel(order, "stands for no quote")

    def take_stock(self) -> None:
        """Counts what must be renewed, hence how much more the tokens can carry."""
        self.room.count(len(self._working()))

    def _working(self) -> list[WorkingOrder]:
        return [order for desk in self._context.desks.values() for order in desk.working.values()]

    def renew(self) -> None:
        """Puts the expiry of orders that are still wanted further off, the nearest first, a few at a time.

        Not while the gate is shut: what may not be placed shall not stay either.
        """
        context = self._context
        if context.gate.closed_because() is not None:
            return
        working, now_s = self._working(), context.clock.now_ms() // 1000
        under_way = sum(order.tracked.amending is not None for order in working)
        at_once = max(4, int(context.venue.writes_per_s * RENEWALS_SHARE))
        due = sorted((o for o in working if _is_due(o, now_s)), key=lambda order: order.tracked.expires_at_s or 0)
        for order in due[: max(0, at_once - under_way)]:
            tracked = order.tracked
            terms = Terms(tracked.price, tracked.quantity, now_s + ORDER_LIFETIME_S)
            self._requests.amend(order, terms, "renewed")

    def _manage(self, desk: MarketDesk, order: WorkingOrder, quote: Quote | None, reason: str) -> None:
        """Keeps an order, makes it smaller or draws it back in place, or takes it off to be placed anew."""
        tracked = order.tracked
        if tracked.status not in RESTING:
            return
        if quote is None:
            self._requests.cancel(order, reason)
        elif tracked.amending is not None:
            return
        elif quote.price == tracked.price:
            if quote.quantity < tracked.remaining:
                self._amend(order, quote, "made smaller")
        elif (tracked.price - quote.price) * tracked.side.sign > 0:
            self._draw_back(desk, order, quote)
        elif self._context.clock.now_ms() >= (patient_until_ms := order.created_ms + PATIENCE_MS):
            self._requests.cancel(order, "moved")
        else:
            _wake(desk, patient_until_ms)

    def _draw_back(self, desk: MarketDesk, order: WorkingOrder, quote: Quote) -> None:
        """A less eager price cannot meet anybody, so an amend is safe: one request, no moment without a quote."""
        if quote.quantity <= order.tracked.remaining and _is_in_band(desk.armed.limits, quote.price):
            self._amend(order, quote, "drawn back")
        else:
            self._requests.cancel(order, "moved")

    def _amend(self, order: WorkingOrder, quote: Quote, why: str) -> None:
        tracked = order.tracked
        total = max(tracked.filled, tracked.reported_filled) + quote.quantity
        terms = Terms(quote.price, total, self._context.clock.now_ms() // 1000 + ORDER_LIFETIME_S)
        self._requests.amend(order, terms, why)

    def _may_place(self, desk: MarketDesk, quote: Quote) -> bool:
        """Not while a refusal is fresh, nor at a price that would meet our own order on the other side."""
        opposite = desk.working.get(quote.side.opposite)
        if opposite is not None and (quote.price - opposite.tracked.price) * quote.side.sign >= 0:
            return False
        now_ms = self._context.clock.now_ms()
        if now_ms < desk.not_before_ms:
            _wake(desk, desk.not_before_ms)
            return False
        if not self.room.take():
            _wake(desk, now_ms + ROOM_RETRY_MS)
            return False
        return True

    def _place(self, desk: MarketDesk, quotes: Sequence[Quote], record: DecisionRecord) -> None:
        """Judges each quote and starts sending those allowed. An allowed one counts against the limits at once."""
        group = self._groups.group_for(desk.ticker, desk.armed.shard)
        if group is None:
            return
        placements: list[Placement] = []
        for quote in quotes:
            intent = self._intent(desk, quote, group)
            verdict = self._judge(desk, intent)
            if verdict.allowed:
                order = self._placing.reserve(intent, desk.armed.fee_rule, str(quote.reason), ExecutionMode.MAKER)
                desk.working[intent.side] = order
                placements.append(Placement(_intent_record(intent, record, quote, verdict), order))
            elif self._is_new_denial(desk, verdict):
                placements.append(Placement(_intent_record(intent, record, quote, verdict), None))
        if not placements:
            return
        self._evaluator.take(desk, record)
        if self._gathered is None:
            self._requests.spawn(self._placing.send(placements, desk.frame_s))
        else:
            self._gathered += placements

    def _intent(self, desk: MarketDesk, quote: Quote, group: str) -> OrderIntent:
        return OrderIntent(
            client_order_id=self._context.next_intent_id(),
            ticker=desk.ticker,
            side=quote.side,
            price=quote.price,
            quantity=quote.quantity,
            expires_at_s=self._context.clock.now_ms() // 1000 + ORDER_LIFETIME_S,
            order_group_id=group,
        )

    def _is_new_denial(self, desk: MarketDesk, verdict: RiskDecision) -> bool:
        """The same rule refusing the same market again is one fact, not thousands."""
        now_ms = self._context.clock.now_ms()
        if desk.last_denial and desk.last_denial[0] == verdict.rule and now_ms - desk.last_denial[1] < DENIAL_REPEAT_MS:
            return False
        desk.last_denial = (verdict.rule, now_ms)
        return True


def _is_due(order: WorkingOrder, now_s: int) -> bool:
    tracked = order.tracked
    if tracked.status not in RESTING or tracked.amending is not None or tracked.expires_at_s is None:
        return False
    return 0 < tracked.expires_at_s - now_s <= RENEW_BELOW_S


def _is_in_band(limits: RiskLimits | None, price: Price) -> bool:
    """Amends pass no gate because they lower the risk; the band of prices is the one limit they could still leave."""
    low = None if limits is None else limits.value(LimitRule.MIN_PRICE)
    high = None if limits is None else limits.value(LimitRule.MAX_PRICE)
    return low is not None and high is not None and low <= price <= high


def _wake(desk: MarketDesk, at_ms: int) -> None:
    desk.wake_ms = at_ms if desk.wake_ms is None else min(desk.wake_ms, at_ms)


def _side_reason(decision: Decision, side: Side) -> str:
    return str(decision.bid_reason if side is Side.BID else decision.ask_reason)


def _intent_record(intent: OrderIntent, record: DecisionRecord, quote: Quote, verdict: RiskDecision) -> IntentRecord:
    if verdict.allowed:
        return IntentRecord(intent, record, str(quote.reason))
    return IntentRecord(intent, record, str(quote.reason), denial=verdict.reason, denial_detail=denial_detail(verdict))
