"""Kalshi as the trading loop's `Venue`. Reached through the settings registry; nobody imports it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apps.engine.ports import (
    CancelAck,
    OrderAck,
    VenueBalance,
    VenueOrder,
    VenuePosition,
    VenueSettlement,
)
from apps.engine.types import Fill, OrderIntent, Quantity, Ticker
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.order_endpoints import Amendment, OrderRef
from apps.gateway.kalshi.portfolio_models import AmendReply, DecreaseReply
from apps.gateway.kalshi.rest import KalshiRest


class KalshiVenue:
    """`apps.engine.ports.Venue` over REST, plus batches, amend, decrease and order groups. Retries no write."""

    def __init__(self, rest: KalshiRest) -> None:
        self.rest = rest

    async def submit(self, intent: OrderIntent) -> OrderAck:
        return await self.rest.create_order(intent)

    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck:
        return await self.rest.cancel_order(OrderRef(order_id, ticker))

    async def cancel_all(self) -> None:
        await self.rest.cancel_all_orders()

    async def open_orders(self) -> Sequence[VenueOrder]:
        found: list[VenueOrder] = []
        async for order in self.rest.orders(status="resting"):
            found.append(order.to_engine())
            if len(found) % 50 == 0:
                await asyncio.sleep(0)  # a thousand rows in one go would hold up the trading loop
        return found

    async def orders(self, *, min_ts_s: int | None = None) -> Sequence[VenueOrder]:
        return [order.to_engine() async for order in self.rest.orders(min_ts=min_ts_s)]

    async def order_by_client_id(self, client_order_id: str, ticker: Ticker) -> VenueOrder | None:
        """None when no order of this market carries the id; reads lag, so None soon after a send proves little."""
        async for order in self.rest.orders(ticker=ticker):
            if order.client_order_id == client_order_id:
                return order.to_engine()
        return None

    async def fills(self, *, min_ts_s: int | None = None) -> Sequence[Fill]:
        return [fill.to_engine() async for fill in self.rest.fills(min_ts=min_ts_s)]

    async def positions(self) -> Sequence[VenuePosition]:
        return [position.to_engine() async for position in self.rest.positions()]

    async def settlements(self, *, min_ts_s: int | None = None) -> Sequence[VenueSettlement]:
        return [settlement.to_engine() async for settlement in self.rest.settlements(min_ts=min_ts_s)]

    async def balance(self) -> VenueBalance:
        return (await self.rest.account_balance()).to_engine()

    async def submit_many(self, intents: Sequence[OrderIntent]) -> list[OrderAck | GatewayError]:
        return await self.rest.create_orders(intents)

    async def cancel_many(self, orders: Sequence[OrderRef]) -> list[CancelAck | GatewayError]:
        return await self.rest.cancel_orders(orders)

    async def amend(self, change: Amendment) -> AmendReply:
        return await self.rest.amend_order(change)

    async def decrease(self, order_id: str, ticker: Ticker, *, reduce_by: Quantity) -> DecreaseReply:
        return await self.rest.decrease_order(OrderRef(order_id, ticker), reduce_by=reduce_by)

    async def create_group(self, contracts_limit: int, *, exchange_index: int = 0) -> str:
        return await self.rest.create_order_group(contracts_limit, exchange_index=exchange_index)

    async def trigger_group(self, group_id: str) -> None:
        await self.rest.trigger_order_group(group_id)

    async def reset_group(self, group_id: str) -> None:
        await self.rest.reset_order_group(group_id)

    async def delete_group(self, group_id: str) -> None:
        await self.rest.delete_order_group(group_id)
