"""Exact conversion between decimal strings and the engine's integers; only this knows the scales."""

from __future__ import annotations

from decimal import Decimal

from .errors import BadNumber
from .types import MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE, Money, Price, Quantity

_DIGITS = frozenset("0123456789")
_MAX_CHARS = 24


def _parse(text: str, places: int, what: str) -> int:
    if not isinstance(text, str) or not text or len(text) > _MAX_CHARS:
        raise BadNumber(f"{what}: not a decimal string: {text!r:.60}")
    sign, body = (-1, text[1:]) if text[0] == "-" else (1, text)
    whole, dot, fraction = body.partition(".")
    if not whole or (dot and not fraction) or not _DIGITS.issuperset(whole + fraction):
        raise BadNumber(f"{what}: not a decimal string: {text!r}")
    if len(fraction) > places:
        if fraction[places:].strip("0"):
            raise BadNumber(f"{what}: more than {places} decimals: {text!r}")
        fraction = fraction[:places]
    return sign * int(whole + fraction.ljust(places, "0"))


def parse_price(text: str) -> Price:
    """`"0.5200"` -> 5200. Refuses anything outside [0, 1] or finer than $0.0001 with `BadNumber`."""
    price = _parse(text, 4, "price")
    if not 0 <= price <= PRICE_SCALE:
        raise BadNumber(f"price outside 0..1: {text!r}")
    return price


def parse_quantity(text: str) -> Quantity:
    """`"10.00"` -> 1000; may be negative (deltas, positions)."""
    return _parse(text, 2, "quantity")


def parse_money(text: str) -> Money:
    """`"0.017500"` -> 17500; may be negative."""
    return _parse(text, 6, "money")


def _format(value: int, places: int) -> str:
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**places)
    return f"{sign}{whole}.{fraction:0{places}d}"


def format_price(price: Price) -> str:
    return _format(price, 4)


def format_quantity(quantity: Quantity) -> str:
    return _format(quantity, 2)


def format_money(money: Money) -> str:
    return _format(money, 6)


def price_to_decimal(price: Price) -> Decimal:
    return Decimal(price).scaleb(-4)


def quantity_to_decimal(quantity: Quantity) -> Decimal:
    return Decimal(quantity).scaleb(-2)


def money_to_decimal(money: Money) -> Decimal:
    return Decimal(money).scaleb(-6)


def _from_decimal(value: Decimal, scale: int, what: str) -> int:
    if not value.is_finite():
        raise BadNumber(f"{what}: not finite: {value}")
    scaled = value * scale
    if scaled != scaled.to_integral_value():
        raise BadNumber(f"{what}: finer than 1/{scale}: {value}")
    return int(scaled)


def price_from_decimal(value: Decimal) -> Price:
    return _from_decimal(value, PRICE_SCALE, "price")


def quantity_from_decimal(value: Decimal) -> Quantity:
    return _from_decimal(value, QUANTITY_SCALE, "quantity")


def money_from_decimal(value: Decimal) -> Money:
    return _from_decimal(value, MONEY_SCALE, "money")
