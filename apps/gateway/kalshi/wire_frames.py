"""Shapes of WebSocket frames as they are on the wire; `messages.Decoder` turns them into frames.

Kalshi docs: WebSocket channels. Hot messages keep their number strings, which the tables convert faster.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct, field

from apps.gateway.kalshi.fields import (
    DollarMoney,
    DollarPrice,
    Millis,
    Name,
    Seq,
    SignedQuantity,
    Size,
    TradePrice,
)
from apps.gateway.kalshi.models import WireRange


class DeltaMsg(Struct, gc=False):
    market_ticker: Name
    price_dollars: str
    delta_fp: str
    side: str
    ts_ms: Millis | None = None
    client_order_id: str | None = None


class Delta(Struct, gc=False, tag="orderbook_delta"):
    sid: Seq
    seq: Seq
    msg: DeltaMsg


class SnapshotMsg(Struct):
    market_ticker: Name
    yes_dollars_fp: list[tuple[str, str]] | None = None
    no_dollars_fp: list[tuple[str, str]] | None = None


class Snapshot(Struct, tag="orderbook_snapshot"):
    sid: Seq
    seq: Seq
    msg: SnapshotMsg
    id: int | None = None


class TickerMsg(Struct):
    market_ticker: Name
    price_dollars: DollarPrice
    yes_bid_dollars: DollarPrice
    yes_ask_dollars: DollarPrice
    yes_bid_size_fp: Size
    yes_ask_size_fp: Size
    last_trade_size_fp: Size
    volume_fp: Size
    open_interest_fp: Size
    ts_ms: Millis


class TickerWire(Struct, tag="ticker"):
    sid: Seq
    msg: TickerMsg
    seq: Seq | None = None


class TradeMsg(Struct):
    trade_id: Name
    market_ticker: Name
    yes_price_dollars: TradePrice
    count_fp: Size
    taker_book_side: str
    ts_ms: Millis
    is_block_trade: bool = False


class TradeWire(Struct, tag="trade"):
    sid: Seq
    msg: TradeMsg
    seq: Seq | None = None


class FillMsg(Struct):
    trade_id: Name
    order_id: Name
    market_ticker: Name
    is_taker: bool
    yes_price_dollars: TradePrice
    count_fp: Size
    fee_cost: DollarMoney
    post_position_fp: SignedQuantity
    book_side: str
    ts_ms: Millis
    client_order_id: str | None = None
    exchange_index: int | None = None


class FillWire(Struct, tag="fill"):
    sid: Seq
    msg: FillMsg
    seq: Seq | None = None


class UserOrderMsg(Struct):
    order_id: Name
    ticker: Name
    status: Name
    book_side: str
    yes_price_dollars: DollarPrice
    initial_count_fp: Size
    fill_count_fp: Size
    remaining_count_fp: Size
    taker_fees_dollars: DollarMoney
    maker_fees_dollars: DollarMoney
    client_order_id: str = ""
    order_group_id: str | None = None
    created_ts_ms: Millis | None = None
    last_updated_ts_ms: Millis | None = None
    last_update_reason: str | None = None
    exchange_index: int | None = None
    expiration_ts_ms: Millis | None = None


class UserOrderWire(Struct, tag="user_order"):
    sid: Seq
    msg: UserOrderMsg
    seq: Seq | None = None


class MarketPositionMsg(Struct):
    market_ticker: Name
    position_fp: SignedQuantity
    position_cost_dollars: DollarMoney
    realized_pnl_dollars: DollarMoney
    fees_paid_dollars: DollarMoney
    volume_fp: Size
    position_fee_cost_dollars: DollarMoney | None = None


class MarketPositionWire(Struct, tag="market_position"):
    sid: Seq
    msg: MarketPositionMsg
    seq: Seq | None = None


class LifecycleMsg(Struct):
    event_type: Name
    market_ticker: Name
    open_ts: int | None = None
    close_ts: int | None = None
    result: str | None = None
    determination_ts: int | None = None
    settlement_value: str | None = None
    settled_ts: int | None = None
    is_deactivated: bool | None = None
    price_level_structure: str | None = None
    price_ranges: tuple[WireRange, ...] | None = None
    additional_metadata: dict[str, Any] | None = None
    exchange_index: int | None = None
    yes_sub_title: str | None = None


class LifecycleWire(Struct, tag="market_lifecycle_v2"):
    sid: Seq
    msg: LifecycleMsg
    seq: Seq | None = None


class ComboLifecycleWire(Struct, tag="multivariate_market_lifecycle"):
    sid: Seq
    msg: LifecycleMsg
    seq: Seq | None = None


class EventLifecycleMsg(Struct):
    event_ticker: Name
    series_ticker: Name
    title: str = ""
    exchange_index: int | None = None


class EventLifecycleWire(Struct, tag="event_lifecycle"):
    sid: Seq
    msg: EventLifecycleMsg
    seq: Seq | None = None


class EventFeeMsg(Struct):
    event_ticker: Name
    fee_type_override: str | None
    fee_multiplier_override: float | str | None


class EventFeeWire(Struct, tag="event_fee_update"):
    sid: Seq
    msg: EventFeeMsg
    seq: Seq | None = None


class OrderGroupMsg(Struct):
    event_type: Name
    order_group_id: Name
    contracts_limit_fp: Size | None = None
    ts_ms: Millis | None = None


class OrderGroupWire(Struct, tag="order_group_updates"):
    sid: Seq
    msg: OrderGroupMsg
    seq: Seq | None = None


class SubscribedMsg(Struct):
    channel: str
    sid: Seq


class SubscribedWire(Struct, tag="subscribed"):
    msg: SubscribedMsg
    id: int | None = None


class OkMsg(Struct):
    market_tickers: tuple[str, ...] | None = None


class OkWire(Struct, tag="ok"):
    id: int | None = None
    sid: Seq | None = None
    seq: Seq | None = None
    msg: OkMsg | list[SubscribedMsg] | None = None


class UnsubscribedWire(Struct, tag="unsubscribed"):
    sid: Seq
    id: int | None = None
    seq: Seq | None = None


class ErrorMsg(Struct):
    code: int
    text: str = field(name="msg", default="")
    market_ticker: str | None = None


class ErrorWire(Struct, tag="error"):
    msg: ErrorMsg
    id: int | None = None
    sid: Seq | None = None
    seq: Seq | None = None


class Envelope(Struct):
    """What every frame has, for types we do not model."""

    type: str
    sid: Seq | None = None
    seq: Seq | None = None
    id: int | None = None


Wire: TypeAlias = (
    Delta
    | Snapshot
    | TickerWire
    | TradeWire
    | FillWire
    | UserOrderWire
    | MarketPositionWire
    | LifecycleWire
    | ComboLifecycleWire
    | EventLifecycleWire
    | EventFeeWire
    | OrderGroupWire
    | SubscribedWire
    | OkWire
    | UnsubscribedWire
    | ErrorWire
)
