"""Which books there are, and which subscription (`sid`) feeds each; `apps.engine.booksets` applies the messages.

Source: Kalshi docs "websocket connection".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .book import Book
from .book_levels import NO_SNAPSHOT
from .errors import DataCorrupt
from .grid import PriceGrid
from .types import Ticker

DISCONNECTED = "disconnected"
UNSUBSCRIBED = "unsubscribed"


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


class BookRegistry:
    """Books by ticker. `grid_of(ticker)` supplies each market's grid, or None while it is unknown."""

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

    def sid_of(self, ticker: Ticker) -> int | None:
        """The subscription that feeds a market's book, None while there is none."""
        return self._owner.get(ticker)

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
        """A market was subscribed on this sid; it needs its first snapshot unless its book is in step already."""
        subscription = self._subscriptions.setdefault(sid, Subscription(sid))
        self._own(subscription, ticker)
        book = self._books.get(ticker)
        if book is None or not book.accepts_deltas:
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

    def _mark_stale(self, ticker: Ticker) -> None:
        owner = self._subscriptions.get(self._owner.get(ticker, -1))
        if owner is not None:
            owner.stale.add(ticker)
