"""Books of many markets kept in step with the subscriptions (`sid`) that feed them.

`seq` starts at 1 per sid and rises by 1 over all its messages: snapshots and deltas of every market in it,
and the answers to commands. A gap makes every book of that sid unquotable until its own snapshot arrives.
Source: Kalshi docs "websocket connection", "orderbook updates".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .book import NO_SNAPSHOT, Book
from .errors import BadNumber, DataCorrupt, SequenceGap
from .grid import PriceGrid
from .types import BookSnapshot, Price, Quantity, Side, Ticker

SEQUENCE_GAP = "sequence_gap"
DISCONNECTED = "disconnected"
UNSUBSCRIBED = "unsubscribed"
UNKNOWN_GRID = "unknown_grid"


class LevelChange(Protocol):
    """What a delta must say, so that a decoded frame need not be copied into a `BookDelta` first."""

    @property
    def ticker(self) -> Ticker: ...
    @property
    def side(self) -> Side: ...
    @property
    def price(self) -> Price: ...
    @property
    def delta(self) -> Quantity: ...
    @property
    def ts_ms(self) -> int | None: ...


@dataclass(slots=True)
class Subscription:
    """One sid: the last `seq` seen (0 before the first), its markets and those waiting for a snapshot."""

    sid: int
    last_seq: int = 0
    tickers: set[Ticker] = field(default_factory=set)
    stale: set[Ticker] = field(default_factory=set)


@dataclass(slots=True)
class BookCounters:
    """What was seen: `missing` counts skipped sequence numbers, `refused` typed errors by class name."""

    snapshots: int = 0
    deltas: int = 0
    gaps: int = 0
    missing: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class BookSet:
    """Books by ticker. `grid_of(ticker)` supplies each market's grid, or None while it is unknown.

    `on_*` methods return what happened instead of raising: True where the message was used. A bad message is
    refused, counted in `counters.refused`, and leaves its book unquotable with its reason.
    """

    def __init__(self, grid_of: Callable[[Ticker], PriceGrid | None]) -> None:
        self._grid_of = grid_of
        self._books: dict[Ticker, Book] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._owner: dict[Ticker, int] = {}
        # Exactly the markets that have a book and a subscription, so that a delta needs one lookup for both.
        self._fed: dict[Ticker, tuple[Book, Subscription]] = {}
        self.counters = BookCounters()

    def book(self, ticker: Ticker) -> Book | None:
        """The book of a market, None when no snapshot of it was ever accepted."""
        return self._books.get(ticker)

    def unquotable_reason(self, ticker: Ticker) -> str | None:
        """Why a market's book must not be used, None when it may."""
        book = self._books.get(ticker)
        return NO_SNAPSHOT if book is None else book.unquotable_reason

    @property
    def tickers(self) -> tuple[Ticker, ...]:
        return tuple(self._books)

    @property
    def sids(self) -> tuple[int, ...]:
        return tuple(self._subscriptions)

    def last_seq(self, sid: int) -> int:
        """Last sequence number seen on a sid, 0 before the first."""
        found = self._subscriptions.get(sid)
        return found.last_seq if found else 0

    def needs_resync(self, sid: int | None = None) -> tuple[Ticker, ...]:
        """Markets, sorted, whose snapshot must be asked for again on this sid (or on any)."""
        if sid is None:
            return tuple(sorted(t for s in self._subscriptions.values() for t in s.stale))
        found = self._subscriptions.get(sid)
        return tuple(sorted(found.stale)) if found else ()

    def on_snapshot(self, sid: int, seq: int, snapshot: BookSnapshot) -> bool:
        """Replace a market's book; this is what clears it after a gap."""
        subscription = self._advance(sid, seq)
        if subscription is None:
            return False
        ticker = snapshot.ticker
        self._own(subscription, ticker)
        book = self._books.get(ticker) or self._make(subscription, ticker)
        if book is None:
            return self._refuse(subscription, ticker, UNKNOWN_GRID)
        try:
            book.apply_snapshot(snapshot.bids, snapshot.asks)
        except DataCorrupt as error:
            return self._refuse(subscription, ticker, type(error).__name__)
        subscription.stale.discard(ticker)
        self.counters.snapshots += 1
        return True

    def on_delta(self, sid: int, seq: int, delta: LevelChange) -> bool:
        """Apply one delta if its book is in step."""
        # As in `Book.apply_delta`: what happens for nearly every message stands here, the rest is called.
        try:
            book, subscription = self._fed[delta.ticker]
        except KeyError:
            return self._on_odd_delta(sid, seq, delta)
        if seq != subscription.last_seq + 1 or sid != subscription.sid:
            return self._on_odd_delta(sid, seq, delta)
        subscription.last_seq = seq
        try:
            book.apply_delta(delta.side, delta.price, delta.delta, delta.ts_ms)
        except DataCorrupt:
            # The book has made itself unquotable and knows why, also when it refused because it was so before.
            return self._refuse(subscription, delta.ticker, book.unquotable_reason or NO_SNAPSHOT)
        self.counters.deltas += 1
        return True

    def _on_odd_delta(self, sid: int, seq: int, delta: LevelChange) -> bool:
        """A delta out of sequence, or of a market that has no book on this sid."""
        subscription = self._advance(sid, seq)
        if subscription is None:
            return False
        ticker = delta.ticker
        fed = self._fed.get(ticker)
        if fed is None or fed[1] is not subscription:
            self._own(subscription, ticker)
            return self._refuse(subscription, ticker, NO_SNAPSHOT)
        # Frames before it are missing, so its book is among those that `_advance` has closed.
        return self._refuse(subscription, ticker, fed[0].unquotable_reason or NO_SNAPSHOT)

    def on_sequenced(self, sid: int, seq: int) -> bool:
        """A message with `seq` but no levels (`ok`, `unsubscribed`, an error). False if it was old."""
        return self._advance(sid, seq) is not None

    def set_grid(self, ticker: Ticker, grid: PriceGrid) -> None:
        """A market's grid became known or changed; levels are kept where they fit the new grid."""
        book = self._books.get(ticker)
        if book is None or book.grid is grid:
            return
        try:
            book.regrid(grid)
        except DataCorrupt as error:
            self.counters.refused[type(error).__name__] += 1
            self._mark_stale(ticker)

    def add_ticker(self, sid: int, ticker: Ticker) -> None:
        """A market was subscribed on this sid; it needs its first snapshot."""
        subscription = self._subscriptions.setdefault(sid, Subscription(sid))
        self._own(subscription, ticker)
        if self.unquotable_reason(ticker) is not None:
            subscription.stale.add(ticker)

    def remove_ticker(self, ticker: Ticker) -> None:
        """A market left its subscription: its book stays readable only as unquotable."""
        self._drop(ticker, UNSUBSCRIBED)

    def forget(self, ticker: Ticker) -> None:
        """A market is finished: nothing of it is kept. Until the exchange stops sending it, hand its messages to
        `on_sequenced`; `on_snapshot` and `on_delta` would take note of it again."""
        self._drop(ticker, UNSUBSCRIBED)
        self._books.pop(ticker, None)

    def remove_sid(self, sid: int) -> None:
        """A subscription ended; its books are unquotable and await another subscription."""
        found = self._subscriptions.pop(sid, None)
        for ticker in tuple(found.tickers) if found else ():
            self._drop(ticker, UNSUBSCRIBED)

    def on_disconnect(self) -> None:
        """The connection is gone and its sids with it: every book is unquotable."""
        self._subscriptions.clear()
        self._owner.clear()
        self._fed.clear()
        for book in self._books.values():
            book.invalidate(DISCONNECTED)

    def invalidate(self, ticker: Ticker, reason: str) -> None:
        """Make a market unquotable for a reason of the caller's; it then needs a resync."""
        book = self._books.get(ticker)
        if book is not None:
            book.invalidate(reason)
        self._mark_stale(ticker)

    def _advance(self, sid: int, seq: int) -> Subscription | None:
        if seq < 1:
            self.counters.refused[BadNumber.__name__] += 1
            return None
        subscription = self._subscriptions.get(sid)
        if subscription is None:
            subscription = self._subscriptions[sid] = Subscription(sid)
        expected = subscription.last_seq + 1
        if seq < expected:
            self.counters.duplicates += 1
            return None
        if seq > expected:
            self._gap(subscription, seq - expected)
        subscription.last_seq = seq
        return subscription

    def _gap(self, subscription: Subscription, missing: int) -> None:
        self.counters.gaps += 1
        self.counters.missing += missing
        self.counters.refused[SequenceGap.__name__] += 1
        for ticker in subscription.tickers:
            book = self._books.get(ticker)
            if book is not None:
                book.invalidate(SEQUENCE_GAP)
            subscription.stale.add(ticker)

    def _own(self, subscription: Subscription, ticker: Ticker) -> None:
        owner = self._owner.get(ticker)
        if owner == subscription.sid:
            return
        if owner is not None:
            self._drop(ticker, NO_SNAPSHOT)
        self._owner[ticker] = subscription.sid
        subscription.tickers.add(ticker)
        book = self._books.get(ticker)
        if book is not None:
            self._fed[ticker] = book, subscription

    def _drop(self, ticker: Ticker, reason: str) -> None:
        self._fed.pop(ticker, None)
        owner = self._subscriptions.get(self._owner.pop(ticker, -1))
        if owner is not None:
            owner.tickers.discard(ticker)
            owner.stale.discard(ticker)
        book = self._books.get(ticker)
        if book is not None:
            book.invalidate(reason)

    def _make(self, subscription: Subscription, ticker: Ticker) -> Book | None:
        grid = self._grid_of(ticker)
        if grid is None:
            return None
        book = self._books[ticker] = Book(grid, ticker)
        self._fed[ticker] = book, subscription
        return book

    def _refuse(self, subscription: Subscription, ticker: Ticker, reason: str) -> bool:
        self.counters.refused[reason] += 1
        subscription.stale.add(ticker)
        return False

    def _mark_stale(self, ticker: Ticker) -> None:
        owner = self._subscriptions.get(self._owner.get(ticker, -1))
        if owner is not None:
            owner.stale.add(ticker)
