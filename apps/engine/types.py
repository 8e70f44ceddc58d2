"""The units and values of the trade, as integers so that price x quantity is exactly money.

Price is in $0.0001, quantity in 0.01 contract, money in $0.000001. Prices are always those of the YES leg;
`ask` sells YES, which the exchange treats as buying NO at 1 - price.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Price: TypeAlias = int
Quantity: TypeAlias = int
Money: TypeAlias = int
Ticker: TypeAlias = str
Level: TypeAlias = tuple[Price, Quantity]

PRICE_SCALE = 10_000
QUANTITY_SCALE = 100
MONEY_SCALE = 1_000_000
ONE_DOLLAR: Price = PRICE_SCALE


class Side(StrEnum):
    """Side of the single YES book. `bid` buys YES, `ask` sells YES."""

    BID = "bid"
    ASK = "ask"

    @property
    def opposite(self) -> Side:
        return Side.ASK if self is Side.BID else Side.BID

    @property
    def sign(self) -> int:
        """+1 for what a fill on this side adds to the YES position, -1 for what it takes away."""
        return 1 if self is Side.BID else -1


class TimeInForce(StrEnum):
    GOOD_TILL_CANCELED = "good_till_canceled"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    FILL_OR_KILL = "fill_or_kill"


class SelfTradePrevention(StrEnum):
    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What we want to rest or take, before anything was sent. `expires_at_s` is Unix seconds, GTC only."""

    client_order_id: str
    ticker: Ticker
    side: Side
    price: Price
    quantity: Quantity
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELED
    post_only: bool = True
    reduce_only: bool = False
    expires_at_s: int | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.TAKER_AT_CROSS
    order_group_id: str | None = None
    cancel_on_pause: bool = True


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of one order. `trade_id` is unique per account and makes a fill count once."""

    trade_id: str
    order_id: str
    ticker: Ticker
    side: Side
    price: Price
    quantity: Quantity
    fee: Money
    is_taker: bool
    ts_ms: int
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """Whole book of one market in YES coordinates; levels in any order, sizes above zero."""

    ticker: Ticker
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class BookDelta:
    """Signed change of one level. `client_order_id` is set only when our own order caused it."""

    ticker: Ticker
    side: Side
    price: Price
    delta: Quantity
    ts_ms: int | None = None
    client_order_id: str | None = None
