"""Frames of the exchange's public channels into books, trades and catalogue news. No I/O, no clock, no database.

Whatever cannot be trusted makes the market's book unquotable until its next snapshot; nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from apps.engine.booksets import BookSet
from apps.engine.errors import BadNumber
from apps.engine.grid import PriceGrid, PriceRange, price_grid
from apps.engine.types import Ticker
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.frames import (
    DeltaFrame,
    ErrorFrame,
    Frame,
    LifecycleFrame,
    SnapshotFrame,
    SubscribedFrame,
    TradeFrame,
    UnknownFrame,
    UnsubscribedFrame,
)
from apps.governance.choices import Severity
from apps.marketdata.mapping import at_ns, at_s, book_row
from apps.marketdata.models import BookSnapshot
from apps.marketdata.selectors import OpenMarket
from apps.marketdata.services.feeds import SeenTrade

from .store import FeedStore

BOOK_CHANNEL = "orderbook_delta"
MARKET_CHANNELS = (BOOK_CHANNEL, "ticker", "trade")
LIFECYCLE_CHANNEL = "market_lifecycle_v2"


@dataclass(slots=True)
class FeedCounters:
    """Since the session began; gaps are counted by the book set."""

    frames: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unknown_messages: int = 0


@dataclass(frozen=True, slots=True)
class ScopeChange:
    """Markets that came into the scope and those that left it."""

    added: tuple[Ticker, ...]
    removed: tuple[Ticker, ...]


class KalshiFeed:
    """State of the wide feed. `on_frame` and `on_refused` are called for each message in order of arrival."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store
        self._grids: dict[Ticker, PriceGrid] = {}
        self._markets: dict[Ticker, OpenMarket] = {}
        self._changed: set[Ticker] = set()
        self._sampled_at: dict[Ticker, float] = {}
        self.books = BookSet(self._grids.get)
        self.counters = FeedCounters()
        self.sids: dict[str, int] = {}
        self.last_frame_ns: int | None = None

    @property
    def tickers(self) -> Collection[Ticker]:
        return self._markets.keys()

    def set_scope(self, markets: Iterable[OpenMarket]) -> ScopeChange:
        """Follow exactly these markets. One without a usable grid is followed, but its book stays unquotable."""
        wanted = {m.ticker: m for m in markets}
        removed = tuple(sorted(set(self._markets).difference(wanted)))
        added = tuple(sorted(set(wanted).difference(self._markets)))
        for ticker in removed:
            self._forget(ticker)
        for ticker, market in wanted.items():
            self._markets[ticker] = market
            if market.grid is not None:
                self._set_grid(ticker, market.grid)
            else:
                self._drop_grid(ticker, "GridInvalid")
        return ScopeChange(added, removed)

    def _forget(self, ticker: Ticker) -> None:
        self.books.forget(ticker)
        self._markets.pop(ticker, None)
        self._grids.pop(ticker, None)
        self._sampled_at.pop(ticker, None)
        self._changed.discard(ticker)

    def _set_grid(self, ticker: Ticker, grid: PriceGrid) -> None:
        if self._grids.get(ticker) is not grid:
            self._grids[ticker] = grid
            self.books.set_grid(ticker, grid)

    def _drop_grid(self, ticker: Ticker, reason: str) -> None:
        if self._grids.pop(ticker, None) is not None:
            self.books.invalidate(ticker, reason)

    def on_connection_change(self) -> None:
        """A new connection numbers its subscriptions afresh; a lost one leaves no book to trust."""
        self.sids.clear()
        self.books.on_disconnect()

    def expect(self, tickers: Iterable[Ticker]) -> None:
        """These markets were asked for on the book subscription; their first snapshots are awaited."""
        sid = self.sids.get(BOOK_CHANNEL)
        if sid is not None:
            for ticker in tickers:
                self.books.add_ticker(sid, ticker)

    def stale_books(self) -> list[Ticker]:
        """Books that a new snapshot could mend; those without a grid are left out."""
        sid = self.sids.get(BOOK_CHANNEL)
        return [] if sid is None else [t for t in self.books.needs_resync(sid) if t in self._grids]

    def has_quotable_book(self) -> bool:
        return any(self.books.unquotable_reason(t) is None for t in self._markets)

    def on_refused(self, error: GatewayError, recv_ns: int) -> None:
        """A frame nobody can read. Its sequence number is unknown, so the next good one of its sid shows a gap."""
        self._heard(recv_ns)
        name = type(error).__name__
        self.counters.refused[name] += 1
        self._store.report("FRAME_REFUSED", Severity.WARNING, f"{name}: {error}"[:500], at=at_ns(recv_ns))

    def on_frame(self, frame: Frame, recv_ns: int) -> None:
        self._heard(recv_ns)
        gaps = self.books.counters.gaps
        handle = _HANDLERS.get(type(frame), KalshiFeed._on_other)
        handle(self, frame, recv_ns)
        if self.books.counters.gaps > gaps:
            self._store.report(
                "SEQUENCE_GAP",
                Severity.WARNING,
                f"frames are missing on subscription {getattr(frame, 'sid', None)}; its books wait for snapshots",
                at=at_ns(recv_ns),
                missing_in_total=self.books.counters.missing,
            )

    def _heard(self, recv_ns: int) -> None:
        self.counters.frames += 1
        self.last_frame_ns = recv_ns

    def _on_snapshot(self, frame: SnapshotFrame, _: int) -> None:
        if frame.book.ticker not in self._markets:
            self._sequenced(frame)
            return
        self.books.on_snapshot(frame.sid, frame.seq, frame.book)
        self._changed.add(frame.book.ticker)

    def _on_delta(self, frame: DeltaFrame, _: int) -> None:
        if frame.ticker not in self._markets:
            # It has left the scope, and the exchange has not yet heard so.
            self._sequenced(frame)
        elif self.books.on_delta(frame.sid, frame.seq, frame):
            self._changed.add(frame.ticker)

    def _on_trade(self, frame: TradeFrame, recv_ns: int) -> None:
        self._sequenced(frame)
        self._store.add_trade(SeenTrade(frame.trade, at_ns(recv_ns)))

    def _on_lifecycle(self, frame: LifecycleFrame, _: int) -> None:
        self._sequenced(frame)
        self._store.add_lifecycle(frame)
        market = self._markets.get(frame.ticker or "")
        if market is None:
            return
        if frame.close_ts is not None:
            # A time that is none is told where the frame is stored.
            with suppress(BadNumber):
                self._markets[market.ticker] = replace(market, close_at=at_s(frame.close_ts))
        if frame.price_ranges is not None:
            self._on_price_ranges(market.ticker, frame.price_ranges)

    def _on_price_ranges(self, ticker: Ticker, ranges: Sequence[PriceRange]) -> None:
        try:
            self._set_grid(ticker, price_grid(ranges))
        except BadNumber:
            self._drop_grid(ticker, "GridInvalid")

    def _on_subscribed(self, frame: SubscribedFrame, _: int) -> None:
        self.sids[frame.channel] = frame.sid
        if frame.channel == BOOK_CHANNEL:
            self.expect(self._markets)

    def _on_unsubscribed(self, frame: UnsubscribedFrame, _: int) -> None:
        self._sequenced(frame)
        self._forget_sid(frame.sid)

    def _forget_sid(self, sid: int) -> None:
        self.books.remove_sid(sid)
        self.sids = {channel: known for channel, known in self.sids.items() if known != sid}

    def _on_error(self, frame: ErrorFrame, recv_ns: int) -> None:
        self._sequenced(frame)
        if frame.terminal and frame.sid is not None:
            self._forget_sid(frame.sid)
        self._store.report(
            "FEED_ERROR",
            Severity.WARNING,
            f"the exchange answered error {frame.code}: {frame.message}"[:500],
            at=at_ns(recv_ns),
            market=frame.ticker,
        )

    def _on_unknown(self, frame: UnknownFrame, _: int) -> None:
        self.counters.unknown_messages += 1
        self._sequenced(frame)

    def _on_other(self, frame: Frame, _: int) -> None:
        self._sequenced(frame)

    def _sequenced(self, frame: Frame) -> None:
        sid, seq = getattr(frame, "sid", None), frame.seq
        if sid is not None and seq is not None:
            self.books.on_sequenced(sid, seq)

    def sample(self, *, now: datetime, monotonic: float, every_s: float, depth: int, limit: int) -> list[BookSnapshot]:
        """Books of open markets that changed since their last sample and are due again, at most `limit` of them."""
        rows: list[BookSnapshot] = []
        for ticker in list(self._changed):
            if len(rows) >= limit:
                break
            last = self._sampled_at.get(ticker)
            if last is not None and monotonic - last < every_s:
                continue
            self._changed.discard(ticker)
            book, market = self.books.book(ticker), self._markets.get(ticker)
            if book is not None and book.is_quotable and market is not None and now < market.close_at:
                self._sampled_at[ticker] = monotonic
                rows.append(book_row(book, market.market_id, now, depth))
        return rows


_HANDLERS: dict[type, Callable] = {
    SnapshotFrame: KalshiFeed._on_snapshot,
    DeltaFrame: KalshiFeed._on_delta,
    TradeFrame: KalshiFeed._on_trade,
    LifecycleFrame: KalshiFeed._on_lifecycle,
    SubscribedFrame: KalshiFeed._on_subscribed,
    ErrorFrame: KalshiFeed._on_error,
    UnknownFrame: KalshiFeed._on_unknown,
    UnsubscribedFrame: KalshiFeed._on_unsubscribed,
}
