"""Plays a recording into the exchange on its own schedule, shifted so that it starts now; with `loop` again and
again, each pass with markets of its own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from apps.engine.errors import DataCorrupt
from apps.engine.types import Ticker
from apps.gateway.errors import BadMessage, TruncatedRecording
from apps.gateway.kalshi.frames import DeltaFrame, SnapshotFrame, TickerFrame, TradeFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.recordings import RecordedFrame, Recording, open_recording

from .clock import MICROS
from .feed import book_replaced, crowd_traded, level_changed, ticker_came
from .recorded_markets import TRADING, RecordedMarkets
from .state import State

log = logging.getLogger(__name__)

# A recording of a few frames would otherwise list new markets hundreds of times a second.
_SHORTEST_PASS_US = 2 * MICROS


class Replay:
    """One recording being played. `counts` says what was applied, skipped and refused, by kind."""

    def __init__(self, state: State, path: Path, *, speed: float = 1.0, loop: bool = False) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above zero: {speed}")
        self.counts: Counter[str] = Counter()
        self.finished = False
        self.passes = 0
        self._state = state
        self._path = path
        self._speed = speed
        self._loop = loop
        self._has_trades = False
        self._markets = RecordedMarkets(state, loop=loop)
        self._open()

    def _open(self) -> None:
        recording: Recording = open_recording(self._path)
        self._decoder = Decoder(use_yes_price=recording.header.use_yes_price)
        self._frames: Iterator[RecordedFrame] = iter(recording)
        self._start_us = self._state.clock.now_us()
        self._first_ns: int | None = None
        self._last_due_us = self._start_us
        self._markets.begin_pass()
        self._waiting = self._next()

    @property
    def tickers(self) -> list[Ticker]:
        """What it plays, as listed here; with `loop` in the running pass."""
        return [market.ticker for market in self._markets.all]

    def prime(self) -> None:
        """Apply everything up to the first book, so that there is one before the server listens or a new pass runs."""
        before = self.counts["orderbook_snapshot"]
        while self._waiting is not None and self.counts["orderbook_snapshot"] == before:
            self._apply(self._waiting)
            self._waiting = self._next()

    def run(self, limit: int = 5_000) -> int:
        """Apply the frames due by now, at most `limit` at once; returns how many."""
        now_us, done = self._state.clock.now_us(), 0
        while self._waiting is not None and done < limit and self._due(self._waiting) <= now_us:
            self._apply(self._waiting)
            self._waiting = self._next()
            done += 1
        self._markets.settle_closed()
        is_over = self._waiting is None and not self.finished
        if is_over and (not self._loop or now_us >= self._start_us + _SHORTEST_PASS_US):
            self._end_pass()
        return done

    def _due(self, frame: RecordedFrame) -> int:
        """When a frame is due; one without a time comes with the one before it."""
        if frame.recv_ns is None or self._first_ns is None:
            return self._last_due_us
        self._last_due_us = self._start_us + int((frame.recv_ns - self._first_ns) / self._speed) // 1000
        return self._last_due_us

    def _here_us(self, recorded_us: int) -> int | None:
        """When a recorded time comes here; None in a recording without times."""
        if self._first_ns is None:
            return None
        return self._start_us + int((recorded_us - self._first_ns // 1000) / self._speed)

    def _next(self) -> RecordedFrame | None:
        try:
            frame = next(self._frames, None)
        except TruncatedRecording as e:
            log.warning("recording is cut off: %s; its last books stay as they are", e)
            self.counts["truncated"] += 1
            return None
        if frame is not None and self._first_ns is None:
            self._first_ns = frame.recv_ns
        return frame

    def _end_pass(self) -> None:
        self.passes += 1
        log.info("recording %s played: %s", self._path.name, dict(self.counts))
        if not self._loop or not self._markets.all:
            self.finished = True
            return
        self._markets.end_pass()
        self._open()
        self.prime()

    # frames

    def _apply(self, frame: RecordedFrame) -> None:
        """Apply one frame; one that cannot be trusted is counted and left out."""
        if frame.control is not None:
            self.counts[frame.control] += 1
            if frame.control == "watch_market":
                self._markets.watch(frame.info or {})
            return
        try:
            decoded = self._decoder.decode(frame.raw)
            self._play(decoded)
        except (BadMessage, DataCorrupt) as e:
            self.counts[f"refused {type(e).__name__}"] += 1
            log.warning("recorded frame left out: %s", e)

    def _play(self, frame: object) -> None:
        if isinstance(frame, DeltaFrame):
            market = self._markets.trading(frame.ticker)
            if market is not None:
                level_changed(self._state, market, frame.side, frame.price, frame.delta)
        elif isinstance(frame, SnapshotFrame):
            self._snapshot(frame)
        elif isinstance(frame, TickerFrame):
            self._ticker(frame)
        elif isinstance(frame, TradeFrame):
            self._trade(frame)
        self.counts[str(getattr(frame, "type", "unknown"))] += 1

    def _snapshot(self, frame: SnapshotFrame) -> None:
        book = frame.book
        prices = (p for p, _ in (*book.bids, *book.asks))
        market = self._markets.market(book.ticker, prices, self._here_us)
        if market.status in TRADING:
            book_replaced(self._state, market, book.bids, book.asks)

    def _ticker(self, frame: TickerFrame) -> None:
        market = self._markets.trading(frame.ticker)
        if market is None or frame.price is None:
            return
        if self._has_trades:
            market.volume, market.interest = frame.volume, frame.open_interest
            self._state.publisher.ticker(market, self._state.clock.now_us())
            return
        ticker_came(self._state, market, frame.price, frame.last_trade_size, frame.volume, frame.open_interest)

    def _trade(self, frame: TradeFrame) -> None:
        """A recorded trade is better than an inferred one; once there is one, none is inferred any more."""
        self._has_trades = True
        trade = frame.trade
        market = self._markets.trading(trade.ticker)
        if market is not None:
            crowd_traded(self._state, market, trade.taker_side.opposite, trade.price, trade.quantity)
