"""One market's order book in YES coordinates: a snapshot, then signed deltas.

Sizes stand in a list by tick number with the best tick remembered, so an update needs no search except when the
best level empties. A book that saw a bad number stops being quotable until its next snapshot.

The exchange reports one match as several deltas, and between them bid and ask can meet or cross: in ten recorded
sessions 160 times in 737,000 deltas, each over within the same `ts_ms`. Such a book waits (`MATCH_IN_PROGRESS`);
only a cross that outlives its millisecond, or that carries no time, is an error.
Source: Kalshi docs "orderbook updates"; recorded production streams of May 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import NoReturn

from .errors import BadNumber, CrossedBook, DataCorrupt, NegativeLevel, OffGridPrice
from .grid import PriceGrid
from .types import Level, Price, Quantity, Side, Ticker

NO_SNAPSHOT = "no_snapshot"
MATCH_IN_PROGRESS = "match_in_progress"

_BID = Side.BID
_ASK = Side.ASK


@lru_cache(maxsize=256)
def _ticks_of(grid: PriceGrid) -> tuple[dict[Price, int], dict[Price, int]]:
    """Tick of each price on the bid and on the ask side; ask ticks are counted from the top."""
    last = len(grid.prices) - 1
    bids = {price: tick for tick, price in enumerate(grid.prices)}
    return bids, {price: last - tick for price, tick in bids.items()}


def _highest(sizes: list[Quantity], tick: int) -> int:
    """Highest occupied tick at or below `tick`, -1 when there is none."""
    while tick >= 0 and not sizes[tick]:
        tick -= 1
    return tick


class Book:
    """Levels of both sides on `grid`; `ticker` only names the book in messages.

    Quotable between a good snapshot and the first bad input, except while a match is in progress; otherwise
    `unquotable_reason` says why and both sides read as empty. Never shows a negative level or a bid at or above
    an ask. `best_bid` and `best_ask` (read them, do not set them) are None when there is none or the book is
    unquotable.
    """

    __slots__ = (
        "_ask_sizes",
        "_ask_ticks",
        "_ask_top",
        "_bid_sizes",
        "_bid_ticks",
        "_bid_top",
        "_crossed_ms",
        "_last",
        "_prices",
        "_reason",
        "best_ask",
        "best_bid",
        "grid",
        "ticker",
    )

    def __init__(self, grid: PriceGrid, ticker: Ticker = "") -> None:
        self.ticker = ticker
        self._reason: str | None = NO_SNAPSHOT
        self._crossed_ms: int | None = None
        self._set_grid(grid)

    def _set_grid(self, grid: PriceGrid) -> None:
        self.grid = grid
        self._prices = grid.prices
        self._last = len(grid.prices) - 1
        self._bid_ticks, self._ask_ticks = _ticks_of(grid)
        self._clear()

    def _clear(self) -> None:
        # Ask ticks are counted from the top, so that on both sides the best is the highest occupied tick and
        # the book is crossed exactly when the two bests add up to the last tick or more.
        self._bid_sizes = [0] * len(self._prices)
        self._ask_sizes = [0] * len(self._prices)
        self._bid_top = self._ask_top = -1
        self.best_bid: Price | None = None
        self.best_ask: Price | None = None

    @property
    def unquotable_reason(self) -> str | None:
        """Why the book must not be used, or None."""
        return self._reason

    @property
    def is_quotable(self) -> bool:
        return self._reason is None

    @property
    def is_matching(self) -> bool:
        """Between the deltas of one match: wait for the next delta before deciding anything."""
        return self._reason is MATCH_IN_PROGRESS

    @property
    def accepts_deltas(self) -> bool:
        """False until a snapshot makes the book good again."""
        return self._reason is None or self._reason is MATCH_IN_PROGRESS

    def invalidate(self, reason: str) -> None:
        """Empty the book and refuse deltas until the next snapshot."""
        self._reason = reason
        self._clear()

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

    def _named(self, text: str) -> str:
        return f"{self.ticker}: {text}" if self.ticker else text

    def size_at(self, side: Side, price: Price) -> Quantity:
        """Resting size of a level, 0 when empty or the book is unquotable; raises `OffGridPrice`."""
        tick = self.grid.index(price)
        if self._reason is not None:
            return 0
        return self._ask_sizes[self._last - tick] if side is _ASK else self._bid_sizes[tick]

    def _occupied(self, side: Side) -> Iterator[Level]:
        asks = side is _ASK
        sizes, top = (self._ask_sizes, self._ask_top) if asks else (self._bid_sizes, self._bid_top)
        for tick in range(top, -1, -1):
            if sizes[tick]:
                yield self._prices[self._last - tick if asks else tick], sizes[tick]

    def levels(self, side: Side, depth: int | None = None) -> list[Level]:
        """Levels from the best outward, at most `depth` of them; none while the book is unquotable."""
        return list(islice(self._occupied(side), depth)) if self._reason is None else []

    def top_without(self, own: Mapping[tuple[Side, Price], Quantity]) -> tuple[Level | None, Level | None]:
        """Best bid and best ask levels after taking our own resting sizes out of the book.

        A level that shows no more than we rest there (the feed may lag behind us) counts as ours alone.
        """
        if self._reason is not None:
            return None, None
        return self._top(_BID, own), self._top(_ASK, own)

    def _top(self, side: Side, own: Mapping[tuple[Side, Price], Quantity]) -> Level | None:
        for price, size in self._occupied(side):
            others = size - own.get((side, price), 0)
            if others > 0:
                return price, others
        return None

    def regrid(self, grid: PriceGrid) -> None:
        """Move to another grid, keeping the levels.

        Raises `OffGridPrice` when a level does not fit; the book is then unquotable.
        """
        bids, asks = list(self._occupied(_BID)), list(self._occupied(_ASK))
        self._set_grid(grid)
        self._load(bids, asks)
        self._show_best()
