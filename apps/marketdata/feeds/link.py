"""Between the socket and the feed: records what arrives, keeps the subscriptions and the books in step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta

from apps.gateway.clock import Clock
from apps.gateway.errors import BadMessage, GatewayError, NotConnected
from apps.gateway.kalshi.frames import SubscribedFrame
from apps.gateway.kalshi.ws import Connected, Disconnected, KalshiSocket
from apps.gateway.kalshi.ws import Event as SocketEvent
from apps.governance.choices import Severity
from apps.marketdata.mapping import at_ns
from apps.marketdata.recorder import Recorder

from .kalshi import BOOK_CHANNEL, LIFECYCLE_CHANNEL, KalshiFeed
from .resync import ResyncPlanner
from .store import FeedStore
from .subscription import MarketSubscription, parts

RESTART_PAUSE_S = 1.0
HOPELESS_AFTER = 4


class KalshiLink:
    """Runs sockets made by `make_socket`, one after another; a new one is the cure for any state that is stuck.

    `step` must be called about once a second; `on_event` is the socket's handler.
    """

    def __init__(
        self,
        *,
        make_socket: Callable[[], KalshiSocket],
        recorder: Recorder,
        feed: KalshiFeed,
        store: FeedStore,
        clock: Clock,
    ) -> None:
        self._make_socket = make_socket
        self._recorder = recorder
        self._feed = feed
        self._store = store
        self._clock = clock
        self._planner = ResyncPlanner()
        self._subscription = MarketSubscription(feed, self._planner, clock)
        self._stopping = False
        self._end = asyncio.Event()
        self._socket: KalshiSocket | None = None
        self._connection_id = ""
        self._restart_reason: str | None = None
        self.gap = asyncio.Event()
        self.connections = 0
        self.connected_at: datetime | None = None
        self.error: str | None = None

    @property
    def is_connected(self) -> bool:
        return self._socket is not None and self._socket.is_connected

    @property
    def connection_error(self) -> str | None:
        """Why there is no connection, as far as it is known."""
        return self._restart_reason or (self._socket.last_error if self._socket else None) or self.error

    @property
    def unknown_fields(self) -> int:
        return 0 if self._socket is None else sum(self._socket.decoder.unknown_fields.values())

    def heard_at(self, now: datetime) -> datetime | None:
        """When anything last came over the live connection, the exchange's pings included."""
        silent_s = None if self._socket is None else self._socket.silent_s
        return None if silent_s is None else now - timedelta(seconds=silent_s)

    def stop(self) -> None:
        self._stopping = True
        self._end.set()
        self.gap.set()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            self._end.clear()
            self._socket = self._make_socket()
            self._subscription.forget()
            await self._socket.subscribe([LIFECYCLE_CHANNEL])
            await self._follow()
            try:
                await self._socket.run(self.on_event, self._end)
            except GatewayError as e:
                self.error = f"{type(e).__name__}: {e}"
            if not self._stopping:
                self._end.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), RESTART_PAUSE_S)

    def restart(self, reason: str) -> None:
        """Give this connection up and make a new one from scratch."""
        self._restart_reason = reason
        self._end.set()

    async def on_event(self, event: SocketEvent, recv_ns: int, raw: bytes) -> None:
        if isinstance(event, Connected):
            self._on_connected(event, recv_ns)
            return
        if isinstance(event, Disconnected):
            await self._on_disconnected(event, recv_ns)
            return
        if not self._recorder.record(recv_ns, self._connection_id, raw):
            self._store.report(
                "RECORDER_OVERFLOW",
                Severity.CRITICAL,
                "frames arrive faster than they can be recorded; some are missing from the recording",
                at=at_ns(recv_ns),
                dropped_in_total=self._recorder.dropped,
            )
        if isinstance(event, BadMessage):
            self._feed.on_refused(event, recv_ns)
            return
        gaps = self._feed.books.counters.gaps
        self._feed.on_frame(event, recv_ns)
        if self._feed.books.counters.gaps > gaps:
            self.gap.set()
        if isinstance(event, SubscribedFrame) and event.channel == BOOK_CHANNEL:
            self._planner.subscribed(self._feed.stale_books(), self._clock.monotonic())

    def _on_connected(self, event: Connected, recv_ns: int) -> None:
        self._connection_id = event.connection_id
        self._subscription.begin()
        self._restart_reason = None
        self.connections += 1
        self.connected_at = at_ns(recv_ns)
        self._planner.clear()
        self._feed.on_connection_change()
        if self.connections > 1:
            self._store.report(
                "FEED_RECONNECTED",
                Severity.INFO,
                "connected again; all books are being read anew",
                at=at_ns(recv_ns),
                connections=self.connections,
            )

    async def _on_disconnected(self, event: Disconnected, recv_ns: int) -> None:
        self._feed.on_connection_change()
        if not self._stopping:
            reason = self._restart_reason or event.reason
            self._store.report(
                "FEED_DISCONNECTED", Severity.WARNING, f"the connection ended: {reason}"[:500], at=at_ns(recv_ns)
            )
            # What is asked for again first is the scope, not a market kept from before that may be unknown by then.
            await self._follow()

    async def step(self) -> None:
        """Bring the subscriptions to the feed's scope, ask for books that need it, notice what is stuck."""
        self.gap.clear()
        try:
            await self._follow()
            await self._resync()
        except NotConnected:
            # The socket itself has noticed or is about to, and makes everything anew.
            return
        if self._is_stuck():
            self.restart("the exchange did not confirm the subscriptions")

    async def _follow(self) -> None:
        if self._socket is not None:
            await self._subscription.follow(self._socket)

    def _is_stuck(self) -> bool:
        if not self.is_connected:
            return False
        return self._subscription.is_overdue() or (
            self._planner.most_asked() >= HOPELESS_AFTER and not self._feed.has_quotable_book()
        )

    async def _resync(self) -> None:
        sid = self._feed.sids.get(BOOK_CHANNEL)
        if self._socket is None or sid is None or not self.is_connected:
            return
        due = self._planner.due(self._feed.stale_books(), self._clock.monotonic())
        for part in parts(due):
            await self._socket.resync(sid, part)
