"""A venue that executes immediate orders as a test tells it to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from apps.engine.ports import OrderAck, VenueOrder, VenuePosition
from apps.engine.types import Fill, OrderIntent, Price, Quantity, Side, Ticker, TimeInForce
from tests.fakes.venue import FakeVenue


class Immediate(FakeVenue):
    """Fills each immediate order with the next of its market's `filling` contracts and cancels the rest.

    `batches` holds how many orders came in one request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.filling: dict[Ticker, list[int]] = {}
        self.batches: list[int] = []
        self._booked: dict[str, int] = {}

    async def submit(self, intent: OrderIntent) -> OrderAck:
        ack = await super().submit(intent)
        if intent.time_in_force is TimeInForce.GOOD_TILL_CANCELED:
            return ack
        record = self.resting.pop(ack.order_id)
        waiting = self.filling.get(intent.ticker)
        filled = min(waiting.pop(0), intent.quantity) if waiting else 0
        status = "executed" if filled == intent.quantity else "canceled"
        self.closed[ack.order_id] = replace(record, status=status, filled=filled, remaining=0)
        return replace(ack, filled=filled, remaining=0)

    async def submit_many(self, intents: Sequence[OrderIntent]) -> Sequence[OrderAck | Exception]:
        self.batches.append(len(intents))
        return await super().submit_many(intents)

    def execute_earlier(
        self, client_order_id: str, ticker: Ticker, side: Side, price: Price, quantity: Quantity, filled: Quantity
    ) -> None:
        """An immediate order of a session before this one."""
        self.closed["v-0"] = VenueOrder(
            "v-0", client_order_id, ticker, side, price, quantity, filled, 0,
            "executed" if filled == quantity else "canceled", 0, 0,
        )  # fmt: skip
        if filled:
            self.fill_rows.append(Fill("t-0", "v-0", ticker, side, price, filled, 0, True, 1, client_order_id))
            self.position_rows.append(VenuePosition(ticker, side.sign * filled, 0, 0, 0))

    def book_fills(self, at_ms: int) -> list[Fill]:
        """What was executed and not booked yet goes into fills, cash and positions; the new fills are returned."""
        new: list[Fill] = []
        for number, intent in enumerate(self.sent, start=1):
            order_id = f"v-{number}"
            record = self.closed.get(order_id)
            more = (record.filled if record else 0) - self._booked.get(order_id, 0)
            if more > 0:
                self._booked[order_id] = self._booked.get(order_id, 0) + more
                new.append(Fill(f"t-{number}", order_id, intent.ticker, intent.side, intent.price, more, 0, True, at_ms,
                                intent.client_order_id))  # fmt: skip
        for fill in new:
            self.fill_rows.append(fill)
            self.cash -= fill.side.sign * fill.price * fill.quantity
        held: dict[Ticker, int] = {}
        for fill in self.fill_rows:
            held[fill.ticker] = held.get(fill.ticker, 0) + fill.side.sign * fill.quantity
        self.position_rows = [VenuePosition(ticker, quantity, 0, 0, 0) for ticker, quantity in held.items() if quantity]
        return new

    def executed_resting(self, order_id: str, record: VenueOrder, fill: Fill) -> None:
        """A part of a resting order is executed."""
        filled = record.filled + fill.quantity
        self.resting[order_id] = replace(record, filled=filled, remaining=record.initial - filled)
        self.fill_rows.append(fill)
        self.position_rows = [VenuePosition(fill.ticker, fill.side.sign * filled, 0, 0, 0)]
