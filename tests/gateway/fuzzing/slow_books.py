"""Order books by the book (Kalshi docs: orderbook updates), with dicts and `max`, as slow as they are plain.

A market's book is `ok`, `matching` (crossed within one millisecond of a match) or bad, and bad until its next snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.engine.grid import PriceGrid

from .reference import Meaning

Levels = dict[int, int]
OK, MATCHING, BAD = "ok", "matching", "bad"


@dataclass
class SlowBook:
    state: str = BAD
    crossed_ms: int | None = None
    sides: dict[str, Levels] = field(default_factory=lambda: {"bid": {}, "ask": {}})

    def spoil(self) -> None:
        self.state = BAD
        self.sides = {"bid": {}, "ask": {}}

    @property
    def is_crossed(self) -> bool:
        bids, asks = self.sides["bid"], self.sides["ask"]
        return bool(bids) and bool(asks) and max(bids) >= min(asks)

    def shown(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Levels from the best outward; nothing unless the book is good."""
        if self.state != OK:
            return [], []
        return sorted(self.sides["bid"].items(), reverse=True), sorted(self.sides["ask"].items())

    def best(self) -> tuple[int | None, int | None]:
        if self.state != OK:
            return None, None
        return max(self.sides["bid"], default=None), min(self.sides["ask"], default=None)


class SlowBooks:
    """All books of one connection. `on` takes what `reference.frame_meaning` gave."""

    def __init__(self, grid: PriceGrid) -> None:
        self._prices = set(grid.prices)
        self._seqs: dict[int, int] = {}
        self._owner: dict[str, int] = {}
        self.books: dict[str, SlowBook] = {}

    def on(self, meaning: Meaning) -> str | None:
        """Applies one message; the market it was about, or None."""
        kind, sid, seq = meaning[:3]
        if not isinstance(sid, int) or not isinstance(seq, int) or not self._advance(sid, seq):
            return None
        if kind not in ("orderbook_delta", "orderbook_snapshot"):
            return None
        ticker: str = meaning[3]
        self._own(sid, ticker)
        if kind == "orderbook_snapshot":
            self._snapshot(ticker, meaning[4], meaning[5])
        elif ticker in self.books:
            self._delta(self.books[ticker], *meaning[4:8])
        return ticker

    def _advance(self, sid: int, seq: int) -> bool:
        if seq < 1:
            return False
        last = self._seqs.setdefault(sid, 0)
        if seq <= last:
            return False
        if seq > last + 1:
            for ticker, owner in self._owner.items():
                if owner == sid and ticker in self.books:
                    self.books[ticker].spoil()
        self._seqs[sid] = seq
        return True

    def _own(self, sid: int, ticker: str) -> None:
        before = self._owner.get(ticker)
        if before not in (None, sid) and ticker in self.books:
            self.books[ticker].spoil()
        self._owner[ticker] = sid

    def _snapshot(self, ticker: str, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]) -> None:
        book = self.books.setdefault(ticker, SlowBook())
        book.spoil()
        prices = [price for price, _ in bids], [price for price, _ in asks]
        if any(len(set(one)) < len(one) or not self._prices.issuperset(one) for one in prices):
            return
        book.sides = {"bid": dict(bids), "ask": dict(asks)}
        if book.is_crossed:
            book.spoil()
        else:
            book.state = OK

    def _delta(self, book: SlowBook, side: str, price: int, delta: int, ts_ms: int | None) -> None:
        if book.state == BAD:
            return
        levels = book.sides[side]
        size = levels.get(price, 0) + delta
        if (book.state == MATCHING and ts_ms != book.crossed_ms) or price not in self._prices or size < 0:
            book.spoil()
            return
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)
        if not book.is_crossed:
            book.state = OK
        elif ts_ms is None:
            book.spoil()
        else:
            book.state, book.crossed_ms = MATCHING, ts_ms
