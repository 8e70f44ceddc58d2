"""Decoding of REST and private-channel bodies straight into engine integers, with typed refusals.

Unknown fields are ignored, enums stay open strings, and only what we use is required.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from apps.engine.decimals import parse_money, parse_price
from apps.engine.errors import BadNumber
from apps.engine.types import ONE_DOLLAR, Price, Side
from apps.gateway.errors import BadField, BadMessage, MalformedFrame, MissingField
from apps.gateway.kalshi.numbers import MAX_MONEY, book_price, signed_quantity

T = TypeVar("T")


class DollarPrice(int):
    """`"0.5200"` as 5200; 0 and 1 are allowed because the wire uses them for "no order"."""


class TradePrice(int):
    """A price something traded or rests at: strictly between 0 and 1 dollar."""


class SignedQuantity(int):
    """`"-10.00"` as -1000."""


class Size(int):
    """A quantity that cannot be negative."""


class DollarMoney(int):
    """`"0.017500"` as 17500; may be negative."""


Time: TypeAlias = Annotated[datetime, Meta(tz=True)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Seq: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Millis: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]


def _price(text: str) -> DollarPrice:
    return DollarPrice(parse_price(text))


def _trade_price(text: str) -> TradePrice:
    return TradePrice(book_price(text))


def _signed(text: str) -> SignedQuantity:
    return SignedQuantity(signed_quantity(text))


def _size(text: str) -> Size:
    quantity = signed_quantity(text)
    if quantity < 0:
        raise BadField(f"negative size {text!r}")
    return Size(quantity)


def _money(text: str) -> DollarMoney:
    money = parse_money(text)
    if not -MAX_MONEY <= money <= MAX_MONEY:
        raise BadField(f"absurd money {text!r}")
    return DollarMoney(money)


_READERS: dict[type, Any] = {
    DollarPrice: _price,
    TradePrice: _trade_price,
    SignedQuantity: _signed,
    Size: _size,
    DollarMoney: _money,
}


def read_scalar(kind: type, value: Any) -> Any:
    """msgspec hook: a wire string into one of the scalar types above."""
    if not isinstance(value, str):
        raise ValueError(f"expected a decimal string, got {type(value).__name__}")
    try:
        return _READERS[kind](value)
    except (BadNumber, BadField) as e:
        raise ValueError(str(e)) from None


def refuse(error: Exception, what: str) -> NoReturn:
    """Turn a decoder's exception into `MissingField`, `BadField` or `MalformedFrame`."""
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        raise MalformedFrame(f"{what}: {text:.200}") from None
    if text.startswith("Object missing required field"):
        raise MissingField(f"{what}: {text:.200}") from None
    raise BadField(f"{what}: {text:.200}") from None


DECODE_ERRORS = (msgspec.DecodeError, ValueError, RecursionError)


def body_decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(kind, dec_hook=read_scalar)


def decode_body(decoder: msgspec.json.Decoder[T], data: bytes | str, what: str) -> T:
    """Decode or raise a `BadMessage`."""
    try:
        return decoder.decode(data)
    except BadMessage:
        raise
    except DECODE_ERRORS as e:
        refuse(e, what)


def quoted(price: Price) -> Price | None:
    """A top-of-book price, or None where the wire's 0 or 1 means that nobody is there."""
    return int(price) if 0 < price < ONE_DOLLAR else None


_SIDES = {"bid": Side.BID, "ask": Side.ASK, "yes": Side.BID, "no": Side.ASK}


def book_side(text: str) -> Side:
    """`bid`/`ask`, or `yes`/`no` of an outcome side. Never the retired `side`/`action`, which mean other things."""
    side = _SIDES.get(text)
    if side is None:
        raise BadField(f"unknown side {text!r}")
    return side


def millis(time: datetime) -> int:
    return round(time.timestamp() * 1000)
