"""The market-data session: one event loop that follows all open markets, records every frame and stores samples.

It decides nothing and sends no order. Exactly one runs at a time (lease `marketdata`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from apps.core.database_thread import DatabaseThread
from apps.core.leases import LeaseLost
from apps.gateway.clock import Clock
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.ws import KalshiSocket

from .choices import FeedState
from .exceptions import RecorderStopped
from .feeds.catalogue import CatalogueScope
from .feeds.health import feed_state
from .feeds.kalshi import KalshiFeed
from .feeds.lease import LeaseKeeper
from .feeds.link import KalshiLink
from .feeds.scope import FollowPace, ScopeFollower
from .feeds.store import AWAY, FeedStore
from .mapping import at_ms, at_ns
from .recorder import Recorder, RecorderConfig
from .services import FeedStatus, recordings_recover
from .services.sessions import LEASE_NAME

_LAST_FLUSHES = 3


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Where recordings go, what is followed, and how often what happens (seconds)."""

    recordings_dir: Path
    source: str
    holder: str
    scope: CatalogueScope = field(default_factory=CatalogueScope)
    pace: FollowPace = field(default_factory=FollowPace)
    recorder: RecorderConfig = field(default_factory=RecorderConfig)
    tick_s: float = 1.0
    sample_every_s: float = 5.0
    sample_depth: int = 50
    samples_per_tick: int = 400


@dataclass(frozen=True, slots=True)
class Clients:
    """How to reach the exchange; a factory each, because a stuck socket is replaced."""

    make_socket: Callable[[], KalshiSocket]
    make_rest: Callable[[], KalshiRest]


class MarketDataSession:
    """`run` until `stop` is set or the lease is lost."""

    def __init__(self, *, config: SessionConfig, clients: Clients, clock: Clock) -> None:
        self.config = config
        self.store = FeedStore()
        self.feed = KalshiFeed(self.store)
        self._clients = clients
        self._clock = clock
        self._database = DatabaseThread("marketdata-store")
        self._lease_thread = DatabaseThread("marketdata-lease")
        self._lease = LeaseKeeper(name=LEASE_NAME, holder=config.holder, run=self._lease_thread, now=self._now)
        self._stopping = asyncio.Event()
        self._follower = ScopeFollower(
            feed=self.feed,
            store=self.store,
            scope=config.scope,
            pace=config.pace,
            make_rest=clients.make_rest,
            database=self._database,
            flush=self._flush,
            clock=clock,
        )

    def _now(self) -> datetime:
        return at_ms(self._clock.now_ms())

    async def run(self, stop: threading.Event) -> str:
        """Returns why it ended: `held` (another session has the lease), `stopped` or `lease lost`."""
        try:
            if not await self._lease.acquire():
                return "held"
            return await self._hold(stop)
        finally:
            await asyncio.to_thread(self._database.close)
            await asyncio.to_thread(self._lease_thread.close)

    async def _hold(self, stop: threading.Event) -> str:
        self.recorder = Recorder(
            directory=self.config.recordings_dir,
            source=self.config.source,
            session=str(self._lease.token),
            on_segment=self.store.add_segment,
            config=self.config.recorder,
        )
        self.link = KalshiLink(
            make_socket=self._clients.make_socket,
            recorder=self.recorder,
            feed=self.feed,
            store=self.store,
            clock=self._clock,
        )
        self.recorder.start()
        ended = "stopped"
        try:
            await self._run_loops(stop)
        except* LeaseLost:
            ended = "lease lost"
        finally:
            await self._finish(ended)
        return ended

    async def _run_loops(self, stop: threading.Event) -> None:
        every = self.config
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(stop))
            tasks.create_task(self._every(every.tick_s, self._lease.step))
            tasks.create_task(self._every(every.tick_s, self._tick))
            tasks.create_task(self._recover())
            await self._follower.start()
            tasks.create_task(self._whenever(self._follower.wake, self._follower.step))
            tasks.create_task(self._whenever(self.link.gap, self.link.step))
            tasks.create_task(self.link.run())

    async def _watch(self, stop: threading.Event) -> None:
        while not await asyncio.to_thread(stop.wait, 0.2):
            pass
        self._stopping.set()
        self.link.stop()
        self._follower.wake.set()

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while not await self._stops_within(seconds):
            await step()

    async def _whenever(self, told: asyncio.Event, step: Callable[[], Awaitable[None]]) -> None:
        """At once when `told`, else each tick; the step clears it."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), self.config.tick_s)
            if self._stopping.is_set():
                return
            await step()

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _recover(self) -> None:
        thread = DatabaseThread("marketdata-recovery")
        try:
            await thread(
                recordings_recover,
                directory=self.config.recordings_dir,
                source=self.config.source,
                before=self._now(),
                now=self._now(),
            )
        except AWAY:
            # The rows stay open and are closed by the next session.
            return
        finally:
            await asyncio.to_thread(thread.close)

    async def _tick(self) -> None:
        if not self.recorder.is_running:
            raise RecorderStopped("the recorder's thread has died; a session that records nothing must not go on")
        for snapshot in self._sample():
            self.store.add_book(snapshot)
        await self._flush()

    async def _flush(self) -> bool:
        is_stored = await self._database(self.store.flush, status=self.status(), now=self._now())
        if self.store.take_news():
            self._follower.wake.set()
        return is_stored

    def _sample(self) -> list:
        config = self.config
        return self.feed.sample(
            now=self._now(),
            monotonic=self._clock.monotonic(),
            every_s=config.sample_every_s,
            depth=config.sample_depth,
            limit=config.samples_per_tick,
        )

    def status(self) -> FeedStatus:
        """The feed's row as of now."""
        now = self._now()
        state, reason = feed_state(
            is_connected=self.link.is_connected,
            was_connected=self.link.connections > 0,
            heard_at=self.link.heard_at(now),
            stale_books=len(self.feed.stale_books()),
            followed=len(self.feed.tickers),
            problems=self._problems(),
            connection_error=self.link.connection_error,
            now=now,
        )
        return self._status(state, reason, now)

    def _problems(self) -> list[str | None]:
        dropped = self.recorder.dropped
        return [
            self.recorder.problem,
            f"recording: {dropped} frames are missing" if dropped else None,
            self.store.problem,
            self._lease.problem,
            *self._follower.problems,
        ]

    def _status(self, state: FeedState, reason: str, now: datetime) -> FeedStatus:
        last_ns = self.feed.last_frame_ns
        last_frame_at = self.link.heard_at(now) or (None if last_ns is None else at_ns(last_ns))
        return FeedStatus(
            source=self.config.source,
            state=state,
            reason=reason,
            connected_at=self.link.connected_at,
            last_frame_at=last_frame_at,
            reconnects=max(0, self.link.connections - 1),
            frames=self.feed.counters.frames,
            sequence_gaps=self.feed.books.counters.gaps,
            refused_frames=self.feed.counters.refused.total(),
            unknown_messages=self.feed.counters.unknown_messages,
            unknown_fields=self.link.unknown_fields,
        )

    async def _finish(self, ended: str) -> None:
        """Close the recording first: it is what cannot be made again."""
        self._stopping.set()
        self.link.stop()
        await asyncio.to_thread(self.recorder.stop)
        status = self._status(FeedState.OFF, f"session ended: {ended}", self._now())
        for _ in range(_LAST_FLUSHES):
            if await self._database(self.store.flush, status=status, now=self._now()):
                break
        with contextlib.suppress(*AWAY):
            await self._lease.release()
