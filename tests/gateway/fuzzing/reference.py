"""The slow reading of frames and bodies: the standard library's JSON, `Decimal`, and no code of the gateway.

What it refuses must not be accepted; what both accept must mean the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

DOLLAR = 10_000
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_MAX_CHARS = 24
_MOST_SECONDS = 2**53
Meaning = tuple[Any, ...]


class Refused(Exception):
    """No message we should act upon."""


def _constant(name: str) -> Any:
    raise Refused(name)


def load(data: bytes) -> dict[str, Any]:
    """The JSON object. Bytes that are no UTF-8 are looked at only where we use them."""
    try:
        text = data.decode("utf-8", "surrogateescape")
        found = json.loads(text, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from None
    if not isinstance(found, dict):
        raise Refused("no object")
    return found


def _need(where: dict[str, Any], name: str) -> Any:
    if name not in where:
        raise Refused(f"no {name}")
    return where[name]


def obj(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused("no object")
    return value


def rows(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Refused("no list")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused("no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused("no UTF-8") from None
    return value


def name(value: Any) -> str:
    if not 1 <= len(text(value)) <= 256:
        raise Refused("no name")
    return text(value)


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("neither true nor false")
    return value


def whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int_of(value):
        raise Refused("no whole number")
    if not 0 <= value <= _MOST_SECONDS:
        raise Refused("out of range")
    return int(value)


def int_of(value: float) -> int | None:
    try:
        return int(value)
    except (OverflowError, ValueError):
        return None


def _scaled(value: Any, scale: int) -> int:
    if not isinstance(value, str) or len(value) > _MAX_CHARS or not _NUMBER.fullmatch(value):
        raise Refused("no decimal string")
    exact = Decimal(value) * scale
    if exact != exact.to_integral_value():
        raise Refused("too fine")
    return int(exact)


def price(value: Any) -> int:
    found = _scaled(value, DOLLAR)
    if not 0 <= found <= DOLLAR:
        raise Refused("no price")
    return found


def level_price(value: Any) -> int:
    found = price(value)
    if found in (0, DOLLAR):
        raise Refused("nothing rests there")
    return found


def count(value: Any) -> int:
    found = _scaled(value, 100)
    if abs(found) > 10**14:
        raise Refused("absurd")
    return found


def size(value: Any) -> int:
    found = count(value)
    if found < 0:
        raise Refused("negative")
    return found


def money(value: Any) -> int:
    found = _scaled(value, 1_000_000)
    if abs(found) > 10**18:
        raise Refused("absurd")
    return found


def maybe(reader: Callable[[Any], Any], where: dict[str, Any], key: str) -> Any:
    value = where.get(key)
    return None if value is None else reader(value)


def side(value: Any) -> str:
    found = {"bid": "bid", "yes": "bid", "ask": "ask", "no": "ask"}.get(text(value))
    if found is None:
        raise Refused("no side")
    return found


def _delta(frame: dict[str, Any], msg: dict[str, Any], *, yes: bool) -> Meaning:
    leg = text(_need(msg, "side"))
    if leg not in ("yes", "no"):
        raise Refused("no side")
    at = level_price(_need(msg, "price_dollars"))
    at = DOLLAR - at if leg == "no" and not yes else at
    return (
        "orderbook_delta", whole(_need(frame, "sid")), whole(_need(frame, "seq")), name(_need(msg, "market_ticker")),
        "bid" if leg == "yes" else "ask", at, count(_need(msg, "delta_fp")), maybe(whole, msg, "ts_ms"),
        maybe(text, msg, "client_order_id"),
    )  # fmt: skip


def _levels(value: Any, *, turn: bool) -> tuple[tuple[int, int], ...]:
    found = []
    for row in rows(value):
        if len(rows(row)) != 2:
            raise Refused("no level")
        at, many = level_price(row[0]), count(row[1])
        if many <= 0:
            raise Refused("a level without size")
        found.append((DOLLAR - at if turn else at, many))
    return tuple(found)


def _snapshot(frame: dict[str, Any], msg: dict[str, Any], *, yes: bool) -> Meaning:
    sides = [msg.get("yes_dollars_fp"), msg.get("no_dollars_fp")]
    bids, asks = (
        () if one is None else _levels(one, turn=turn) for one, turn in zip(sides, (False, not yes), strict=True)
    )
    ticker = name(_need(msg, "market_ticker"))
    return "orderbook_snapshot", whole(_need(frame, "sid")), whole(_need(frame, "seq")), ticker, bids, asks


def _fill(frame: dict[str, Any], msg: dict[str, Any], *, yes: bool) -> Meaning:
    del yes
    return (
        "fill", whole(_need(frame, "sid")), maybe(whole, frame, "seq"), name(_need(msg, "trade_id")),
        name(_need(msg, "order_id")), name(_need(msg, "market_ticker")), side(_need(msg, "book_side")),
        level_price(_need(msg, "yes_price_dollars")), size(_need(msg, "count_fp")), money(_need(msg, "fee_cost")),
        boolean(_need(msg, "is_taker")), whole(_need(msg, "ts_ms")), maybe(text, msg, "client_order_id") or None,
        count(_need(msg, "post_position_fp")),
    )  # fmt: skip


def _user_order(frame: dict[str, Any], msg: dict[str, Any], *, yes: bool) -> Meaning:
    del yes
    expires = maybe(whole, msg, "expiration_ts_ms")
    return (
        "user_order", whole(_need(frame, "sid")), maybe(whole, frame, "seq"), name(_need(msg, "order_id")),
        text(msg.get("client_order_id", "")), name(_need(msg, "ticker")), side(_need(msg, "book_side")),
        price(_need(msg, "yes_price_dollars")), size(_need(msg, "initial_count_fp")),
        size(_need(msg, "fill_count_fp")), size(_need(msg, "remaining_count_fp")), name(_need(msg, "status")),
        money(_need(msg, "maker_fees_dollars")), money(_need(msg, "taker_fees_dollars")),
        None if expires is None else expires // 1000, maybe(text, msg, "order_group_id") or None,
    )  # fmt: skip


def _position(frame: dict[str, Any], msg: dict[str, Any], *, yes: bool) -> Meaning:
    del yes
    return (
        "market_position", whole(_need(frame, "sid")), maybe(whole, frame, "seq"), name(_need(msg, "market_ticker")),
        count(_need(msg, "position_fp")), money(_need(msg, "position_cost_dollars")),
        money(_need(msg, "realized_pnl_dollars")), money(_need(msg, "fees_paid_dollars")),
    )  # fmt: skip


_READERS: dict[str, Callable[..., Meaning]] = {
    "orderbook_delta": _delta,
    "orderbook_snapshot": _snapshot,
    "fill": _fill,
    "user_order": _user_order,
    "market_position": _position,
}
ACTED_UPON = frozenset(_READERS)
"""Kinds of frames that change books, orders or positions."""


def frame_meaning(data: bytes, *, yes: bool) -> Meaning:
    """What a frame says, for the kinds a session acts upon; of the others type, sid and seq. Raises `Refused`."""
    frame = load(data)
    kind = text(_need(frame, "type"))
    reader = _READERS.get(kind)
    if reader is None:
        return kind, frame.get("sid"), frame.get("seq")
    return reader(frame, obj(_need(frame, "msg")), yes=yes)
