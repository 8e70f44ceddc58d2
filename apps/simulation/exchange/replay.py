"""Plays a recording into the exchange on its own schedule, shifted so that it starts now.

Markets come from the recording. Without `loop` they close at their own, shifted, time, and settle when a later
market of the series shows its strike: the 15-minute crypto series settles at the price that is the next one's
strike. With `loop` they never close, because closing is for good; at the end of a pass each is halted and reopened,
which cancels everything resting there, its book is emptied, and the recording starts anew.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apps.engine.errors import DataCorrupt
from apps.engine.grid import LINEAR_CENT, PriceRange, price_grid
from apps.engine.types import ONE_DOLLAR, Ticker
from apps.gateway.errors import BadMessage, TruncatedRecording
from apps.gateway.kalshi.frames import DeltaFrame, SnapshotFrame, TickerFrame, TradeFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.recordings import RecordedFrame, Recording, open_recording

from .clock import MICROS, parse_rfc3339
from .feed import book_replaced, crowd_traded, level_changed, ticker_came
from .lifecycle import determine, halt_market, resume_market, settle
from .listing import list_event, list_market
from .markets import GRIDS, Market, MarketStatus, Series
from .state import State

log = logging.getLogger(__name__)

# Grids known per series; for others the coarsest that holds every price of the first snapshot.
_SERIES_GRIDS = {"KXBTC15M": "tapered_deci_cent"}
_FINEST = ("center_centi_edge_centi_cent", (PriceRange(0, ONE_DOLLAR, 1),))
_DAY_US = 86_400 * MICROS
_TRADING = (MarketStatus.ACTIVE, MarketStatus.INACTIVE)


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
        self._known: dict[Ticker, dict[str, Any]] = {}
        self._strikes: dict[Ticker, float] = {}
        self._has_trades = False
        self._markets: dict[Ticker, Market] = {}
        self._open()

    def _open(self) -> None:
        recording: Recording = open_recording(self._path)
        self._decoder = Decoder(use_yes_price=recording.header.use_yes_price)
        self._frames: Iterator[RecordedFrame] = iter(recording)
        self._start_us = self._state.clock.now_us()
        self._first_ns: int | None = None
        self._last_due_us = self._start_us
        self._waiting = self._next()

    @property
    def tickers(self) -> list[Ticker]:
        return list(self._markets)

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
        if self._waiting is None and not self.finished:
            self._end_pass()
        return done

    def _due(self, frame: RecordedFrame) -> int:
        """When a frame is due; one without a time comes with the one before it."""
        if frame.recv_ns is None or self._first_ns is None:
            return self._last_due_us
        self._last_due_us = self._start_us + int((frame.recv_ns - self._first_ns) / self._speed) // 1000
        return self._last_due_us

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
        if not self._loop or not self._markets:
            self.finished = True
            return
        for market in self._markets.values():
            halt_market(self._state, market)
            resume_market(self._state, market)
            book_replaced(self._state, market, (), ())
        self._open()
        self.prime()

    # frames

    def _apply(self, frame: RecordedFrame) -> None:
        """Apply one frame; one that cannot be trusted is counted and left out."""
        if frame.control is not None:
            self._control(frame.control, frame.info or {})
            return
        try:
            decoded = self._decoder.decode(frame.raw)
            self._play(decoded)
        except (BadMessage, DataCorrupt) as e:
            self.counts[f"refused {type(e).__name__}"] += 1
            log.warning("recorded frame left out: %s", e)

    def _play(self, frame: object) -> None:
        if isinstance(frame, DeltaFrame):
            market = self._trading(frame.ticker)
            if market is not None:
                level_changed(self._state, market, frame.side, frame.price, frame.delta)
        elif isinstance(frame, SnapshotFrame):
            self._snapshot(frame)
        elif isinstance(frame, TickerFrame):
            self._ticker(frame)
        elif isinstance(frame, TradeFrame):
            self._trade(frame)
        self.counts[str(getattr(frame, "type", "unknown"))] += 1

    def _trading(self, ticker: Ticker) -> Market | None:
        """The market if its book is known and it trades."""
        market = self._markets.get(ticker)
        return market if market is not None and market.status in _TRADING else None

    def _snapshot(self, frame: SnapshotFrame) -> None:
        book = frame.book
        market = self._markets.get(book.ticker)
        if market is None:
            market = self._list(book.ticker, [p for p, _ in (*book.bids, *book.asks)])
        if market.status in _TRADING:
            book_replaced(self._state, market, book.bids, book.asks)

    def _ticker(self, frame: TickerFrame) -> None:
        market = self._trading(frame.ticker)
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
        market = self._trading(trade.ticker)
        if market is not None:
            crowd_traded(self._state, market, trade.taker_side.opposite, trade.price, trade.quantity)

    # markets

    def _control(self, kind: str, info: dict[str, Any]) -> None:
        self.counts[kind] += 1
        ticker = info.get("market_ticker")
        if kind != "watch_market" or not isinstance(ticker, str):
            return
        self._known[ticker] = info
        strike = info.get("strike")
        if isinstance(strike, int | float) and not isinstance(strike, bool):
            self._settle_earlier(ticker, float(strike))
            self._strikes[ticker] = float(strike)

    def _settle_earlier(self, ticker: Ticker, next_strike: float) -> None:
        """The next market's strike is the price at which the one before it settles."""
        for earlier, strike in self._strikes.items():
            market = self._markets.get(earlier)
            if market is None or earlier == ticker or self._loop or series_of(earlier) != series_of(ticker):
                continue
            if market.status is MarketStatus.CLOSED or market.close_us <= self._state.clock.now_us():
                yes = next_strike >= strike
                determine(self._state, market, "yes" if yes else "no", ONE_DOLLAR if yes else 0)
                settle(self._state, market)

    def _list(self, ticker: Ticker, prices: list[int]) -> Market:
        series_ticker = series_of(ticker)
        now_us = self._state.clock.now_us()
        series = Series(series_ticker, f"Recorded {series_ticker}", "Crypto" if "BTC" in ticker else "Recorded")
        event = list_event(self._state, ticker.rpartition("-")[0] or ticker, series, f"Recorded {ticker}")
        structure, ranges = _grid_for(series_ticker, prices)
        market = list_market(
            self._state,
            ticker,
            event,
            f"Recorded {ticker}",
            open_us=now_us - _DAY_US,
            close_us=self._close_us(ticker, now_us),
            structure=structure,
            ranges=ranges,
            floor_strike=self._strikes.get(ticker),
            recorded=True,
        )
        self._markets[ticker] = market
        return market

    def _close_us(self, ticker: Ticker, now_us: int) -> int:
        """The recorded close, shifted like everything else; a year from now when unknown or when looping."""
        text = self._known.get(ticker, {}).get("close_time")
        if self._loop or not isinstance(text, str) or self._first_ns is None:
            return now_us + 365 * _DAY_US
        try:
            recorded = parse_rfc3339(text)
        except ValueError:
            log.warning("close time of %s cannot be read: %r", ticker, text)
            return now_us + 365 * _DAY_US
        return self._start_us + int((recorded - self._first_ns // 1000) / self._speed)


def series_of(ticker: Ticker) -> str:
    return ticker.partition("-")[0]


def _grid_for(series_ticker: str, prices: list[int]) -> tuple[str, tuple[PriceRange, ...]]:
    known = _SERIES_GRIDS.get(series_ticker)
    if known is not None:
        return known, GRIDS[known]
    for name, ranges in {"linear_cent": LINEAR_CENT, **GRIDS}.items():
        if all(p in price_grid(ranges) for p in prices):
            return name, ranges
    return _FINEST
