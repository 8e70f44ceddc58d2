"""What the trading loop needs of a venue; the Kalshi client and the paper venue both satisfy it.

Every call raises the gateway's typed errors; `OutcomeUnknown` means the venue may have acted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .types import Fill, Money, OrderIntent, Price, Quantity, Side, Ticker


@dataclass(frozen=True, slots=True)
class OrderAck:
    """The venue took the order. `remaining` 0 with `filled` 0 is an IOC that met nothing."""

    order_id: str
    client_order_id: str
    filled: Quantity
    remaining: Quantity
    ts_ms: int
    average_fill_price: Price | None = None


@dataclass(frozen=True, slots=True)
class CancelAck:
    """The venue took the order off the book; `reduced_by` is what was still resting."""

    order_id: str
    reduced_by: Quantity
    ts_ms: int | None = None


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue's own records show it. `status` is the venue's word (an open set)."""

    order_id: str
    client_order_id: str
    ticker: Ticker
    side: Side
    price: Price
    initial: Quantity
    filled: Quantity
    remaining: Quantity
    status: str
    maker_fees: Money
    taker_fees: Money
    last_update_reason: str | None = None
    ts_ms: int | None = None


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """Signed YES position (+ YES, - NO) with the venue's cost, realised P&L and fees."""

    ticker: Ticker
    quantity: Quantity
    cost: Money | None
    realized_pnl: Money | None
    fees: Money | None


@dataclass(frozen=True, slots=True)
class VenueBalance:
    """Cash in $0.000001 as the venue reports it, and when its records were taken (Unix ms)."""

    cash: Money
    as_of_ms: int | None


@dataclass(frozen=True, slots=True)
class VenueSettlement:
    """What the venue paid for a settled market. `value` is YES's worth; None when the venue does not say."""

    ticker: Ticker
    result: str
    value: Price | None
    revenue: Money
    fee: Money
    settled_ms: int


class Venue(Protocol):
    """Where orders go. No call is retried inside; a create is never sent twice.

    `submit_many` gives one answer per intent, in order: an acknowledgement, or the error `submit` would have raised.
    """

    async def submit(self, intent: OrderIntent) -> OrderAck: ...
    async def submit_many(self, intents: Sequence[OrderIntent]) -> Sequence[OrderAck | Exception]: ...
    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck: ...
    async def cancel_all(self) -> None: ...
    async def open_orders(self) -> Sequence[VenueOrder]: ...
    async def orders(self, *, min_ts_s: int | None = None) -> Sequence[VenueOrder]: ...
    async def order_by_client_id(self, client_order_id: str, ticker: Ticker) -> VenueOrder | None: ...
    async def fills(self, *, min_ts_s: int | None = None) -> Sequence[Fill]: ...
    async def positions(self) -> Sequence[VenuePosition]: ...
    async def settlements(self, *, min_ts_s: int | None = None) -> Sequence[VenueSettlement]: ...
    async def balance(self) -> VenueBalance: ...
