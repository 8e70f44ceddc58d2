"""A venue whose answers a test writes down beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from apps.engine.ports import (
    CancelAck,
    OrderAck,
    VenueBalance,
    VenueOrder,
    VenuePosition,
    VenueSettlement,
)
from apps.engine.types import Fill, OrderIntent, Ticker
from apps.gateway.errors import GatewayError, OrderNotFound


class FakeVenue:
    """Takes every order unless `answers` holds an exception for it; keeps what was asked in `sent`."""

    def __init__(self, cash: int = 10_000_000_000) -> None:
        self.cash = cash
        self.sent: list[OrderIntent] = []
        self.canceled: list[str] = []
        self.answers: list[Exception | None] = []
        self.cancel_answers: list[Exception | None] = []
        self.resting: dict[str, VenueOrder] = {}
        self.closed: dict[str, VenueOrder] = {}
        self.fill_rows: list[Fill] = []
        self.position_rows: list[VenuePosition] = []
        self.settlement_rows: list[VenueSettlement] = []

    async def submit(self, intent: OrderIntent) -> OrderAck:
        self.sent.append(intent)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        order_id = f"v-{len(self.sent)}"
        self.rest(intent, order_id)
        return OrderAck(order_id, intent.client_order_id, 0, intent.quantity, 1)

    async def submit_many(self, intents: Sequence[OrderIntent]) -> Sequence[OrderAck | GatewayError]:
        answers: list[OrderAck | GatewayError] = []
        for intent in intents:
            try:
                answers.append(await self.submit(intent))
            except GatewayError as error:
                answers.append(error)
        return answers

    def rest(self, intent: OrderIntent, order_id: str) -> None:
        """As if the exchange had taken the order, whatever it answered."""
        self.resting[order_id] = VenueOrder(
            order_id, intent.client_order_id, intent.ticker, intent.side, intent.price, intent.quantity, 0,
            intent.quantity, "resting", 0, 0,
        )  # fmt: skip

    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck:
        self.canceled.append(order_id)
        answer = self.cancel_answers.pop(0) if self.cancel_answers else None
        if answer is not None:
            raise answer
        order = self.resting.pop(order_id, None)
        if order is None:
            raise OrderNotFound(status=404, code="not_found")
        return CancelAck(order_id, order.remaining)

    async def cancel_all(self) -> None:
        self.resting.clear()

    async def open_orders(self) -> Sequence[VenueOrder]:
        return list(self.resting.values())

    async def orders(self, *, min_ts_s: int | None = None) -> Sequence[VenueOrder]:
        return [*self.resting.values(), *self.closed.values()]

    async def order_by_client_id(self, client_order_id: str, ticker: Ticker) -> VenueOrder | None:
        return next((o for o in await self.orders() if o.client_order_id == client_order_id), None)

    async def fills(self, *, min_ts_s: int | None = None) -> Sequence[Fill]:
        return list(self.fill_rows)

    async def positions(self) -> Sequence[VenuePosition]:
        return list(self.position_rows)

    async def settlements(self, *, min_ts_s: int | None = None) -> Sequence[VenueSettlement]:
        return list(self.settlement_rows)

    async def balance(self) -> VenueBalance:
        return VenueBalance(self.cash, None)
