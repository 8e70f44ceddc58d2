"""Meaning of frames: coordinates, typed refusals, open sets, counting of what we do not know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.engine.grid import PriceRange
from apps.engine.types import BookDelta, Fill, Side
from apps.gateway import errors as e
from apps.gateway.kalshi import frames as f
from apps.gateway.kalshi.messages import Decoder

DELTA: dict[str, Any] = {
    "type": "orderbook_delta",
    "sid": 2,
    "seq": 7,
    "msg": {
        "market_ticker": "KXFED-26DEC-T4.25",
        "market_id": "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1",
        "price_dollars": "0.4800",
        "delta_fp": "-12.50",
        "side": "no",
        "ts_ms": 1781159489957,
    },
}


def _wire(frame: dict[str, Any], **msg: Any) -> bytes:
    changed = {**frame["msg"], **msg}
    return json.dumps({**frame, "msg": {k: v for k, v in changed.items() if v is not ...}}).encode()


@pytest.mark.parametrize(("use_yes_price", "price"), [(True, 4800), (False, 5200)])
def test_no_level_becomes_a_yes_ask(use_yes_price: bool, price: int) -> None:
    frame = Decoder(use_yes_price=use_yes_price).decode(_wire(DELTA))
    assert isinstance(frame, f.DeltaFrame)
    assert frame.to_delta() == BookDelta("KXFED-26DEC-T4.25", Side.ASK, price, -1250, 1781159489957)
    assert (frame.sid, frame.seq) == (2, 7)


def test_yes_level_is_a_bid_at_its_own_price_either_way() -> None:
    for use_yes_price in (True, False):
        frame = Decoder(use_yes_price=use_yes_price).decode(_wire(DELTA, side="yes"))
        assert isinstance(frame, f.DeltaFrame)
        assert (frame.side, frame.price) == (Side.BID, 4800)


def test_snapshot_in_both_pricings_is_the_same_book() -> None:
    levels = {"market_ticker": "M", "yes_dollars_fp": [["0.4700", "3.00"]]}
    yes = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": {**levels, "no_dollars_fp": [["0.5200", "1"]]}}
    no = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": {**levels, "no_dollars_fp": [["0.48", "1.00"]]}}
    one = Decoder(use_yes_price=True).decode(json.dumps(yes))
    two = Decoder(use_yes_price=False).decode(json.dumps(no))
    assert isinstance(one, f.SnapshotFrame)
    assert one == two
    assert one.book.bids == ((4700, 300),)
    assert one.book.asks == ((5200, 100),)


def test_snapshot_without_a_side_has_an_empty_side() -> None:
    frame = Decoder().decode(b'{"type":"orderbook_snapshot","sid":1,"seq":1,"id":9,"msg":{"market_ticker":"M"}}')
    assert isinstance(frame, f.SnapshotFrame)
    assert (frame.book.bids, frame.book.asks, frame.id) == ((), (), 9)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"price_dollars": "NaN"}, e.BadField),
        ({"price_dollars": "1.0000"}, e.BadField),
        ({"price_dollars": "0.0000"}, e.BadField),
        ({"price_dollars": "-0.5"}, e.BadField),
        ({"price_dollars": "0.48001"}, e.BadField),
        ({"price_dollars": 0.48}, e.BadField),
        ({"delta_fp": "Infinity"}, e.BadField),
        ({"delta_fp": "1e3"}, e.BadField),
        ({"delta_fp": "99999999999999999.00"}, e.BadField),
        ({"delta_fp": "0.001"}, e.BadField),
        ({"side": "maybe"}, e.BadField),
        ({"market_ticker": ""}, e.BadField),
        ({"market_ticker": None}, e.BadField),
        ({"price_dollars": ...}, e.MissingField),
        ({"delta_fp": ...}, e.MissingField),
        ({"market_ticker": ...}, e.MissingField),
    ],
)
def test_bad_delta_is_refused_by_name(change: dict[str, Any], error: type[e.BadMessage]) -> None:
    with pytest.raises(error) as raised:
        Decoder().decode(_wire(DELTA, **change))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", e.MalformedFrame),
        (b'{"type":"orderbook_delta","sid":1', e.MalformedFrame),
        (b'{"type":"orderbook_delta","sid":1,"seq":1,"msg":{"a":NaN}}', e.MalformedFrame),
        (b"\xff\xfe", e.MalformedFrame),
        (b'{"type":"orderbook_delta","x":' + b"[" * 100_000, e.MalformedFrame),
        (b"[]", e.BadField),
        (b'{"sid":1}', e.MissingField),
        (b'{"type":7}', e.BadField),
        (b'{"type":"orderbook_delta","seq":1,"msg":{}}', e.MissingField),
        (b'{"type":"orderbook_delta","sid":-1,"seq":1,"msg":{}}', e.BadField),
        (
            b'{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"M","yes_dollars_fp":[["0.5"]]}}',
            e.BadField,
        ),
        (
            b'{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"M","yes_dollars_fp":[["0.5","-1"]]}}',
            e.BadField,
        ),
        (
            b'{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"M","yes_dollars_fp":[["0.5","0"]]}}',
            e.BadField,
        ),
    ],
)
def test_rubbish_is_a_typed_error(text: bytes, error: type[e.BadMessage]) -> None:
    with pytest.raises(error) as raised:
        Decoder().decode(text)
    assert type(raised.value) is error


def test_lone_surrogates_in_text_are_malformed() -> None:
    with pytest.raises(e.MalformedFrame):
        Decoder().decode('{"type":"\ud800"}')


def test_oversized_frame_is_refused_before_it_is_read() -> None:
    with pytest.raises(e.OversizedFrame):
        Decoder(max_bytes=64).decode(b"x" * 65)


def test_unknown_type_keeps_its_place_in_the_sequence() -> None:
    decoder = Decoder()
    frame = decoder.decode(b'{"type":"rfq_created","sid":4,"seq":11,"msg":{"id":"x"}}')
    assert frame == f.UnknownFrame("rfq_created", sid=4, seq=11)
    assert decoder.unknown_types == {"rfq_created": 1}


def test_unknown_fields_are_ignored_and_counted() -> None:
    decoder = Decoder()
    ok = b'{"type":"ok","id":1,"sid":1,"seq":2,"new_thing":1,"msg":{"market_tickers":["A"],"other":2}}'
    assert decoder.decode(ok) == f.OkFrame(1, 1, 2, ("A",))
    assert decoder.unknown_fields == {"ok.new_thing": 1, "ok.other": 1}
    for seq in range(1, 1025):
        decoder.decode(_wire({**DELTA, "seq": seq}, brand_new=1))
    assert decoder.unknown_fields["orderbook_delta.brand_new"] == 1


def test_own_order_marks_its_delta() -> None:
    frame = Decoder().decode(_wire(DELTA, client_order_id="alice-1", subaccount=0))
    assert isinstance(frame, f.DeltaFrame)
    assert frame.client_order_id == "alice-1"


TICKER = {
    "type": "ticker",
    "sid": 3,
    "msg": {
        "market_ticker": "M",
        "price_dollars": "0.0000",
        "yes_bid_dollars": "0.0000",
        "yes_ask_dollars": "1.0000",
        "yes_bid_size_fp": "0.00",
        "yes_ask_size_fp": "0.00",
        "last_trade_size_fp": "0.00",
        "volume_fp": "10.50",
        "open_interest_fp": "3.00",
        "ts_ms": 5,
    },
}


def test_ticker_of_an_empty_book_has_no_prices() -> None:
    frame = Decoder().decode(_wire(TICKER))
    assert isinstance(frame, f.TickerFrame)
    assert (frame.price, frame.yes_bid, frame.yes_ask) == (None, None, None)
    assert frame.volume == 1050


def test_ticker_with_a_negative_size_is_refused() -> None:
    with pytest.raises(e.BadField):
        Decoder().decode(_wire(TICKER, yes_bid_size_fp="-3.00"))


FILL = {
    "type": "fill",
    "sid": 2,
    "msg": {
        "trade_id": "t1",
        "order_id": "o1",
        "market_ticker": "M",
        "is_taker": False,
        "side": "yes",
        "action": "buy",
        "yes_price_dollars": "0.1700",
        "count_fp": "5.52",
        "fee_cost": "0.054600",
        "post_position_fp": "-5.52",
        "outcome_side": "no",
        "book_side": "ask",
        "ts_ms": 9,
        "client_order_id": "bob-1",
    },
}


def test_fill_direction_comes_from_book_side_only() -> None:
    frame = Decoder().decode(_wire(FILL))
    assert isinstance(frame, f.FillFrame)
    assert frame.fill == Fill("t1", "o1", "M", Side.ASK, 1700, 552, 54_600, False, 9, "bob-1")
    assert frame.post_position == -552
    with pytest.raises(e.MissingField):
        Decoder().decode(_wire(FILL, book_side=...))


def test_user_order_keeps_unknown_status_and_reason() -> None:
    wire = {
        "type": "user_order",
        "sid": 5,
        "msg": {
            "order_id": "o1",
            "ticker": "M",
            "status": "held_for_review",
            "book_side": "bid",
            "yes_price_dollars": "0.5700",
            "initial_count_fp": "10.00",
            "fill_count_fp": "4.00",
            "remaining_count_fp": "6.00",
            "taker_fees_dollars": "0.000000",
            "maker_fees_dollars": "0.001200",
            "client_order_id": "alice-2",
            "created_ts_ms": 1,
            "last_updated_ts_ms": 2,
            "last_update_reason": "SomethingNew",
        },
    }
    frame = Decoder().decode(json.dumps(wire))
    assert isinstance(frame, f.UserOrderFrame)
    order = frame.order
    assert (order.status, order.last_update_reason, order.ts_ms) == ("held_for_review", "SomethingNew", 2)
    assert (order.initial, order.filled, order.remaining, order.maker_fees) == (1000, 400, 600, 1200)


def test_structure_change_carries_the_new_grid() -> None:
    wire = {
        "type": "market_lifecycle_v2",
        "sid": 6,
        "seq": 1,
        "msg": {
            "event_type": "price_level_structure_updated",
            "market_ticker": "M",
            "price_level_structure": "some_new_label",
            "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0020"}],
        },
    }
    frame = Decoder().decode(json.dumps(wire))
    assert isinstance(frame, f.LifecycleFrame)
    assert frame.price_ranges == (PriceRange(0, 10_000, 20),)


def test_cleared_fee_override_is_none_and_a_missing_one_is_refused() -> None:
    text = b'{"type":"event_fee_update","sid":1,"seq":1,"msg":{"event_ticker":"E","fee_type_override":null,%s}}'
    frame = Decoder().decode(text % b'"fee_multiplier_override":0.5')
    assert isinstance(frame, f.LifecycleFrame)
    assert (frame.fee_type_override, frame.fee_multiplier_override) == (None, "0.5")
    with pytest.raises(e.MissingField):
        Decoder().decode(text % b'"x":1')


@pytest.mark.parametrize(("code", "terminal"), [(8, False), (10, True), (25, True), (27, False), (999, False)])
def test_error_frame_says_whether_the_subscription_is_dead(code: int, terminal: bool) -> None:
    frame = Decoder().decode(json.dumps({"type": "error", "id": 1, "sid": 3, "msg": {"code": code, "msg": "x"}}))
    assert isinstance(frame, f.ErrorFrame)
    assert (frame.code, frame.terminal, frame.sid) == (code, terminal, 3)


def test_answer_to_list_has_an_array() -> None:
    frame = Decoder().decode(b'{"id":3,"type":"ok","msg":[{"channel":"ticker","sid":1},{"channel":"fill","sid":2}]}')
    assert isinstance(frame, f.OkFrame)
    assert frame.subscriptions == (("ticker", 1), ("fill", 2))


def test_order_group_and_position_frames() -> None:
    group = Decoder().decode(
        b'{"type":"order_group_updates","sid":3,"seq":1,"msg":{"event_type":"created","order_group_id":"g",'
        b'"contracts_limit_fp":"10.00","ts_ms":4}}'
    )
    assert group == f.OrderGroupFrame(3, 1, "created", "g", 1000, 4)
    position = Decoder().decode(
        b'{"type":"market_position","sid":4,"msg":{"market_ticker":"M","position_fp":"-2.50",'
        b'"position_cost_dollars":"1.250000","realized_pnl_dollars":"-0.100000","fees_paid_dollars":"0.020000",'
        b'"volume_fp":"2.50"}}'
    )
    assert isinstance(position, f.MarketPositionFrame)
    held = position.position
    assert (held.quantity, held.cost, held.realized_pnl, held.fees) == (-250, 1_250_000, -100_000, 20_000)
