"""What a WebSocket frame means, in engine units and YES coordinates. Made by `messages.Decoder`.

Every frame has `type` (the wire's word), `sid` and `seq` where the channel has them, and `id` when it answers
one of our commands. `seq` counts all frames of a sid, so `SEQUENCED` frames must reach the gap check.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from msgspec import Struct

from apps.engine.grid import PriceRange
from apps.engine.ports import VenueOrder, VenuePosition
from apps.engine.types import BookDelta, BookSnapshot, Fill, Money, Price, Quantity, Side, Ticker
from apps.gateway.kalshi.models import PublicTrade


class SnapshotFrame(Struct, frozen=True):
    """The whole book of one market; `id` is set when it answers `get_snapshot`."""

    type: ClassVar[str] = "orderbook_snapshot"
    sid: int
    seq: int
    book: BookSnapshot
    id: int | None = None


class DeltaFrame(Struct, frozen=True, gc=False):
    """Signed change of one level, flat because it is nearly all of the traffic."""

    type: ClassVar[str] = "orderbook_delta"
    sid: int
    seq: int
    ticker: Ticker
    side: Side
    price: Price
    delta: Quantity
    ts_ms: int | None = None
    client_order_id: str | None = None

    def to_delta(self) -> BookDelta:
        return BookDelta(self.ticker, self.side, self.price, self.delta, self.ts_ms, self.client_order_id)


class TickerFrame(Struct, frozen=True, gc=False):
    """Top of book and totals. A side without orders is None, as is `price` before the first trade."""

    type: ClassVar[str] = "ticker"
    sid: int
    seq: int | None
    ticker: Ticker
    price: Price | None
    yes_bid: Price | None
    yes_ask: Price | None
    yes_bid_size: Quantity
    yes_ask_size: Quantity
    last_trade_size: Quantity
    volume: Quantity
    open_interest: Quantity
    ts_ms: int


class TradeFrame(Struct, frozen=True):
    type: ClassVar[str] = "trade"
    sid: int
    seq: int | None
    trade: PublicTrade


class FillFrame(Struct, frozen=True):
    """One of our fills; `post_position` is the signed YES position after it."""

    type: ClassVar[str] = "fill"
    sid: int
    seq: int | None
    fill: Fill
    post_position: Quantity
    exchange_index: int | None = None


class UserOrderFrame(Struct, frozen=True):
    type: ClassVar[str] = "user_order"
    sid: int
    seq: int | None
    order: VenueOrder
    order_group_id: str | None = None
    exchange_index: int | None = None


class MarketPositionFrame(Struct, frozen=True):
    type: ClassVar[str] = "market_position"
    sid: int
    seq: int | None
    position: VenuePosition
    volume: Quantity
    position_fee_cost: Money | None = None


class LifecycleFrame(Struct, frozen=True):
    """Market or event news. `type` is the wire's; `event_type` is open (created, determined, ...).

    `*_ts` are Unix seconds. `price_ranges` is set when a market's grid is given or changes.
    """

    type: str
    sid: int
    seq: int | None
    event_type: str
    ticker: Ticker | None = None
    event_ticker: str | None = None
    series_ticker: str | None = None
    result: str | None = None
    settlement_value: Price | None = None
    open_ts: int | None = None
    close_ts: int | None = None
    determination_ts: int | None = None
    settled_ts: int | None = None
    is_deactivated: bool | None = None
    price_ranges: tuple[PriceRange, ...] | None = None
    exchange_index: int | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: str | None = None
    title: str | None = None


class OrderGroupFrame(Struct, frozen=True):
    """`event_type`: created, triggered, reset, deleted, limit_updated (open set)."""

    type: ClassVar[str] = "order_group_updates"
    sid: int
    seq: int | None
    event_type: str
    order_group_id: str
    contracts_limit: Quantity | None = None
    ts_ms: int | None = None


class SubscribedFrame(Struct, frozen=True):
    """One per channel of a subscribe command; several share its `id`."""

    type: ClassVar[str] = "subscribed"
    id: int | None
    channel: str
    sid: int
    seq: ClassVar[None] = None


class OkFrame(Struct, frozen=True):
    """Answer to update_subscription (tickers after the change) or to list (`subscriptions`)."""

    type: ClassVar[str] = "ok"
    id: int | None
    sid: int | None = None
    seq: int | None = None
    market_tickers: tuple[str, ...] = ()
    subscriptions: tuple[tuple[str, int], ...] = ()


class UnsubscribedFrame(Struct, frozen=True):
    type: ClassVar[str] = "unsubscribed"
    id: int | None
    sid: int
    seq: int | None = None


class ErrorFrame(Struct, frozen=True):
    """The venue refused a command, or (`terminal`) a subscription is dead and must be made again."""

    type: ClassVar[str] = "error"
    code: int
    message: str
    terminal: bool
    id: int | None = None
    sid: int | None = None
    seq: int | None = None
    ticker: str | None = None


class UnknownFrame(Struct, frozen=True):
    """A type we have no model for. Its `seq`, if any, still counts."""

    type: str
    sid: int | None = None
    seq: int | None = None
    id: int | None = None


Frame: TypeAlias = (
    SnapshotFrame
    | DeltaFrame
    | TickerFrame
    | TradeFrame
    | FillFrame
    | UserOrderFrame
    | MarketPositionFrame
    | LifecycleFrame
    | OrderGroupFrame
    | SubscribedFrame
    | OkFrame
    | UnsubscribedFrame
    | ErrorFrame
    | UnknownFrame
)
