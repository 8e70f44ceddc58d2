"""The one subscription that carries the books, tickers and trades of all followed markets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apps.gateway.clock import Clock
from apps.gateway.kalshi.subscriptions import Channels
from apps.gateway.kalshi.ws import KalshiSocket

from .kalshi import LIFECYCLE_CHANNEL, MARKET_CHANNELS, KalshiFeed
from .resync import ResyncPlanner

TICKERS_PER_COMMAND = 500
CONFIRM_WITHIN_S = 10.0


class MarketSubscription:
    """Follows the feed's scope. The last market is never deleted, which the exchange refuses (error 11)."""

    def __init__(self, feed: KalshiFeed, planner: ResyncPlanner, clock: Clock) -> None:
        self._feed = feed
        self._planner = planner
        self._clock = clock
        self._books: Channels | None = None
        self._unconfirmed_s: float | None = None

    def forget(self) -> None:
        """There is a new socket, which knows of no subscription."""
        self._books = None

    def begin(self) -> None:
        """A connection was made; everything wanted is asked for on it."""
        self._unconfirmed_s = self._clock.monotonic()

    async def follow(self, socket: KalshiSocket) -> None:
        """Subscribe to what the feed's scope has and the subscription lacks, and the reverse.

        Without a connection this only changes what will be asked for. Raises `NotConnected`.
        """
        wanted = set(self._feed.tickers)
        if socket.is_connected and not self._is_confirmed():
            # A change asked for before the last one is confirmed would have no subscription to go to.
            return
        if self._books is None:
            if wanted:
                self._unconfirmed_s = self._clock.monotonic()
                self._books = await socket.subscribe(MARKET_CHANNELS, sorted(wanted)[:TICKERS_PER_COMMAND])
        elif wanted or socket.is_connected:
            await self._change(socket, self._books, wanted)
        else:
            books, self._books = self._books, None
            await socket.unsubscribe(books)

    async def _change(self, socket: KalshiSocket, books: Channels, wanted: set[str]) -> None:
        have = set(books.tickers)
        for part in parts(sorted(wanted - have)):
            await socket.add_markets(books, part)
            self._feed.expect(part)
            self._planner.subscribed(part, self._clock.monotonic())
        # The feed may have forgotten a book of these: of one kept as the last, or gone and back between two steps.
        self._feed.expect(have & wanted)
        over = have - wanted
        if not wanted:
            over.discard(books.tickers[-1])
        for part in parts(sorted(over)):
            await socket.delete_markets(books, part)

    def _is_confirmed(self) -> bool:
        """Whether the exchange has confirmed every channel we asked for on this connection."""
        confirmed = self._feed.sids
        books = self._books is None or all(c in confirmed for c in self._books.channels)
        return books and LIFECYCLE_CHANNEL in confirmed

    def is_overdue(self) -> bool:
        """Whether a channel has been unconfirmed too long, counted from when it was asked for or first missed."""
        if self._is_confirmed():
            self._unconfirmed_s = None
            return False
        now_s = self._clock.monotonic()
        if self._unconfirmed_s is None:
            self._unconfirmed_s = now_s
        return now_s - self._unconfirmed_s >= CONFIRM_WITHIN_S


def parts(tickers: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as go into one command."""
    for start in range(0, len(tickers), TICKERS_PER_COMMAND):
        yield tickers[start : start + TICKERS_PER_COMMAND]
