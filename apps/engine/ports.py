"""What the trading loop needs of a venue; the Kalshi client and the paper venue both satisfy it.

Every call raises the gateway's typed errors; `OutcomeUnknown` means the venue may have acted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    expires_at_s: int | None = None
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class OrderChange:
    """New terms of a resting order. `total` is what has filled already plus what shall rest.

    `side` is the order's own side; it cannot change. `expires_at_s` None keeps the expiry. A change of the expiry
    alone, or a smaller total at the same price, keeps the place in the queue; every other change goes to its back.
    """

    order_id: str
    client_order_id: str
    ticker: Ticker
    side: Side
    price: Price
    total: Quantity
    expires_at_s: int | None = None


@dataclass(frozen=True, slots=True)
class AmendAck:
    """The venue took the change. The counts are None where the venue does not say; an amended order may have filled."""

    order_id: str
    filled: Quantity | None
    remaining: Quantity | None
    ts_ms: int | None


@dataclass(frozen=True, slots=True)
class DecreaseAck:
    """The venue made the order smaller; it kept its place in the queue. `remaining` is what still rests."""

    order_id: str
    remaining: Quantity
    ts_ms: int | None


@dataclass(frozen=True, slots=True)
class VenueGroup:
    """An order group: the venue cancels its orders when more than `contracts_limit` match within 15 s.

    `is_triggered` None means that the venue does not say.
    """

    group_id: str
    contracts_limit: Quantity | None
    is_triggered: bool | None
    exchange_index: int


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """Whether the venue runs and trades; None is unknown. While the exchange is not active, cancels are refused too."""

    is_exchange_active: bool | None
    is_trading_active: bool | None
    resumes_at_ms: int | None


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


class LastLook(Protocol):
    """Why a request that places or changes orders in these markets may not leave now, or None.

    `creates`: client order ids of the orders that are new with it.
    """

    def __call__(self, tickers: Sequence[Ticker], creates: Sequence[str]) -> str | None: ...


class Venue(Protocol):
    """Where orders go. No write is retried inside; a create is never sent twice.

    `submit_many` and `cancel_many` give one answer per item, in order: an acknowledgement, or the error the single call
    would have raised. Every reply has been checked to be about the order it answers; one about another order is
    `OutcomeUnknown`. `create_group` and `limit_group` take whole contracts. `queue_positions` gives the contracts ahead
    of each own resting order by order id; an order the venue leaves out is absent, not first.
    `clock_skew_ms` is the local clock minus the venue's, from replies with a resolution of 1 s: it means nothing within
    one second of zero, and None is unknown. `writes_per_s` is how many orders a second the account's tokens create or
    renew. `last_look`, if set, is asked after every wait, right before a request that
    places or changes orders leaves; a reason keeps it back.
    """

    last_look: LastLook | None

    @property
    def clock_skew_ms(self) -> int | None: ...

    @property
    def writes_per_s(self) -> float: ...

    async def submit(self, intent: OrderIntent) -> OrderAck: ...
    async def submit_many(self, intents: Sequence[OrderIntent]) -> Sequence[OrderAck | Exception]: ...
    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck: ...
    async def cancel_many(self, orders: Sequence[tuple[str, Ticker]]) -> Sequence[CancelAck | Exception]: ...
    async def cancel_all(self) -> None: ...
    async def amend(self, change: OrderChange) -> AmendAck: ...
    async def decrease(self, order_id: str, ticker: Ticker, *, reduce_to: Quantity) -> DecreaseAck: ...
    async def open_orders(self) -> Sequence[VenueOrder]: ...
    async def orders(self, *, min_ts_s: int | None = None) -> Sequence[VenueOrder]: ...
    async def order_by_client_id(self, client_order_id: str, ticker: Ticker) -> VenueOrder | None: ...
    async def fills(self, *, min_ts_s: int | None = None) -> Sequence[Fill]: ...
    async def positions(self) -> Sequence[VenuePosition]: ...
    async def settlements(self, *, min_ts_s: int | None = None) -> Sequence[VenueSettlement]: ...
    async def balance(self) -> VenueBalance: ...
    async def queue_positions(self, tickers: Sequence[Ticker]) -> Mapping[str, Quantity]: ...
    async def create_group(self, contracts_limit: int, *, exchange_index: int = 0) -> str: ...
    async def groups(self) -> Sequence[VenueGroup]: ...
    async def trigger_group(self, group_id: str) -> None: ...
    async def reset_group(self, group_id: str) -> None: ...
    async def delete_group(self, group_id: str) -> None: ...
    async def limit_group(self, group_id: str, contracts_limit: int) -> None: ...
    async def exchange_status(self) -> VenueStatus: ...
