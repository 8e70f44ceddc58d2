"""Bytes of a WebSocket frame in, a typed frame in YES coordinates out. No I/O; rubbish gives a typed error.

Kalshi docs: WebSocket channels, order direction. A NO bid at p is a YES ask at 1 - p; with `use_yes_price` the
exchange has already turned NO prices round, without it this decoder does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from apps.engine.decimals import parse_price
from apps.engine.errors import BadNumber
from apps.engine.ports import VenueOrder, VenuePosition
from apps.engine.types import BookSnapshot, Fill, Level, Side
from apps.gateway.errors import BadField, MalformedFrame, OversizedFrame
from apps.gateway.kalshi import frames as f
from apps.gateway.kalshi import wire_frames as w
from apps.gateway.kalshi.fields import DECODE_ERRORS, book_side, quoted, read_scalar, refuse
from apps.gateway.kalshi.models import PublicTrade, grid_ranges
from apps.gateway.kalshi.numbers import PriceTable, QuantityTable

MAX_FRAME_BYTES = 64 * 1024 * 1024
TERMINAL_ERRORS = frozenset({10, 25})
_SAMPLE_MASK = 0x3FF

_BID, _ASK = Side.BID, Side.ASK
_Delta = w.Delta
_DeltaFrame = f.DeltaFrame
_decode_wire = msgspec.json.Decoder(w.Wire, dec_hook=read_scalar).decode
_envelope = msgspec.json.Decoder(w.Envelope)
_untyped = msgspec.json.Decoder(dict[str, Any])

# Documented and not read: deprecated spellings, and clocks and identities we have no use for.
_DOCUMENTED = frozenset(
    {"type", "sending_ts_ms", "market_id", "market_ids", "ts", "time", "user_id", "subaccount"}
    | {"subaccount_number", "side", "action", "is_yes", "purchased_side", "taker_side", "taker_outcome_side"}
    | {"outcome_side", "no_price_dollars", "dollar_volume", "dollar_open_interest", "order_source"}
    | {"self_trade_prevention_type", "created_time", "last_update_time", "expiration_time"}
    | {"taker_fill_cost_dollars", "maker_fill_cost_dollars", "strike_type"}
    | {"floor_strike", "cap_strike", "custom_strike", "subtitle", "collateral_return_type", "strike_date"}
    | {"strike_period"}
)


class Decoder:
    """Decodes frames of one connection or recording.

    `use_yes_price` must be what the subscription asked for (recordings by others are NO-leg priced).
    `decode` returns a frame or raises a `BadMessage`; `unknown_types` counts types without a model and
    `unknown_fields` fields without one, as `type.field`. Finding unknown fields means decoding twice, so of the
    deltas, nearly all of the traffic, only every 1024th by `seq` is searched; of everything else each frame.
    """

    def __init__(self, *, use_yes_price: bool = True, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.use_yes_price = use_yes_price
        self.unknown_fields: Counter[str] = Counter()
        self.unknown_types: Counter[str] = Counter()
        self._max_bytes = max_bytes
        self._quantities = QuantityTable()
        self._bids = PriceTable()
        self._asks = PriceTable(complement=not use_yes_price)

    def decode(self, data: bytes | bytearray | memoryview | str) -> f.Frame:
        """One frame. Raises `OversizedFrame`, `MalformedFrame`, `MissingField` or `BadField`."""
        if len(data) > self._max_bytes:
            raise OversizedFrame(f"frame of {len(data)} bytes, the limit is {self._max_bytes}")
        try:
            wire = _decode_wire(data)
        except DECODE_ERRORS as e:
            return self._refused(e, data)
        if wire.__class__ is not _Delta:
            frame = _BUILDERS[wire.__class__](self, wire)
            self._count_unknown(wire, data)
            return frame
        # Nearly all of the traffic, and the session waits for it: written out here, without a call.
        msg = wire.msg
        leg, seq = msg.side, wire.seq
        if leg == "yes":
            side, price = _BID, self._bids[msg.price_dollars]
        elif leg == "no":
            side, price = _ASK, self._asks[msg.price_dollars]
        else:
            raise BadField(f"orderbook_delta: unknown side {leg!r:.40}")
        frame = _DeltaFrame(
            wire.sid,
            seq,
            msg.market_ticker,
            side,
            price,
            self._quantities[msg.delta_fp],
            msg.ts_ms,
            msg.client_order_id,
        )
        if not seq & _SAMPLE_MASK:
            self._count_unknown(wire, data)
        return frame

    def _levels(self, wire: list[tuple[str, str]] | None, prices: PriceTable) -> tuple[Level, ...]:
        quantities = self._quantities
        levels = tuple((prices[price], quantities[size]) for price, size in wire or ())
        if any(size <= 0 for _, size in levels):
            raise BadField("orderbook_snapshot: a level without size")
        return levels

    def _snapshot(self, wire: w.Snapshot) -> f.SnapshotFrame:
        msg = wire.msg
        bids = self._levels(msg.yes_dollars_fp, self._bids)
        asks = self._levels(msg.no_dollars_fp, self._asks)
        return f.SnapshotFrame(wire.sid, wire.seq, BookSnapshot(msg.market_ticker, bids, asks), wire.id)

    def _refused(self, error: Exception, data: bytes | bytearray | memoryview | str) -> f.UnknownFrame:
        """A type we have no model for is not an error: exchanges add them. Everything else is."""
        if not (isinstance(error, msgspec.ValidationError) and str(error).endswith("`$.type`")):
            _refuse(error)
        try:
            envelope = _envelope.decode(data)
        except DECODE_ERRORS as e:
            _refuse(e)
        self.unknown_types[envelope.type[:64]] += 1
        return f.UnknownFrame(envelope.type, envelope.sid, envelope.seq, envelope.id)

    def _count_unknown(self, wire: Any, data: bytes | bytearray | memoryview | str) -> None:
        try:
            found = _untyped.decode(data)
        except DECODE_ERRORS as e:
            raise MalformedFrame(f"frame: {e}") from None
        kind = found["type"]
        self._count_keys(kind, found, wire)
        msg = found.get("msg")
        if isinstance(msg, dict):
            self._count_keys(kind, msg, wire.msg)

    def _count_keys(self, kind: str, found: dict[str, Any], wire: Any) -> None:
        known = wire.__struct_encode_fields__ if isinstance(wire, msgspec.Struct) else ()
        for key in found:
            if key not in known and key not in _DOCUMENTED:
                self.unknown_fields[f"{kind}.{key}"[:128]] += 1


def _refuse(error: Exception) -> NoReturn:
    refuse(error, "frame")


def _ticker(_: Decoder, wire: w.TickerWire) -> f.TickerFrame:
    msg = wire.msg
    return f.TickerFrame(
        wire.sid,
        wire.seq,
        msg.market_ticker,
        quoted(msg.price_dollars),
        quoted(msg.yes_bid_dollars),
        quoted(msg.yes_ask_dollars),
        msg.yes_bid_size_fp,
        msg.yes_ask_size_fp,
        msg.last_trade_size_fp,
        msg.volume_fp,
        msg.open_interest_fp,
        msg.ts_ms,
    )


def _trade(_: Decoder, wire: w.TradeWire) -> f.TradeFrame:
    msg = wire.msg
    side = book_side(msg.taker_book_side)
    trade = PublicTrade(
        msg.trade_id,
        msg.market_ticker,
        side,
        int(msg.yes_price_dollars),
        int(msg.count_fp),
        msg.ts_ms,
        msg.is_block_trade,
    )
    return f.TradeFrame(wire.sid, wire.seq, trade)


def _fill(_: Decoder, wire: w.FillWire) -> f.FillFrame:
    msg = wire.msg
    fill = Fill(
        trade_id=msg.trade_id,
        order_id=msg.order_id,
        ticker=msg.market_ticker,
        side=book_side(msg.book_side),
        price=int(msg.yes_price_dollars),
        quantity=int(msg.count_fp),
        fee=int(msg.fee_cost),
        is_taker=msg.is_taker,
        ts_ms=msg.ts_ms,
        client_order_id=msg.client_order_id or None,
    )
    return f.FillFrame(wire.sid, wire.seq, fill, int(msg.post_position_fp), msg.exchange_index)


def _user_order(_: Decoder, wire: w.UserOrderWire) -> f.UserOrderFrame:
    msg = wire.msg
    changed_ms = msg.last_updated_ts_ms if msg.last_updated_ts_ms is not None else msg.created_ts_ms
    order = VenueOrder(
        order_id=msg.order_id,
        client_order_id=msg.client_order_id,
        ticker=msg.ticker,
        side=book_side(msg.book_side),
        price=int(msg.yes_price_dollars),
        initial=int(msg.initial_count_fp),
        filled=int(msg.fill_count_fp),
        remaining=int(msg.remaining_count_fp),
        status=msg.status,
        maker_fees=int(msg.maker_fees_dollars),
        taker_fees=int(msg.taker_fees_dollars),
        last_update_reason=msg.last_update_reason,
        ts_ms=changed_ms,
        expires_at_s=None if msg.expiration_ts_ms is None else msg.expiration_ts_ms // 1000,
        group_id=msg.order_group_id or None,
    )
    return f.UserOrderFrame(wire.sid, wire.seq, order, msg.order_group_id, msg.exchange_index)


def _market_position(_: Decoder, wire: w.MarketPositionWire) -> f.MarketPositionFrame:
    msg = wire.msg
    position = VenuePosition(
        msg.market_ticker,
        int(msg.position_fp),
        int(msg.position_cost_dollars),
        int(msg.realized_pnl_dollars),
        int(msg.fees_paid_dollars),
    )
    fee_cost = msg.position_fee_cost_dollars
    return f.MarketPositionFrame(wire.sid, wire.seq, position, int(msg.volume_fp), fee_cost)


def _lifecycle(_: Decoder, wire: w.LifecycleWire | w.ComboLifecycleWire) -> f.LifecycleFrame:
    msg = wire.msg
    try:
        value = None if msg.settlement_value is None else parse_price(msg.settlement_value)
    except BadNumber as e:
        raise BadField(f"settlement_value: {e}") from None
    metadata = msg.additional_metadata or {}
    event_ticker, title = metadata.get("event_ticker"), metadata.get("title")
    return f.LifecycleFrame(
        type=str(wire.__struct_config__.tag),
        sid=wire.sid,
        seq=wire.seq,
        event_type=msg.event_type,
        ticker=msg.market_ticker,
        event_ticker=event_ticker if isinstance(event_ticker, str) else None,
        result=msg.result,
        settlement_value=value,
        open_ts=msg.open_ts,
        close_ts=msg.close_ts,
        determination_ts=msg.determination_ts,
        settled_ts=msg.settled_ts,
        is_deactivated=msg.is_deactivated,
        price_ranges=None if msg.price_ranges is None else grid_ranges(msg.price_ranges),
        exchange_index=msg.exchange_index,
        title=title if isinstance(title, str) else None,
    )


def _event_lifecycle(_: Decoder, wire: w.EventLifecycleWire) -> f.LifecycleFrame:
    msg = wire.msg
    return f.LifecycleFrame(
        type="event_lifecycle",
        sid=wire.sid,
        seq=wire.seq,
        event_type="created",
        event_ticker=msg.event_ticker,
        series_ticker=msg.series_ticker,
        exchange_index=msg.exchange_index,
        title=msg.title,
    )


def _event_fee(_: Decoder, wire: w.EventFeeWire) -> f.LifecycleFrame:
    msg = wire.msg
    multiplier = msg.fee_multiplier_override
    return f.LifecycleFrame(
        type="event_fee_update",
        sid=wire.sid,
        seq=wire.seq,
        event_type="fee_update",
        event_ticker=msg.event_ticker,
        fee_type_override=msg.fee_type_override,
        fee_multiplier_override=None if multiplier is None else str(multiplier),
    )


def _order_group(_: Decoder, wire: w.OrderGroupWire) -> f.OrderGroupFrame:
    msg = wire.msg
    return f.OrderGroupFrame(wire.sid, wire.seq, msg.event_type, msg.order_group_id, msg.contracts_limit_fp, msg.ts_ms)


def _subscribed(_: Decoder, wire: w.SubscribedWire) -> f.SubscribedFrame:
    return f.SubscribedFrame(wire.id, wire.msg.channel, wire.msg.sid)


def _ok(_: Decoder, wire: w.OkWire) -> f.OkFrame:
    msg = wire.msg
    if isinstance(msg, list):
        return f.OkFrame(wire.id, wire.sid, wire.seq, (), tuple((s.channel, s.sid) for s in msg))
    tickers = () if msg is None else msg.market_tickers or ()
    return f.OkFrame(wire.id, wire.sid, wire.seq, tickers)


def _unsubscribed(_: Decoder, wire: w.UnsubscribedWire) -> f.UnsubscribedFrame:
    return f.UnsubscribedFrame(wire.id, wire.sid, wire.seq)


def _error(_: Decoder, wire: w.ErrorWire) -> f.ErrorFrame:
    msg = wire.msg
    return f.ErrorFrame(msg.code, msg.text, msg.code in TERMINAL_ERRORS, wire.id, wire.sid, wire.seq, msg.market_ticker)


_BUILDERS: Mapping[type, Callable[[Decoder, Any], f.Frame]] = {
    w.Snapshot: Decoder._snapshot,
    w.TickerWire: _ticker,
    w.TradeWire: _trade,
    w.FillWire: _fill,
    w.UserOrderWire: _user_order,
    w.MarketPositionWire: _market_position,
    w.LifecycleWire: _lifecycle,
    w.ComboLifecycleWire: _lifecycle,
    w.EventLifecycleWire: _event_lifecycle,
    w.EventFeeWire: _event_fee,
    w.OrderGroupWire: _order_group,
    w.SubscribedWire: _subscribed,
    w.OkWire: _ok,
    w.UnsubscribedWire: _unsubscribed,
    w.ErrorWire: _error,
}
