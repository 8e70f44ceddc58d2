"""The book as compiled arrays, for replays: many deltas of one market in one call, same results as `Book`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .book import Book
from .book_levels import MATCH_IN_PROGRESS, NO_SNAPSHOT
from .errors import BadNumber, CrossedBook, DataCorrupt, NegativeLevel, OffGridPrice
from .grid import PriceGrid
from .types import BookDelta, Level, Side

Int8s: TypeAlias = NDArray[np.int8]
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]

NO_TIME = -1

_GOOD, _OFF_GRID, _NEGATIVE, _CROSSED = 0, 1, 2, 3
_ERRORS: dict[int, type[DataCorrupt]] = {
    _OFF_GRID: OffGridPrice,
    _NEGATIVE: NegativeLevel,
    _CROSSED: CrossedBook,
}


@dataclass(frozen=True, slots=True)
class DeltaBatch:
    """Deltas of one market in order: `sides` 0 bid, 1 ask; `ticks` grid positions; `deltas` in 0.01 contract;
    `times` the exchange's ms, `NO_TIME` where it gave none."""

    sides: Int8s
    ticks: Int32s
    deltas: Int64s
    times: Int64s

    @classmethod
    def of(cls, grid: PriceGrid, deltas: Iterable[BookDelta]) -> DeltaBatch:
        """Batch from delta values; raises `OffGridPrice`."""
        rows = [
            (d.side is Side.ASK, grid.index(d.price), d.delta, NO_TIME if d.ts_ms is None else d.ts_ms) for d in deltas
        ]
        sides, ticks, sizes, times = zip(*rows, strict=True) if rows else ((), (), (), ())
        return cls(
            np.array(sides, np.int8),
            np.array(ticks, np.int32),
            np.array(sizes, np.int64),
            np.array(times, np.int64),
        )

    def __len__(self) -> int:
        return len(self.ticks)


@dataclass(frozen=True, slots=True)
class BestTicks:
    """Best bid and ask tick after each delta, -1 where that side was empty or a match was in progress."""

    bids: Int32s
    asks: Int32s


class BatchBook:
    """Levels of one market as two arrays; asks are counted from the top, as in `Book`."""

    __slots__ = ("_reason", "_sizes", "_state", "grid")

    def __init__(self, grid: PriceGrid) -> None:
        self.grid = grid
        self._sizes: Int64s = np.zeros((2, len(grid)), np.int64)
        self._state: Int64s = np.zeros(3, np.int64)
        self._clear()
        self._reason: str | None = NO_SNAPSHOT

    @property
    def unquotable_reason(self) -> str | None:
        """Why the book must not be used, or None."""
        if self._reason is None and self._state[2] != NO_TIME:
            return MATCH_IN_PROGRESS
        return self._reason

    def apply_snapshot(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replace the whole book; raises what `Book.apply_snapshot` raises."""
        self._clear()
        book = Book(self.grid)
        try:
            book.apply_snapshot(bids, asks)
        except DataCorrupt as error:
            self._reason = type(error).__name__
            raise
        last = len(self.grid) - 1
        for row, side in enumerate((Side.BID, Side.ASK)):
            for price, size in reversed(book.levels(side)):
                tick = self.grid.index(price)
                self._state[row] = last - tick if row else tick
                self._sizes[row, self._state[row]] = size
        self._reason = None

    def apply(self, batch: DeltaBatch) -> BestTicks:
        """Apply all deltas in order and return the best ticks after each.

        At the first bad delta raises `OffGridPrice`, `NegativeLevel` or `CrossedBook` with its position; the
        book is then unquotable until the next snapshot. Raises `DataCorrupt` while unquotable.
        """
        if self._reason is not None:
            raise DataCorrupt(f"batch refused: {self._reason}")
        n = len(batch)
        if not n == len(batch.sides) == len(batch.deltas) == len(batch.times):
            raise BadNumber("the arrays of a batch differ in length")
        seen: Int32s = np.empty((2, n), np.int32)
        arrays = (batch.sides, batch.ticks, batch.deltas, batch.times)
        code, stopped = _apply_compiled(self._sizes, self._state, *arrays, seen)
        if code != _GOOD:
            error = _ERRORS[code]
            self._clear()
            self._reason = error.__name__
            raise error(f"delta {stopped} of the batch")
        return BestTicks(seen[0], seen[1])

    def levels(self, side: Side) -> list[Level]:
        """Levels from the best outward; none while the book is unquotable."""
        if self.unquotable_reason is not None:
            return []
        row, last = int(side is Side.ASK), len(self.grid) - 1
        return [
            (self.grid.prices[last - tick if row else tick], int(self._sizes[row, tick]))
            for tick in range(int(self._state[row]), -1, -1)
            if self._sizes[row, tick]
        ]

    def _clear(self) -> None:
        self._sizes[:] = 0
        self._state[:] = (-1, -1, NO_TIME)


def _top_after(sizes: Int64s, top: int, tick: int) -> int:
    """Highest occupied tick after the one at `tick` changed, `top` having been it before."""
    if sizes[tick] > 0:
        return max(top, tick)
    while top >= 0 and sizes[top] == 0:
        top -= 1
    return top


_top_after_compiled = njit(cache=True)(_top_after)


def _apply(
    sizes: Int64s, state: Int64s, sides: Int8s, ticks: Int32s, deltas: Int64s, times: Int64s, seen: Int32s
) -> tuple[int, int]:
    last = sizes.shape[1] - 1
    for i in range(ticks.shape[0]):
        if state[2] != NO_TIME and times[i] != state[2]:
            return _CROSSED, i
        side = 1 if sides[i] else 0
        tick = last - ticks[i] if side else ticks[i]
        if tick < 0 or tick > last:
            return _OFF_GRID, i
        size = sizes[side, tick] + deltas[i]
        if size < 0:
            return _NEGATIVE, i
        sizes[side, tick] = size
        state[side] = _top_after_compiled(sizes[side], state[side], tick)
        if state[0] + state[1] >= last:
            state[2] = times[i]
            if times[i] == NO_TIME:
                return _CROSSED, i
            seen[0, i] = seen[1, i] = -1
            continue
        state[2] = NO_TIME
        seen[0, i] = state[0]
        seen[1, i] = last - state[1] if state[1] >= 0 else -1
    return _GOOD, -1


_apply_compiled = njit(cache=True)(_apply)
