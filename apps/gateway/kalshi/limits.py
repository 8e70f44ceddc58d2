"""The account's own rate limits and endpoint costs as a `Budget` (Kalshi docs: rate limits)."""

from __future__ import annotations

from apps.gateway.clock import Clock
from apps.gateway.kalshi.portfolio_models import AccountLimits, EndpointCosts
from apps.gateway.throttle import Budget, CostTable, TokenBucket

API_PREFIX = "/trade-api/v2"

ORDERS = "/portfolio/events/orders"
ONE_ORDER = ORDERS + "/:order_id"
BATCH = ORDERS + "/batched"

# Used until the account's own table is read; the lowest tier's limits.
BASIC_READ, BASIC_WRITE = 200, 100
DEFAULT_COSTS = CostTable(
    costs={
        ("DELETE", API_PREFIX + ONE_ORDER): 2,
        ("DELETE", API_PREFIX + ORDERS): 2,
        ("DELETE", API_PREFIX + BATCH): 2,
        ("GET", API_PREFIX + "/portfolio/orders/:order_id"): 2,
    }
)
CANCEL_RESERVE = 20.0
"""Write tokens that only cancels may use: ten single cancels at once."""


def basic_budget(clock: Clock) -> Budget:
    """Budget of the lowest tier, for the first requests of a session."""
    return Budget(
        TokenBucket(BASIC_READ, BASIC_READ, clock),
        TokenBucket(BASIC_WRITE, BASIC_WRITE, clock),
        costs=DEFAULT_COSTS,
        reserve=CANCEL_RESERVE,
    )


def cost_table(costs: EndpointCosts) -> CostTable:
    """The venue's exceptions over our defaults, so that an endpoint it leaves out keeps its known price."""
    listed = {(c.method, c.path): c.cost for c in costs.endpoint_costs}
    return CostTable(costs.default_cost, {**DEFAULT_COSTS.costs, **listed})


def apply_limits(budget: Budget, limits: AccountLimits, costs: EndpointCosts, clock: Clock) -> None:
    """Replace a budget's buckets and costs by the account's own; they start as full as the venue's."""
    budget.read = TokenBucket(limits.read.bucket_capacity, limits.read.refill_rate, clock)
    budget.write = TokenBucket(limits.write.bucket_capacity, limits.write.refill_rate, clock)
    budget.costs = cost_table(costs)
