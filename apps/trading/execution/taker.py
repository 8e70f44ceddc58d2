"""From a decision to a taking order: immediate-or-cancel or fill-or-kill, at most one per market on its way.

It passes the same gate and journal as a resting order, never rests, and has a worst price that was approved. A price
beyond that is refused, not moved to it: the decision was about another price.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.engine.decimals import format_price
from apps.engine.strategies.base import Decision, Quote
from apps.engine.types import OrderIntent, Price, Side, Ticker
from apps.trading.choices import ExecutionMode
from apps.trading.services.orders import DecisionRecord, IntentRecord

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext
from .evaluate import Evaluator
from .groups import OrderGroups
from .placing import Judge, Placement, Placing, denial_detail
from .requests import OrderRequests

"""The gate of the sending process for one order in one market: `RiskBook.judge`."""

# What was shown and not to be had is likely to be shown again at once; asking for it in a loop only burns tokens.
MISS_PAUSE_MS = 1_000
DENIAL_REPEAT_MS = 10_000
PRICE_BOUND = "price_bound"


class TakerExecution:
    """Pursues the taking orders of decisions; the resting ones are the maker's (`Decision.resting`)."""

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
        self._last: dict[Ticker, WorkingOrder] = {}

    def pursue(self, desk: MarketDesk, decision: Decision, record: DecisionRecord) -> None:
        """Sends the first taking order the decision wants, unless something of ours is still under way here.

        Call it after the maker's `pursue`, which takes off what rests in a market that is to take.
        """
        quotes = decision.taking
        if quotes and self._may_take(desk):
            self._take(desk, quotes[0], record)

    def _may_take(self, desk: MarketDesk) -> bool:
        """Not beside an order of the platform's, before the last fill has arrived, or right after a miss or refusal."""
        now_ms = self._context.clock.now_ms()
        last = self._last.get(desk.ticker)
        if self._has_orders(desk) or (last is not None and self._is_under_way(last)):
            return False
        wait_until_ms = desk.not_before_ms
        if last is not None and not last.tracked.filled:
            wait_until_ms = max(wait_until_ms, last.changed_ms + MISS_PAUSE_MS)
        if now_ms >= wait_until_ms:
            return True
        desk.wake_ms = wait_until_ms if desk.wake_ms is None else min(desk.wake_ms, wait_until_ms)
        return False

    def _has_orders(self, desk: MarketDesk) -> bool:
        """Anything open here that no person placed, an order of the session before this one included."""
        placed = self._context.blotter.open_orders(desk.ticker)
        return any(order.mode is not ExecutionMode.MANUAL for order in placed)

    def _is_under_way(self, order: WorkingOrder) -> bool:
        """Ended with fills still to come; an order whose intent was not stored never was."""
        found = self._context.blotter.find(client_order_id=order.client_order_id)
        return found is order and order.tracked.missing_fills > 0

    def _take(self, desk: MarketDesk, quote: Quote, record: DecisionRecord) -> None:
        price = _opposite_best(desk, quote.side)
        if price is None or quote.bound is None:
            return
        intent = self._intent(desk, quote, price)
        refused = self._out_of_bound(intent, quote, record) or self._denied(desk, intent, quote, record)
        if refused is None:
            order = self._placing.reserve(intent, desk.armed.fee_rule, str(quote.reason), ExecutionMode.TAKER)
            self._last[desk.ticker] = order
            placement = Placement(_record(intent, record, quote), order)
        elif self._is_new_denial(desk, str(refused.denial_detail["rule"])):
            placement = Placement(refused, None)
        else:
            return
        self._evaluator.take(desk, record)
        self._requests.spawn(self._placing.send([placement], desk.frame_s))

    def _intent(self, desk: MarketDesk, quote: Quote, price: Price) -> OrderIntent:
        return OrderIntent(
            client_order_id=self._context.next_intent_id(),
            ticker=desk.ticker,
            side=quote.side,
            price=price,
            quantity=quote.quantity,
            time_in_force=quote.time_in_force,
            post_only=False,
            order_group_id=self._groups.group_for(desk.ticker, desk.armed.shard),
        )

    def _out_of_bound(self, intent: OrderIntent, quote: Quote, record: DecisionRecord) -> IntentRecord | None:
        bound = quote.bound
        assert bound is not None
        if (intent.price - bound) * quote.side.sign <= 0:
            return None
        at, limit = format_price(intent.price), format_price(bound)
        detail = {"rule": PRICE_BOUND, "observed": at, "limit": limit}
        return _record(intent, record, quote, f"price {at} is beyond the approved {limit}", detail)

    def _denied(
        self, desk: MarketDesk, intent: OrderIntent, quote: Quote, record: DecisionRecord
    ) -> IntentRecord | None:
        verdict = self._judge(desk, intent)
        return None if verdict.allowed else _record(intent, record, quote, verdict.reason, denial_detail(verdict))

    def _is_new_denial(self, desk: MarketDesk, rule: str) -> bool:
        """The same rule refusing the same market again is one fact, not thousands."""
        now_ms = self._context.clock.now_ms()
        if desk.last_denial and desk.last_denial[0] == rule and now_ms - desk.last_denial[1] < DENIAL_REPEAT_MS:
            return False
        desk.last_denial = (rule, now_ms)
        return True


def _opposite_best(desk: MarketDesk, side: Side) -> Price | None:
    """The price of others that an order of this side would meet, as last seen."""
    level = desk.ask if side is Side.BID else desk.bid
    return None if level is None else level[0]


def _record(
    intent: OrderIntent,
    record: DecisionRecord,
    quote: Quote,
    denial: str | None = None,
    detail: Mapping[str, str | None] | None = None,
) -> IntentRecord:
    return IntentRecord(
        intent, record, str(quote.reason), denial=denial, denial_detail=dict(detail or {}), mode=ExecutionMode.TAKER
    )
