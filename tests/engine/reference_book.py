"""A slow, obvious book to check the fast one with: dicts of Decimals, best by min and max."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from apps.engine.decimals import price_to_decimal, quantity_to_decimal
from apps.engine.grid import PriceGrid
from apps.engine.types import Level, Price, Quantity, Side


class ReferenceBook:
    """Same contract as `Book`; `problem` is the error's name, "no_snapshot", "match_in_progress" or None."""

    def __init__(self, grid: PriceGrid) -> None:
        self.prices = {price_to_decimal(p) for p in grid.prices}
        self.sides: dict[Side, dict[Decimal, Decimal]] = {Side.BID: {}, Side.ASK: {}}
        self.problem: str | None = "no_snapshot"
        self.crossed_at: int | None = None

    def snapshot(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.sides = {Side.BID: {}, Side.ASK: {}}
        self.problem = None
        for side, levels in ((Side.BID, bids), (Side.ASK, asks)):
            for price, size in levels:
                self._set(side, price_to_decimal(price), quantity_to_decimal(size))
        if self.problem is None and self._is_crossed():
            self._fail("CrossedBook")

    def delta(self, side: Side, price: Price, delta: Quantity, ts_ms: int | None) -> None:
        if self.problem not in (None, "match_in_progress"):
            return
        if self.problem is not None and ts_ms != self.crossed_at:
            self._fail("CrossedBook")
            return
        at = price_to_decimal(price)
        self._set(side, at, self.sides[side].get(at, Decimal(0)) + quantity_to_decimal(delta))
        if self.problem not in (None, "match_in_progress"):
            return
        self.problem = None
        if self._is_crossed():
            self.problem, self.crossed_at = "match_in_progress", ts_ms
            if ts_ms is None:
                self._fail("CrossedBook")

    def _set(self, side: Side, price: Decimal, size: Decimal) -> None:
        if price not in self.prices:
            self._fail("OffGridPrice")
        elif size < 0:
            self._fail("NegativeLevel")
        elif self.problem in (None, "match_in_progress"):
            self.sides[side][price] = size
            if not size:
                del self.sides[side][price]

    def _is_crossed(self) -> bool:
        bids, asks = self.sides[Side.BID], self.sides[Side.ASK]
        return bool(bids and asks) and max(bids) >= min(asks)

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self.sides = {Side.BID: {}, Side.ASK: {}}

    def levels(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        if self.problem is not None:
            return []
        return sorted(self.sides[side].items(), reverse=side is Side.BID)
