"""One market's order book in YES coordinates: a snapshot, then signed deltas.

Sizes stand in a list by tick number with the best tick remembered, so an update needs no search except when the
best level empties. A book that saw a bad number stops being quotable until its next snapshot.

The exchange reports one match as several deltas, and between them bid and ask can meet or cross: in ten recorded
sessions 160 times in 737,000 deltas, each over within the same `ts_ms`. Such a book waits (`MATCH_IN_PROGRESS`);
only a cross that outlives its millisecond, or that carries no time, is an error.
Source: Kalshi docs "orderbook updates"; recorded production streams of May 2026.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from .book_levels import MATCH_IN_PROGRESS, BookLevels
from .errors import BadNumber, CrossedBook, DataCorrupt, NegativeLevel, OffGridPrice
from .grid import PriceGrid
from .types import Level, Price, Quantity, Side

_BID = Side.BID
_ASK = Side.ASK


def _highest(sizes: list[Quantity], tick: int) -> int:
    """Highest occupied tick at or below `tick`, -1 when there is none."""
    while tick >= 0 and not sizes[tick]:
        tick -= 1
    return tick


class Book(BookLevels):
    """Levels of both sides on `grid`; `ticker` only names the book in messages.

    Quotable between a good snapshot and the first bad input, except while a match is in progress; otherwise
    `unquotable_reason` says why and both sides read as empty. Never shows a negative level or a bid at or above
    an ask. `best_bid` and `best_ask` (read them, do not set them) are None when there is none or the book is
    unquotable. How it is read: `BookLevels`.
    """

    __slots__ = ()

    def apply_snapshot(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace the whole book.

        Raises `OffGridPrice`, `NegativeLevel`, `CrossedBook`, or `BadNumber` for a price named twice; the
        book is then unquotable.
        """
        self._load(bids, asks)
        if self._bid_top + self._ask_top >= self._last:
            self._crossed()
        self._reason = None
        self._show_best()

    def _load(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self._clear()
        try:
            self._fill(_BID, self._bid_sizes, self._bid_ticks, bids)
            self._fill(_ASK, self._ask_sizes, self._ask_ticks, asks)
        except DataCorrupt as error:
            self.invalidate(type(error).__name__)
            raise
        self._bid_top = _highest(self._bid_sizes, self._last)
        self._ask_top = _highest(self._ask_sizes, self._last)

    def _fill(self, side: Side, sizes: list[Quantity], ticks: dict[Price, int], levels: Iterable[Level]) -> None:
        seen: set[Price] = set()
        for price, size in levels:
            tick = ticks.get(price, -1)
            if tick < 0:
                self.grid.index(price)
            if price in seen:
                raise BadNumber(self._named(f"{side} {price} twice in a snapshot"))
            if size < 0:
                raise NegativeLevel(self._named(f"{side} {price} of size {size}"))
            seen.add(price)
            sizes[tick] = size

    def apply_delta(self, side: Side, price: Price, delta: Quantity, ts_ms: int | None = None) -> None:
        """Add `delta` to one level; `ts_ms` is the exchange's time of it.

        Raises `DataCorrupt` while unquotable, else `BadNumber` for no such side, `OffGridPrice`,
        `NegativeLevel` or `CrossedBook`; after any of these the book is unquotable until the next snapshot.
        """
        # Written out for both sides, with no call in the common case: this is the hottest path of a session.
        if self._reason is not None:
            self._admit(ts_ms)
        try:
            if side is _BID:
                tick, sizes, top = self._bid_ticks[price], self._bid_sizes, self._bid_top
            elif side is _ASK:
                tick, sizes, top = self._ask_ticks[price], self._ask_sizes, self._ask_top
            else:
                self._no_side(side)
        except KeyError:
            self._off_grid(price)
        size = sizes[tick] + delta
        if size > 0:
            sizes[tick] = size
            if tick <= top:
                return
        elif size < 0:
            self._negative(side, price, size)
        else:
            sizes[tick] = 0
            if tick != top:
                return
            tick = _highest(sizes, tick)
        self._move_top(side, tick, ts_ms)

    def _admit(self, ts_ms: int | None) -> None:
        if not self.is_matching:
            raise DataCorrupt(self._named(f"delta refused: {self._reason}"))
        if ts_ms != self._crossed_ms:
            self._crossed()

    def _move_top(self, side: Side, tick: int, ts_ms: int | None) -> None:
        if side is _BID:
            self._bid_top = tick
        else:
            self._ask_top = tick
        if self._bid_top + self._ask_top < self._last:
            self._reason = None
        elif ts_ms is None:
            self._crossed()
        else:
            self._reason = MATCH_IN_PROGRESS
            self._crossed_ms = ts_ms
        self._show_best()

    def _show_best(self) -> None:
        bid, ask = self._bid_top, self._ask_top
        shown = self._reason is None
        self.best_bid = self._prices[bid] if shown and bid >= 0 else None
        self.best_ask = self._prices[self._last - ask] if shown and ask >= 0 else None

    def _no_side(self, side: Side) -> NoReturn:
        self.invalidate(BadNumber.__name__)
        raise BadNumber(self._named(f"no such side: {side!r}"))

    def _off_grid(self, price: Price) -> NoReturn:
        self.invalidate(OffGridPrice.__name__)
        raise OffGridPrice(self._named(f"price {price} ($0.0001) is not on the grid"))

    def _negative(self, side: Side, price: Price, size: Quantity) -> NoReturn:
        self.invalidate(NegativeLevel.__name__)
        raise NegativeLevel(self._named(f"{side} {price} would be {size}"))

    def _crossed(self) -> NoReturn:
        bid, ask = self._prices[self._bid_top], self._prices[self._last - self._ask_top]
        self.invalidate(CrossedBook.__name__)
        raise CrossedBook(self._named(f"bid {bid} at or above ask {ask}"))

    def regrid(self, grid: PriceGrid) -> None:
        """Move to another grid, keeping the levels.

        Raises `OffGridPrice` when a level does not fit; the book is then unquotable.
        """
        bids, asks = list(self._occupied(_BID)), list(self._occupied(_ASK))
        self._set_grid(grid)
        self._load(bids, asks)
        self._show_best()
