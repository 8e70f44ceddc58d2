"""Account reads: orders, fills, positions, settlements, balance, limits, queue positions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from apps.gateway.kalshi import bodies as b
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.limits import apply_limits
from apps.gateway.kalshi.transport import Call, RestTransport, must_match

PAGE_LIMIT = 1000


class PortfolioEndpoints(RestTransport):
    """These answers lag behind the matching engine; `exchange/user_data_timestamp` says how far."""

    async def order(self, order_id: str) -> p.Order:
        call = Call("GET", "/portfolio/orders/:order_id", {"order_id": order_id})
        found = (await self.call(b.OrderBody, call)).order
        must_match("order", order_id, found.order_id)
        return found

    async def orders(self, **filters: Any) -> AsyncIterator[p.Order]:
        call = Call("GET", "/portfolio/orders", params={"limit": PAGE_LIMIT, **filters})
        async for page in self.pages(b.OrderPage, call):
            for order in page.orders:
                yield order

    async def fills(self, **filters: Any) -> AsyncIterator[p.RestFill]:
        call = Call("GET", "/portfolio/fills", params={"limit": PAGE_LIMIT, **filters})
        async for page in self.pages(b.FillPage, call):
            for fill in page.fills:
                yield fill

    async def positions(self, **filters: Any) -> AsyncIterator[p.Position]:
        """Unsettled ones unless `settlement_status` says otherwise."""
        call = Call("GET", "/portfolio/positions", params={"limit": PAGE_LIMIT, **filters})
        async for page in self.pages(b.PositionPage, call):
            for position in page.market_positions:
                yield position

    async def settlements(self, **filters: Any) -> AsyncIterator[p.Settlement]:
        call = Call("GET", "/portfolio/settlements", params={"limit": PAGE_LIMIT, **filters})
        async for page in self.pages(b.SettlementPage, call):
            for settlement in page.settlements:
                yield settlement

    async def account_balance(self, **filters: Any) -> p.Balance:
        return await self.call(p.Balance, Call("GET", "/portfolio/balance", params=filters))

    async def queue_positions(self, **filters: Any) -> Sequence[p.QueuePosition]:
        call = Call("GET", "/portfolio/orders/queue_positions", params=filters)
        return (await self.call(b.QueuePositions, call)).queue_positions or ()

    async def account_limits(self) -> p.AccountLimits:
        return await self.call(p.AccountLimits, Call("GET", "/account/limits"))

    async def endpoint_costs(self) -> p.EndpointCosts:
        return await self.call(p.EndpointCosts, Call("GET", "/account/endpoint_costs"))

    async def load_budget(self) -> p.AccountLimits:
        """Read the account's limits and costs and make them ours; call once after connecting."""
        limits, costs = await self.account_limits(), await self.endpoint_costs()
        await apply_limits(self.budget, limits, costs)
        return limits
