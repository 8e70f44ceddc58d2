"""Books of many markets kept in step with the subscriptions (`sid`) that feed them.

`seq` starts at 1 per sid and rises by 1 over all its messages: snapshots and deltas of every market in it,
and the answers to commands. A gap makes every book of that sid unquotable until its own snapshot arrives.
Source: Kalshi docs "websocket connection", "orderbook updates".
"""

from __future__ import annotations

from typing import Protocol

from .book import Book
from .book_levels import NO_SNAPSHOT
from .book_registry import BookRegistry, Subscription
from .errors import BadNumber, DataCorrupt, SequenceGap
from .types import BookSnapshot, Price, Quantity, Side, Ticker

SEQUENCE_GAP = "sequence_gap"
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


class BookSet(BookRegistry):
    """Books by ticker, kept by the messages that arrive.

    `on_*` methods return what happened instead of raising: True where the message was used. A bad message is
    refused, counted in `counters.refused`, and leaves its book unquotable with its reason.
    """

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

    def _refuse(self, subscription: Subscription, ticker: Ticker, reason: str) -> bool:
        self.counters.refused[reason] += 1
        subscription.stale.add(ticker)
        return False

    def _make(self, subscription: Subscription, ticker: Ticker) -> Book | None:
        grid = self._grid_of(ticker)
        if grid is None:
            return None
        book = self._books[ticker] = Book(grid, ticker)
        self._fed[ticker] = book, subscription
        return book
