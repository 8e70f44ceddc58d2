"""From a decision to orders: one resting order per market and side, moved, kept or taken away."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from apps.core.exceptions import Refused
from apps.engine.decimals import format_money, format_price, format_quantity
from apps.engine.limits import LimitRule, RiskDecision, RiskView, check_intent
from apps.engine.orders import OrderEventKind, OrderStatus, TrackedOrder
from apps.engine.strategies.base import Decision, Quote
from apps.engine.types import OrderIntent, Side
from apps.risk.selectors import strictest
from apps.trading.services.orders import (
    DecisionRecord,
    IntentRecord,
    orders_commit,
)

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext
from .evaluate import Evaluator
from .requests import REJECTION_PAUSE_MS, OrderRequests

log = logging.getLogger(__name__)

ORDER_LIFETIME_S = 120
DENIAL_REPEAT_MS = 10_000
# A quote that others have overtaken risks nothing by waiting; moving at every tick would only burn tokens and
# queue place. One that stands too far inside is moved at once.
PATIENCE_MS = 1_000


class MakerExecution:
    """Pursues decisions. At most one order per market and side is open or on its way at any time."""

    def __init__(
        self, context: SessionContext, evaluator: Evaluator, requests: OrderRequests, order_prefix: str
    ) -> None:
        self._context = context
        self._evaluator = evaluator
        self._requests = requests
        self._prefix = order_prefix
        self._count = 0

    def pursue(self, desk: MarketDesk, decision: Decision, record: DecisionRecord) -> None:
        """Starts what the decision wants of this market; an order on its way or on its way out is left to finish."""
        desk.wake_ms = None
        wanted: list[Quote] = []
        for side, quote in ((Side.BID, decision.bid), (Side.ASK, decision.ask)):
            order = desk.working.get(side)
            if order is not None:
                if self._should_cancel(desk, order, quote):
                    self._requests.cancel(order, "moved" if quote is not None else str(_side_reason(decision, side)))
            elif quote is not None and self._may_place(desk, quote):
                wanted.append(quote)
        if wanted:
            self._place(desk, wanted, record)

    def _may_place(self, desk: MarketDesk, quote: Quote) -> bool:
        """Not while a refusal is fresh, nor at a price that would meet our own order on the other side."""
        opposite = desk.working.get(quote.side.opposite)
        if opposite is not None and (quote.price - opposite.tracked.price) * quote.side.sign >= 0:
            return False
        if self._context.clock.now_ms() >= desk.not_before_ms:
            return True
        _wake(desk, desk.not_before_ms)
        return False

    def _should_cancel(self, desk: MarketDesk, order: WorkingOrder, quote: Quote | None) -> bool:
        tracked = order.tracked
        if tracked.status not in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
            return False
        if quote is None:
            return True
        if quote.price == tracked.price:
            return quote.quantity < tracked.remaining
        too_eager = (tracked.price - quote.price) * tracked.side.sign > 0
        patient_until_ms = order.created_ms + PATIENCE_MS
        if too_eager or self._context.clock.now_ms() >= patient_until_ms:
            return True
        _wake(desk, patient_until_ms)
        return False

    def _place(self, desk: MarketDesk, quotes: list[Quote], record: DecisionRecord) -> None:
        """Judges each quote and starts sending those allowed. An allowed one counts against the limits at once."""
        taken: list[tuple[IntentRecord, WorkingOrder | None]] = []
        for quote in quotes:
            intent = self._intent(desk, quote)
            verdict = check_intent(intent, desk.armed.limits, self._risk_view(desk))
            if verdict.allowed:
                taken.append((_intent_record(intent, record, quote, verdict), self._reserve(desk, intent, quote)))
            elif self._is_new_denial(desk, verdict):
                taken.append((_intent_record(intent, record, quote, verdict), None))
        if taken:
            self._evaluator.take(desk, record)
            self._requests.spawn(self._send(desk, taken))

    def _reserve(self, desk: MarketDesk, intent: OrderIntent, quote: Quote) -> WorkingOrder:
        tracked = TrackedOrder.of(intent)
        tracked.apply(OrderEventKind.SUBMIT)
        now_ms = self._context.clock.now_ms()
        order = WorkingOrder(tracked, 0, desk.armed.fee_rule, now_ms, str(quote.reason))
        self._context.blotter.add(order)
        desk.working[intent.side] = order
        return order

    def _intent(self, desk: MarketDesk, quote: Quote) -> OrderIntent:
        self._count += 1
        return OrderIntent(
            client_order_id=f"{self._prefix}-{self._count:x}",
            ticker=desk.ticker,
            side=quote.side,
            price=quote.price,
            quantity=quote.quantity,
            expires_at_s=self._context.clock.now_ms() // 1000 + ORDER_LIFETIME_S,
        )

    def _risk_view(self, desk: MarketDesk) -> RiskView:
        context = self._context
        return RiskView(
            trading_state=strictest((context.gate.state, desk.armed.state)),
            position=context.portfolio.position(desk.ticker).quantity,
            resting_bids=context.blotter.resting(desk.ticker, Side.BID),
            resting_asks=context.blotter.resting(desk.ticker, Side.ASK),
            total_exposure=context.portfolio.open_cost + context.blotter.resting_cost,
        )

    def _is_new_denial(self, desk: MarketDesk, verdict: RiskDecision) -> bool:
        """The same rule refusing the same market again is one fact, not thousands."""
        now_ms = self._context.clock.now_ms()
        if desk.last_denial and desk.last_denial[0] == verdict.rule and now_ms - desk.last_denial[1] < DENIAL_REPEAT_MS:
            return False
        desk.last_denial = (verdict.rule, now_ms)
        return True

    async def _commit(self, desk: MarketDesk, records: list[IntentRecord]) -> dict[str, int]:
        """Keys of the stored orders; none when the database or the lease refused, and then nothing may be sent."""
        context = self._context
        try:
            return await context.journal.commit(
                orders_commit, session=context.session, records=records, now=context.now()
            )
        except Refused as refusal:
            context.gate.block("refused", refusal.message)
        except DatabaseError:
            desk.not_before_ms = context.clock.now_ms() + REJECTION_PAUSE_MS
        return {}

    async def _send(self, desk: MarketDesk, taken: list[tuple[IntentRecord, WorkingOrder | None]]) -> None:
        """Commits the intents of one decision together, then sends each that the gate still lets through."""
        context, frame_s = self._context, desk.frame_s
        keys = await self._commit(desk, [record for record, _ in taken])
        stored: list[tuple[WorkingOrder, OrderIntent]] = []
        for record, order in taken:
            if order is None:
                context.counters.denied += bool(keys)
            elif not keys:
                context.blotter.discard(order)
                self._requests.free(order)
            else:
                order.pk = keys[record.intent.client_order_id]
                stored.append((order, record.intent))
        if stored:
            await self._requests.submit(desk, stored, frame_s)


def _wake(desk: MarketDesk, at_ms: int) -> None:
    desk.wake_ms = at_ms if desk.wake_ms is None else min(desk.wake_ms, at_ms)


def _side_reason(decision: Decision, side: Side) -> str:
    return str(decision.bid_reason if side is Side.BID else decision.ask_reason)


def _intent_record(intent: OrderIntent, record: DecisionRecord, quote: Quote, verdict: RiskDecision) -> IntentRecord:
    if verdict.allowed:
        return IntentRecord(intent, record, str(quote.reason))
    detail = {"rule": str(verdict.rule), "observed": _shown(verdict, verdict.observed)}
    detail["limit"] = _shown(verdict, verdict.limit)
    return IntentRecord(intent, record, str(quote.reason), denial=verdict.reason, denial_detail=detail)


def _shown(verdict: RiskDecision, value: int | None) -> str | None:
    if value is None:
        return None
    if verdict.rule in (LimitRule.MIN_PRICE, LimitRule.MAX_PRICE):
        return format_price(value)
    if verdict.rule in (LimitRule.MAX_CONTRACTS_PER_MARKET, LimitRule.REDUCING_ONLY):
        return format_quantity(value)
    return format_money(value)
