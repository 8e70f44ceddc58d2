"""The account's own rate limits and endpoint costs as a `Budget` (Kalshi docs: rate limits)."""

from __future__ import annotations

import asyncio

from apps.gateway.clock import Clock
from apps.gateway.kalshi.portfolio_models import AccountLimits, EndpointCosts
from apps.gateway.throttle import Budget, CostTable, Limit, Sleep

API_PREFIX = "/trade-api/v2"

ORDERS = "/portfolio/events/orders"
ONE_ORDER = ORDERS + "/:order_id"
BATCH = ORDERS + "/batched"

# Used until the account's own table is read; the lowest tier's limits.
BASIC_READ, BASIC_WRITE = Limit(200, 200), Limit(100, 100)
DEFAULT_COSTS = CostTable(
    costs={
        ("DELETE", API_PREFIX + ONE_ORDER): 2,
        ("DELETE", API_PREFIX + ORDERS): 2,
        ("DELETE", API_PREFIX + BATCH): 2,
        ("GET", API_PREFIX + "/portfolio/orders/:order_id"): 2,
    }
)


def basic_budget(clock: Clock, *, sleep: Sleep = asyncio.sleep) -> Budget:
    """This process's own budget of the lowest tier, for the first requests of a session."""
    return Budget(BASIC_READ, BASIC_WRITE, clock, costs=DEFAULT_COSTS, sleep=sleep)


def cost_table(costs: EndpointCosts) -> CostTable:
    """The venue's exceptions over our defaults, so that an endpoint it leaves out keeps its known price."""
    listed = {(c.method, c.path): c.cost for c in costs.endpoint_costs}
    return CostTable(costs.default_cost, {**DEFAULT_COSTS.costs, **listed})


async def apply_limits(budget: Budget, limits: AccountLimits, costs: EndpointCosts) -> None:
    """Replace a budget's limits and costs by the account's own. Raises `RequestRefused` for a limit of nothing."""
    read, write = limits.read, limits.write
    await budget.set_limits(
        Limit(read.bucket_capacity, read.refill_rate), Limit(write.bucket_capacity, write.refill_rate)
    )
    budget.costs = cost_table(costs)
