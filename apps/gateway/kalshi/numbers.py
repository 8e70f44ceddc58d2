"""Wire strings to engine integers; tables for the strings that come a hundred thousand times a minute.

Kalshi docs, fixed-point migration: prices are dollar strings, counts have two decimals, money up to six.
"""

from __future__ import annotations

from apps.engine.decimals import parse_price, parse_quantity
from apps.engine.errors import BadNumber
from apps.engine.types import ONE_DOLLAR, Price, Quantity
from apps.gateway.errors import BadField

MAX_QUANTITY: Quantity = 10**14
"""A trillion contracts; anything above is a broken message, not a size."""
MAX_MONEY = 10**18
"""A trillion dollars in $0.000001."""

_CACHE_LIMIT = 1 << 16


def book_price(text: str) -> Price:
    """Price of a book level, strictly between 0 and 1 dollar. Raises `BadField`."""
    try:
        price = parse_price(text)
    except BadNumber as e:
        raise BadField(str(e)) from None
    if not 0 < price < ONE_DOLLAR:
        raise BadField(f"a book level cannot be priced {text!r}")
    return price


def signed_quantity(text: str) -> Quantity:
    """Count with sign. Raises `BadField` when it is no such number or absurdly large."""
    try:
        quantity = parse_quantity(text)
    except BadNumber as e:
        raise BadField(str(e)) from None
    if not -MAX_QUANTITY <= quantity <= MAX_QUANTITY:
        raise BadField(f"absurd quantity {text!r}")
    return quantity


class PriceTable(dict[str, Price]):
    """`"0.5200"` -> 5200, or its complement for a NO leg, of the spellings seen so far: a market uses few of the
    9,999 prices, and a small table stays in the processor's cache. Raises `BadField` for what is no book price."""

    def __init__(self, *, complement: bool = False) -> None:
        super().__init__()
        self._complement = complement

    def __missing__(self, text: str) -> Price:
        price = book_price(text)
        price = ONE_DOLLAR - price if self._complement else price
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[text] = price
        return price


class QuantityTable(dict[str, Quantity]):
    """Counts seen so far; bounded, and emptied when full because sizes repeat within minutes."""

    def __missing__(self, text: str) -> Quantity:
        quantity = signed_quantity(text)
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        self[text] = quantity
        return quantity


YES_PRICES = PriceTable()
NO_LEG_PRICES = PriceTable(complement=True)
