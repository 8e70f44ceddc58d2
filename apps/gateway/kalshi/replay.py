"""Replays a recording through decoder and books and says what it found; changes nothing and keeps no file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.engine.booksets import BookSet
from apps.engine.decimals import format_price
from apps.engine.errors import CrossedBook, NegativeLevel
from apps.engine.grid import CENTI_CENT, PriceGrid, price_grid
from apps.engine.types import Price, Ticker
from apps.gateway.errors import BadMessage, TruncatedRecording
from apps.gateway.kalshi.frames import DeltaFrame, Frame, LifecycleFrame, SnapshotFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.recordings import RecordedFrame, RecordingHeader, open_recording


@dataclass(frozen=True, slots=True)
class FinalTop:
    """Best prices when a market's connection ended; both None while the book is unquotable, for `reason`."""

    best_bid: Price | None
    best_ask: Price | None
    reason: str | None


@dataclass(slots=True)
class ReplayReport:
    """What one recording holds. `gaps` counts sequence gaps by `connection/sid`, `refused` frames the decoder
    refused, `book_refused` messages a book refused, `broken` what made a book unquotable, once each."""

    path: Path
    header: RecordingHeader
    frames: Counter[str] = field(default_factory=Counter)
    recorder_events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    book_refused: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    gaps: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    unknown_fields: Counter[str] = field(default_factory=Counter)
    markets: dict[Ticker, FinalTop] = field(default_factory=dict)
    truncated: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values; prices as dollar strings, None where there is none."""
        return {
            "file": self.path.name,
            "envelope": self.header.envelope,
            "frames": dict(self.frames),
            "frames_total": sum(self.frames.values()),
            "recorder_events": dict(self.recorder_events),
            "sequence_gaps": self.gaps,
            "sequence_gaps_total": sum(self.gaps.values()),
            "duplicates": self.duplicates,
            "refused": dict(self.refused),
            "refused_total": sum(self.refused.values()),
            "book_refused": dict(self.book_refused),
            "negative_levels": self.broken[NegativeLevel.__name__],
            "crossed_levels": self.broken[CrossedBook.__name__],
            "unknown_fields": dict(self.unknown_fields),
            "markets": {ticker: _top_json(top) for ticker, top in sorted(self.markets.items())},
            "truncated": self.truncated,
        }


def _top_json(top: FinalTop) -> dict[str, str | None]:
    return {
        "best_bid": None if top.best_bid is None else format_price(top.best_bid),
        "best_ask": None if top.best_ask is None else format_price(top.best_ask),
        "unquotable": top.reason,
    }


class Replay:
    """Feeds recorded frames to fresh books, one set per connection. Recordings rarely carry price grids, so
    books start on the finest grid, which holds every other."""

    def __init__(self, report: ReplayReport, decoder: Decoder) -> None:
        self._report = report
        self._decoder = decoder
        self._grids: dict[Ticker, PriceGrid] = {}
        self._connection: str | None = None
        self._books = BookSet(self._grid_of)

    def _grid_of(self, ticker: Ticker) -> PriceGrid:
        return self._grids.get(ticker) or price_grid(CENTI_CENT)

    def feed(self, recorded: RecordedFrame) -> None:
        if recorded.control is not None:
            self._report.recorder_events[recorded.control] += 1
            return
        if recorded.connection_id != self._connection:
            self.end_connection()
            self._connection = recorded.connection_id
        try:
            frame = self._decoder.decode(recorded.raw)
        except BadMessage as e:
            self._report.refused[type(e).__name__] += 1
            return
        self._report.frames[frame.type] += 1
        self._apply(frame)

    def _apply(self, frame: Frame) -> None:
        sid, seq = frame.sid, frame.seq
        if isinstance(frame, LifecycleFrame) and frame.ticker and frame.price_ranges:
            self._grids[frame.ticker] = price_grid(frame.price_ranges)
            self._books.set_grid(frame.ticker, self._grids[frame.ticker])
        if sid is None or seq is None:
            return
        key = f"{self._connection or '-'}/{sid}"
        expected = self._books.last_seq(sid) + 1
        self._report.gaps[key] = self._report.gaps.get(key, 0) + (seq > expected)
        if isinstance(frame, DeltaFrame):
            before = self._books.unquotable_reason(frame.ticker)
            self._books.on_delta(sid, seq, frame)
            self._note_break(frame.ticker, before)
        elif isinstance(frame, SnapshotFrame):
            self._books.on_snapshot(sid, seq, frame.book)
            self._note_break(frame.book.ticker, None)
        else:
            self._books.on_sequenced(sid, seq)

    def _note_break(self, ticker: Ticker, before: str | None) -> None:
        """Count what broke a book once, not again for every delta it refuses afterward."""
        after = self._books.unquotable_reason(ticker)
        if after is not None and after != before:
            self._report.broken[after] += 1

    def end_connection(self) -> None:
        """Take over what the books of this connection ended with, and start anew."""
        report, counters = self._report, self._books.counters
        report.book_refused.update(counters.refused)
        report.duplicates += counters.duplicates
        for ticker in self._books.tickers:
            book = self._books.book(ticker)
            if book is not None:
                report.markets[ticker] = FinalTop(book.best_bid, book.best_ask, book.unquotable_reason)
        self._books = BookSet(self._grid_of)


def replay_book(path: Path, *, use_yes_price: bool | None = None) -> ReplayReport:
    """Replay one file. `use_yes_price` overrides what the recording says about its NO prices.

    A cut-off recording is reported, with everything before the cut. Raises `OSError`, and a `BadMessage` for a
    file that is no recording at all.
    """
    recording = open_recording(path)
    header = recording.header
    decoder = Decoder(use_yes_price=header.use_yes_price if use_yes_price is None else use_yes_price)
    report = ReplayReport(path, header)
    replay = Replay(report, decoder)
    try:
        for recorded in recording:
            replay.feed(recorded)
    except TruncatedRecording as e:
        report.truncated = str(e)
    replay.end_connection()
    report.unknown_fields = decoder.unknown_fields
    return report
