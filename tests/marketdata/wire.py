"""Catalogue bodies and frames in the exchange's own words, for the tests of market data."""

from __future__ import annotations

import json
from typing import Any

from apps.gateway.kalshi import models as wire
from apps.gateway.kalshi.bodies import EventBody, MarketBody, SeriesBody, parse
from apps.gateway.kalshi.frames import Frame
from apps.gateway.kalshi.messages import Decoder

CENT = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]


def series_body(ticker: str = "KXA", **fields: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "title": "Series A",
        "frequency": "daily",
        "category": "Crypto",
        "tags": None,
        "fee_type": "quadratic",
        "fee_multiplier": 1,
    } | fields


def event_body(ticker: str = "KXA-26", **fields: Any) -> dict[str, Any]:
    return {
        "event_ticker": ticker,
        "series_ticker": "KXA",
        "title": "Event A",
        "sub_title": "",
        "mutually_exclusive": True,
        "collateral_return_type": "",
    } | fields


def market_body(ticker: str = "KXA-26-T1", **fields: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "event_ticker": "KXA-26",
        "status": "active",
        "market_type": "binary",
        "title": "Above 1?",
        "price_ranges": CENT,
        "price_level_structure": "linear_cent",
        "yes_bid_dollars": "0.5600",
        "yes_ask_dollars": "0.6000",
        "last_price_dollars": "0.5700",
        "volume_fp": "120.50",
        "open_interest_fp": "40.00",
        "open_time": "2026-11-19T00:00:00Z",
        "close_time": "2026-11-21T00:00:00Z",
        "result": "",
        "exchange_index": 0,
    } | fields


def series(**fields: Any) -> wire.Series:
    return parse(SeriesBody, json.dumps({"series": series_body(**fields)})).series


def event(**fields: Any) -> wire.Event:
    return parse(EventBody, json.dumps({"event": event_body(**fields)})).event


def market(**fields: Any) -> wire.Market:
    return parse(MarketBody, json.dumps({"market": market_body(**fields)})).market


def raw(kind: str, sid: int, seq: int | None, **msg: Any) -> bytes:
    frame: dict[str, Any] = {"type": kind, "sid": sid, "msg": msg}
    if seq is not None:
        frame["seq"] = seq
    return json.dumps(frame).encode()


def snapshot(ticker: str, seq: int, *, sid: int = 1, bid: str = "0.5600", ask: str = "0.6000") -> bytes:
    return raw(
        "orderbook_snapshot",
        sid,
        seq,
        market_ticker=ticker,
        market_id="m",
        yes_dollars_fp=[[bid, "10.00"]],
        no_dollars_fp=[[ask, "15.00"]],
    )


def delta(ticker: str, seq: int, price: str = "0.5500", size: str = "5.00", *, sid: int = 1, ts_ms: int = 1) -> bytes:
    return raw(
        "orderbook_delta",
        sid,
        seq,
        market_ticker=ticker,
        market_id="m",
        price_dollars=price,
        delta_fp=size,
        side="yes",
        ts_ms=ts_ms,
    )


def trade(ticker: str, trade_id: str, *, seq: int = 1, sid: int = 3) -> bytes:
    return raw(
        "trade",
        sid,
        seq,
        trade_id=trade_id,
        market_ticker=ticker,
        yes_price_dollars="0.5700",
        no_price_dollars="0.4300",
        count_fp="2.50",
        taker_outcome_side="yes",
        taker_book_side="bid",
        taker_side="yes",
        is_block_trade=False,
        ts_ms=1_763_640_000_123,
        ts=1_763_640_000,
    )


def lifecycle(event_type: str, ticker: str, *, seq: int = 1, sid: int = 4, **fields: Any) -> bytes:
    return raw("market_lifecycle_v2", sid, seq, event_type=event_type, market_ticker=ticker, **fields)


def subscribed(channel: str, sid: int, command: int = 1) -> bytes:
    return json.dumps({"id": command, "type": "subscribed", "msg": {"channel": channel, "sid": sid}}).encode()


def error(code: int, message: str, *, sid: int) -> bytes:
    return json.dumps({"id": 1, "sid": sid, "type": "error", "msg": {"code": code, "msg": message}}).encode()


def frame(data: bytes) -> Frame:
    return Decoder(use_yes_price=True).decode(data)
