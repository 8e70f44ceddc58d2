"""A market's own price grid, built from the exchange's `price_ranges`; never a hard-coded cent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .errors import BadNumber, OffGridPrice
from .types import ONE_DOLLAR, Price


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Prices start, start+step, ... up to end, in $0.0001."""

    start: Price
    end: Price
    step: Price


class PriceGrid:
    """All tradable prices of a market, strictly inside 0 and 1, in rising order.

    `index(price)` is the tick number, the position in `prices`; `OffGridPrice` where there is none.
    Grids are shared: build them with `price_grid(ranges)`.
    """

    __slots__ = ("_index", "prices", "ranges")

    def __init__(self, ranges: tuple[PriceRange, ...]) -> None:
        if not ranges:
            raise BadNumber("price_ranges is empty")
        found: set[Price] = set()
        for r in ranges:
            if r.step <= 0 or not 0 <= r.start <= r.end <= ONE_DOLLAR:
                raise BadNumber(f"bad price range {r}")
            found.update(p for p in range(r.start, r.end + 1, r.step) if 0 < p < ONE_DOLLAR)
        if not found:
            raise BadNumber(f"price_ranges hold no price: {ranges}")
        self.ranges = ranges
        self.prices: tuple[Price, ...] = tuple(sorted(found))
        index = [-1] * (ONE_DOLLAR + 1)
        for i, p in enumerate(self.prices):
            index[p] = i
        self._index = index

    def __len__(self) -> int:
        return len(self.prices)

    def __contains__(self, price: Price) -> bool:
        return 0 <= price <= ONE_DOLLAR and self._index[price] >= 0

    def index(self, price: Price) -> int:
        """Tick number of a price; raises `OffGridPrice`."""
        i = self._index[price] if 0 <= price <= ONE_DOLLAR else -1
        if i < 0:
            raise OffGridPrice(f"price {price} ($0.0001) is not on the grid")
        return i

    def up(self, price: Price) -> Price | None:
        """Next price above, or None at the top."""
        i = self.index(price) + 1
        return self.prices[i] if i < len(self.prices) else None

    def down(self, price: Price) -> Price | None:
        """Next price below, or None at the bottom."""
        i = self.index(price) - 1
        return self.prices[i] if i >= 0 else None

    def ticks_between(self, low: Price, high: Price) -> int:
        return self.index(high) - self.index(low)


@lru_cache(maxsize=256)
def _cached(ranges: tuple[PriceRange, ...]) -> PriceGrid:
    return PriceGrid(ranges)


def price_grid(ranges: Iterable[PriceRange]) -> PriceGrid:
    """The shared grid for these ranges (one object per distinct set of ranges)."""
    return _cached(tuple(ranges))


LINEAR_CENT = (PriceRange(0, ONE_DOLLAR, 100),)
DECI_CENT = (PriceRange(0, ONE_DOLLAR, 10),)
TAPERED_DECI_CENT = (PriceRange(0, 1000, 10), PriceRange(1000, 9000, 100), PriceRange(9000, ONE_DOLLAR, 10))
CENTI_CENT = (PriceRange(0, ONE_DOLLAR, 1),)
