"""Orders and fills as the exchange keeps them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from apps.engine.matching import RestingOrder
from apps.engine.types import Money, OrderIntent, Price, Quantity, Side


class OrderStatus(StrEnum):
    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


class Reason(StrEnum):
    """Why an order changed (`last_update_reason`); a plain cancel or a create has none."""

    DECREASE = "Decrease"
    AMEND = "Amend"
    SELF_TRADE_CANCEL = "SelfTradeCancel"
    EXPIRY_CANCEL = "ExpiryCancel"
    CLOSE_CANCEL = "CloseCancel"
    HALT_CANCEL = "HaltCancel"
    TRADE = "Trade"
    POST_ONLY_CROSS_CANCEL = "PostOnlyCrossCancel"
    REDUCE_ONLY_CANCEL = "ReduceOnlyCancel"
    SETTLEMENT_BOUNDS_CANCEL = "SettlementBoundsCancel"


@dataclass(slots=True, eq=False)
class Order:
    """One order of one account. `number` rises with creation; `rest` is its place in the book while it rests.

    Costs are what the fills cost on the leg bought; `accumulator` is the fee rounding carried between fills.
    """

    order_id: str
    number: int
    account_id: str
    intent: OrderIntent
    status: OrderStatus
    price: Price
    initial: Quantity
    created_us: int
    updated_us: int
    expires_at_s: int | None = None
    filled: Quantity = 0
    remaining: Quantity = 0
    taker_cost: Money = 0
    maker_cost: Money = 0
    taker_fees: Money = 0
    maker_fees: Money = 0
    accumulator: Money = 0
    reason: Reason | None = None
    client_order_id: str = ""
    rest: RestingOrder | None = None
    exchange_index: int = 0

    def copied(self) -> Order:
        """As it is now, without its place in the book."""
        found = Order.__new__(Order)
        for name in _COPIED:
            setattr(found, name, getattr(self, name))
        found.rest = None
        return found

    @property
    def ticker(self) -> str:
        return self.intent.ticker

    @property
    def side(self) -> Side:
        return self.intent.side

    @property
    def average_price(self) -> Price | None:
        """YES price per contract over all fills, rounded to $0.0001."""
        if not self.filled:
            return None
        return (2 * self.notional + self.filled) // (2 * self.filled)

    @property
    def average_fee(self) -> Price | None:
        """Fee per contract over all fills, rounded to $0.0001."""
        if not self.filled:
            return None
        return (2 * (self.taker_fees + self.maker_fees) + self.filled) // (2 * self.filled)

    @property
    def notional(self) -> Money:
        """Sum of YES price x quantity over all fills."""
        cost = self.taker_cost + self.maker_cost
        return cost if self.side is Side.BID else self.filled * 10_000 - cost


_COPIED = tuple(f.name for f in fields(Order) if f.name != "rest")


@dataclass(frozen=True, slots=True)
class ExchangeFill:
    """One account's half of a trade; `trade_id` is shared with the other half."""

    number: int
    trade_id: str
    order: Order
    price: Price
    quantity: Quantity
    fee: Money
    is_taker: bool
    ts_us: int
    post_position: Quantity


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade; `taker_side` is the side of the YES book the aggressor was on."""

    number: int
    trade_id: str
    ticker: str
    price: Price
    quantity: Quantity
    taker_side: Side
    ts_us: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one account got when a market was paid out."""

    number: int
    ticker: str
    event_ticker: str
    result: str
    position: Quantity
    cost: Money
    revenue: Money
    fee: Money
    value: Price
    ts_us: int
    exchange_index: int = 0
