"""Many frames at once: hot deltas into integer columns, everything else through the typed decoder.

For replays, backtests and bursts. A batch says the same as decoding its frames one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from apps.engine.book_batch import DeltaBatch
from apps.engine.errors import OffGridPrice
from apps.engine.grid import PriceGrid
from apps.engine.types import ONE_DOLLAR, Side, Ticker
from apps.gateway.errors import BadMessage
from apps.gateway.kalshi import frame_scan as s
from apps.gateway.kalshi.frames import DeltaFrame, Frame, SnapshotFrame
from apps.gateway.kalshi.messages import Decoder

Rows = NDArray[np.int64]
_FIRST_SLOTS = 1024
_CHUNK = 2048


@lru_cache(maxsize=64)
def _tick_table(grid: PriceGrid) -> NDArray[np.int32]:
    table = np.full(ONE_DOLLAR + 1, -1, np.int32)
    table[list(grid.prices)] = np.arange(len(grid), dtype=np.int32)
    return table


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """`rows` has one row per frame, columns as named in `frame_scan`, prices in YES coordinates.

    `others` holds, by position, each frame that is not a plain delta, or the error that refused it. In its row
    MARKET_COLUMN is `NOT_HOT` and the rest has no meaning.
    """

    rows: Rows
    others: dict[int, Frame | BadMessage]
    tickers: Sequence[Ticker]

    def __len__(self) -> int:
        return len(self.rows)

    def deltas_of(self, number: int, grid: PriceGrid) -> DeltaBatch:
        """The hot deltas of one market, in order, for a `BatchBook` on `grid`.

        Raises `OffGridPrice`. Frames in `others` are not in it: apply a batch with snapshots or odd deltas of
        this market piece by piece.
        """
        n = len(self.rows)
        sides, ticks = np.empty(n, np.int8), np.empty(n, np.int32)
        deltas, times = np.empty(n, np.int64), np.empty(n, np.int64)
        count = s.pick(self.rows, number, _tick_table(grid), sides, ticks, deltas, times)
        if count < 0:
            raise OffGridPrice(f"a delta of {self.tickers[number]} is not on its grid")
        return DeltaBatch(sides[:count], ticks[:count], deltas[:count], times[:count])

    def frame(self, position: int) -> Frame:
        """The frame at a position, as the typed decoder gives it; raises its error if it was refused."""
        other = self.others.get(position)
        if isinstance(other, BadMessage):
            raise other
        if other is not None:
            return other
        row = self.rows[position].tolist()
        return DeltaFrame(
            row[s.SID_COLUMN],
            row[s.SEQ_COLUMN],
            self.tickers[row[s.MARKET_COLUMN]],
            Side.BID if row[s.SIDE_COLUMN] == s.YES else Side.ASK,
            row[s.PRICE_COLUMN],
            row[s.DELTA_COLUMN],
            row[s.TS_COLUMN],
        )


class BatchDecoder:
    """Wraps a `Decoder`; learns tickers from the frames that go through it and numbers them from 0."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.tickers: list[Ticker] = []
        self._numbers: dict[Ticker, int] = {}
        self._pool = np.zeros(0, np.uint8)
        self._starts = np.zeros(1, np.int64)
        self._slots = np.full(_FIRST_SLOTS, -1, np.int64)

    def number(self, ticker: Ticker) -> int:
        """The market number of a ticker, given on first sight."""
        known = self._numbers.get(ticker)
        if known is not None:
            return known
        text = np.frombuffer(ticker.encode(), np.uint8)
        number = self._numbers[ticker] = len(self.tickers)
        self.tickers.append(ticker)
        self._pool = np.concatenate((self._pool, text))
        self._starts = np.append(self._starts, len(self._pool))
        if 2 * len(self.tickers) > len(self._slots):
            self._slots = np.full(2 * len(self._slots), -1, np.int64)
            for old in range(number):
                self._place(old)
        self._place(number)
        return number

    def _place(self, number: int) -> None:
        start, end = self._starts[number], self._starts[number + 1]
        mask = len(self._slots) - 1
        slot = s.ticker_hash(self._pool, start, end) & mask
        while self._slots[slot] >= 0:
            slot = (slot + 1) & mask
        self._slots[slot] = number

    def decode(self, frames: Sequence[bytes]) -> FrameBatch:
        """All frames, in order. Raises nothing for bad ones; they are in `others`."""
        rows = np.empty((len(frames), s.COLUMNS), np.int64)
        others: dict[int, Frame | BadMessage] = {}
        # In chunks, so that a ticker met for the first time is known to the scanner soon after.
        for start in range(0, len(frames), _CHUNK):
            part = frames[start : start + _CHUNK]
            self._scan(part, start, rows[start : start + _CHUNK], others)
        return FrameBatch(rows, others, self.tickers)

    def _scan(self, frames: Sequence[bytes], start: int, rows: Rows, others: dict[int, Frame | BadMessage]) -> None:
        lengths = np.fromiter(map(len, frames), np.int64, len(frames))
        buf = np.frombuffer(b"".join(frames), np.uint8)
        no_leg = not self._decoder.use_yes_price
        if s.scan(buf, lengths, self._slots, self._pool, self._starts, no_leg, rows) == len(frames):
            return
        for position in np.flatnonzero(rows[:, s.MARKET_COLUMN] == s.NOT_HOT).tolist():
            self._decode_one(start + position, frames[position], others)

    def _decode_one(self, position: int, data: bytes, others: dict[int, Frame | BadMessage]) -> None:
        try:
            frame = self._decoder.decode(data)
        except BadMessage as e:
            others[position] = e
            return
        others[position] = frame
        if isinstance(frame, DeltaFrame):
            self.number(frame.ticker)
        elif isinstance(frame, SnapshotFrame):
            self.number(frame.book.ticker)
