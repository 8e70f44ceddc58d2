"""Kalshi as the trading loop's `Venue`. Reached through the settings registry; nobody imports it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from apps.engine.ports import (
    AmendAck,
    CancelAck,
    DecreaseAck,
    LastLook,
    OrderAck,
    OrderChange,
    VenueBalance,
    VenueGroup,
    VenueOrder,
    VenuePosition,
    VenueSettlement,
    VenueStatus,
)
from apps.engine.types import Fill, OrderIntent, Quantity, Ticker
from apps.gateway.errors import GatewayError, IdentityMismatch
from apps.gateway.kalshi.rest import KalshiRest

ItemT = TypeVar("ItemT")
AckT = TypeVar("AckT")


class KalshiVenue:
    """`apps.engine.ports.Venue` over REST. Retries no write."""

    def __init__(self, rest: KalshiRest) -> None:
        self.rest = rest

    @property
    def clock_skew_ms(self) -> int | None:
        return self.rest.clock_skew_ms

    @property
    def writes_per_s(self) -> float:
        return self.rest.writes_per_s

    @property
    def last_look(self) -> LastLook | None:
        return self.rest.last_look

    @last_look.setter
    def last_look(self, look: LastLook | None) -> None:
        self.rest.last_look = look

    async def submit(self, intent: OrderIntent) -> OrderAck:
        return await self.rest.create_order(intent)

    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck:
        return await self.rest.cancel_order(order_id, ticker)

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
        """None when no order of this market carries the id; reads lag, so None soon after a send proves little.

        Raises `IdentityMismatch` when the venue answers about another market: then nothing is proved either way.
        """
        async for order in self.rest.orders(ticker=ticker):
            if order.ticker != ticker:
                raise IdentityMismatch(f"orders of {ticker}: the reply holds {order.order_id} of {order.ticker}")
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

    async def submit_many(self, intents: Sequence[OrderIntent]) -> list[OrderAck | Exception]:
        return await _in_batches(intents, self.rest.batch_size("POST"), self.rest.create_orders)

    async def cancel_many(self, orders: Sequence[tuple[str, Ticker]]) -> list[CancelAck | Exception]:
        return await _in_batches(orders, self.rest.batch_size("DELETE"), self.rest.cancel_orders)

    async def amend(self, change: OrderChange) -> AmendAck:
        return await self.rest.amend_order(change)

    async def decrease(self, order_id: str, ticker: Ticker, *, reduce_to: Quantity) -> DecreaseAck:
        return await self.rest.decrease_order(order_id, ticker, reduce_to=reduce_to)

    async def queue_positions(self, tickers: Sequence[Ticker]) -> Mapping[str, Quantity]:
        """Orders of markets nobody asked about are left out."""
        if not tickers:
            return {}
        wanted = set(tickers)
        rows = await self.rest.queue_positions(market_tickers=",".join(tickers))
        return {row.order_id: int(row.queue_position) for row in rows if row.market_ticker in wanted}

    async def create_group(self, contracts_limit: int, *, exchange_index: int = 0) -> str:
        return await self.rest.create_order_group(contracts_limit, exchange_index=exchange_index)

    async def groups(self) -> Sequence[VenueGroup]:
        return [group.to_engine() for group in await self.rest.order_groups()]

    async def trigger_group(self, group_id: str) -> None:
        await self.rest.trigger_order_group(group_id)

    async def reset_group(self, group_id: str) -> None:
        await self.rest.reset_order_group(group_id)

    async def delete_group(self, group_id: str) -> None:
        await self.rest.delete_order_group(group_id)

    async def limit_group(self, group_id: str, contracts_limit: int) -> None:
        await self.rest.limit_order_group(group_id, contracts_limit)

    async def exchange_status(self) -> VenueStatus:
        return (await self.rest.exchange_status()).to_engine()


async def _in_batches(
    items: Sequence[ItemT], size: int, send: Callable[[Sequence[ItemT]], Awaitable[Sequence[AckT | GatewayError]]]
) -> list[AckT | Exception]:
    """In batches the account can pay for; when one fails as a whole, each of its items gets that error."""
    answers: list[AckT | Exception] = []
    for start in range(0, len(items), size):
        batch = items[start : start + size]
        try:
            answers += await send(batch)
        except GatewayError as error:
            answers += [error] * len(batch)
    return answers
