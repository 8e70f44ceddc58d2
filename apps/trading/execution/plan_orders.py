"""One order of a plan: its id, its terms for the exchange, and the gate's verdict on it."""

from __future__ import annotations

from apps.engine.legs import OrderKey, PlannedOrder
from apps.engine.types import OrderIntent, TimeInForce
from apps.governance.choices import Severity
from apps.trading.choices import ExecutionMode
from apps.trading.services.orders import IntentRecord
from apps.trading.services.plans import StoredPlan, leg_order_id

from .context import MarketDesk, SessionContext
from .groups import OrderGroups
from .incidents import Incidents
from .maker import ORDER_LIFETIME_S
from .placing import Judge, Placement, Placing, denial_detail

ENTER, UNWIND = "leg of a plan", "unwinding a plan"


class LegOrders:
    """Judges the orders of plans; those allowed count against the limits from then on."""

    def __init__(
        self, context: SessionContext, placing: Placing, groups: OrderGroups, incidents: Incidents, judge: Judge
    ) -> None:
        self._context = context
        self._placing = placing
        self._groups = groups
        self._incidents = incidents
        self._judge = judge

    def order_id(self, stored: StoredPlan, key: OrderKey) -> str:
        """The id follows from the leg's row, so that the next session can look the order up."""
        leg, attempt = key
        return leg_order_id(self._context.account.order_key, stored.leg_keys[leg], attempt)

    def judged(self, stored: StoredPlan, planned: PlannedOrder) -> Placement | None:
        """None where it cannot even be judged: no desk looks after the market, or its price is off the grid."""
        desk = self._context.desks.get(planned.ticker)
        problem = self._problem(desk, planned)
        if desk is None or problem:
            self._incidents.raise_event(
                "PLAN_LEG_REFUSED", Severity.WARNING, f"plan {stored.pk}, {planned.ticker}: {problem}"
            )
            return None
        intent = self._intent(stored, desk, planned)
        verdict = self._judge(desk, intent)
        reason = UNWIND if planned.reduce_only else ENTER
        market_id = stored.market_keys[planned.key[0]]
        if verdict.allowed:
            order = self._placing.reserve(intent, desk.armed.fee_rule, reason, ExecutionMode.LEG)
            return Placement(IntentRecord(intent, None, reason, mode=ExecutionMode.LEG, market_id=market_id), order)
        record = IntentRecord(
            intent, None, reason, denial=verdict.reason, denial_detail=denial_detail(verdict),
            mode=ExecutionMode.LEG, market_id=market_id,
        )  # fmt: skip
        return Placement(record, None)

    def _problem(self, desk: MarketDesk | None, planned: PlannedOrder) -> str:
        if desk is None or desk.is_retired:
            return "no armed strategy of this account covers the market"
        if desk.armed.grid is None or planned.price not in desk.armed.grid:
            return "the price is not on the market's grid"
        if _rests(planned) and self._groups.group_for(desk.ticker, desk.armed.shard) is None:
            return "the market has no order group yet"
        return ""

    def _intent(self, stored: StoredPlan, desk: MarketDesk, planned: PlannedOrder) -> OrderIntent:
        now_s = self._context.clock.now_ms() // 1000
        return OrderIntent(
            client_order_id=self.order_id(stored, planned.key),
            ticker=planned.ticker,
            side=planned.side,
            price=planned.price,
            quantity=planned.quantity,
            time_in_force=planned.time_in_force,
            post_only=False,
            reduce_only=planned.reduce_only,
            expires_at_s=now_s + ORDER_LIFETIME_S if _rests(planned) else None,
            order_group_id=self._groups.group_for(desk.ticker, desk.armed.shard),
        )


def _rests(planned: PlannedOrder) -> bool:
    return planned.time_in_force is TimeInForce.GOOD_TILL_CANCELED
