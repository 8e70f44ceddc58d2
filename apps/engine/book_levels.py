"""What one market's order book holds and how it is read; `apps.engine.book` changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice

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


class BookLevels:
    """Sizes by tick number of both sides, the best tick of each, and whether they may be used.

    While unquotable both sides read as empty.
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

    def _named(self, text: str) -> str:
        return f"{self.ticker}: {text}" if self.ticker else text
