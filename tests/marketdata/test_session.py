from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connections

from apps.core.database_thread import DatabaseThread
from apps.core.leases import LeaseLost, lease_acquire, lease_is_held
from apps.core.models import Lease
from apps.gateway.errors import ConnectFailed
from apps.gateway.kalshi.recordings import read_recording
from apps.governance.models import SystemEvent
from apps.marketdata.exceptions import RecorderStopped
from apps.marketdata.feeds import lease as lease_module
from apps.marketdata.feeds import scope as scope_module
from apps.marketdata.feeds import store as store_module
from apps.marketdata.feeds.lease import LeaseKeeper
from apps.marketdata.feeds.scope import FollowPace
from apps.marketdata.mapping import at_ms
from apps.marketdata.models import BookSnapshot, Feed, Market, PublicTrade, Recording
from apps.marketdata.session import Clients, MarketDataSession, SessionConfig

from . import wire
from .fakes import START_MS, FakeClock, FakeRest, FakeSocket

pytestmark = pytest.mark.django_db(transaction=True)
OPEN = "2025-11-01T00:00:00Z"
CLOSE = "2025-12-01T00:00:00Z"


def open_event(*tickers: str) -> Any:
    markets = [wire.market_body(ticker=t, open_time=OPEN, close_time=CLOSE) for t in tickers]
    return wire.event(markets=markets)


async def in_db(query: Callable[[], Any]) -> Any:
    def ask() -> Any:
        try:
            return query()
        finally:
            connections.close_all()

    return await sync_to_async(ask, thread_sensitive=False)()


class Rig:
    def __init__(self, tmp_path: Path, *tickers: str, pace: FollowPace | None = None) -> None:
        self.clock = FakeClock()
        self.rest = FakeRest()
        self.rest.open_events = [open_event(*tickers)] if tickers else []
        self.sockets: list[FakeSocket] = []
        self.stop = threading.Event()
        self.directory = tmp_path
        config = SessionConfig(
            recordings_dir=tmp_path,
            source="ws://x",
            holder="test",
            tick_s=0.02,
            pace=pace or FollowPace(scope_s=0.03, catalogue_s=10_000, retry_s=1.0),
        )
        self.session = MarketDataSession(
            config=config,
            clients=Clients(make_socket=self._socket, make_rest=lambda: self.rest),  # type: ignore[arg-type, return-value]
            clock=self.clock,
        )

    def _socket(self) -> FakeSocket:
        self.sockets.append(FakeSocket(self.clock))
        return self.sockets[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeSocket]:
        self.task = asyncio.create_task(self.session.run(self.stop))
        try:
            await self.until(lambda: bool(self.sockets) and bool(self.sockets[-1].asked))
            await asyncio.sleep(0.01)
            yield self.sockets[-1]
        finally:
            self.stop.set()
            self.ended = await self.task

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(600):
            if self.task.done():
                self.task.result()
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never happened")

    async def until_stored(self, query: Callable[[], Any]) -> None:
        for _ in range(200):
            if await in_db(query):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it never was stored")

    def recorded(self) -> list[bytes]:
        return [f.raw for p in sorted(self.directory.rglob("*.jsonl.gz")) for f in read_recording(p)]


async def test_session_follows_records_and_stores_what_it_sees(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1", "KXA-26-T2")
    frames = [
        wire.snapshot("KXA-26-T1", 1),
        wire.snapshot("KXA-26-T2", 2),
        wire.trade("KXA-26-T1", "trade-1"),
        wire.trade("KXA-26-T1", "trade-1", seq=2),
        b"{broken",
        wire.lifecycle("deactivated", "KXA-26-T2"),
    ]
    async with rig.running() as socket:
        assert [a[0] for a in socket.asked] == ["subscribe", "subscribe"]
        await socket.connect()
        await socket.confirm()
        await socket.give(*frames[:-1])
        await rig.until_stored(lambda: PublicTrade.objects.exists() and BookSnapshot.objects.count() == 2)
        await socket.give(frames[-1])
        await rig.until_stored(lambda: Feed.objects.filter(state="live", frames=10).exists())
        # The halted market leaves the scope.
        await rig.until(lambda: ("delete", ("KXA-26-T2",)) in socket.asked)
        assert await in_db(lambda: lease_is_held(name="marketdata", now=at_ms(START_MS)))
    assert rig.ended == "stopped"
    assert await in_db(PublicTrade.objects.count) == 1
    feed = await in_db(Feed.objects.get)
    assert (feed.state, feed.reason) == ("off", "session ended: stopped")
    assert (feed.refused_frames, feed.last_frame_at) == (1, at_ms(START_MS))
    recording = await in_db(Recording.objects.get)
    assert (recording.frames, recording.source) == (10, "ws://x")
    assert len(recording.sha256) == 64
    assert rig.recorded()[4:] == frames
    assert not await in_db(lambda: lease_is_held(name="marketdata", now=at_ms(START_MS)))
    assert await in_db(lambda: SystemEvent.objects.get().code) == "FRAME_REFUSED"


async def test_second_session_ends_at_once_while_the_first_holds_the_lease(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    await in_db(lambda: lease_acquire(name="marketdata", holder="other", now=at_ms(START_MS)))
    assert await rig.session.run(rig.stop) == "held"
    assert rig.sockets == []
    assert await in_db(lambda: Lease.objects.get().holder) == "other"


async def test_session_that_lost_its_lease_stops(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    async with rig.running() as socket:
        await socket.connect()
        await in_db(lambda: Lease.objects.update(token=99, holder="other"))
        await rig.until(rig.task.done)
    assert rig.ended == "lease lost"
    assert await in_db(lambda: Lease.objects.get().holder) == "other"


async def test_database_that_goes_away_and_returns_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    away = threading.Event()

    def guard(module: Any, name: str) -> None:
        real = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if away.is_set():
                raise OperationalError("server closed the connection unexpectedly")
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, call)

    for name in ("public_trades_store", "book_snapshot_store", "feed_update", "recording_open"):
        guard(store_module, name)
    guard(lease_module, "lease_renew")
    guard(scope_module, "markets_in_scope")
    async with rig.running() as socket:
        await socket.connect()
        await socket.confirm()
        away.set()
        await socket.give(
            wire.snapshot("KXA-26-T1", 1), *(wire.trade("KXA-26-T1", f"t{n}", seq=n) for n in range(1, 9))
        )
        await rig.until(lambda: "server closed" in rig.session.status().reason)
        await rig.until(lambda: "lease not renewed" in rig.session.status().reason)
        assert rig.session.status().state == "degraded"
        # The lease runs out meanwhile; nobody could take it, so it is ours again when the database is back.
        rig.clock.advance(30)
        socket.ping()
        away.clear()
        await rig.until_stored(lambda: PublicTrade.objects.count() == 8 and BookSnapshot.objects.count() == 1)
        await rig.until(lambda: rig.session.status().reason == "")
        assert await in_db(lambda: Lease.objects.get().token) == 2
    assert rig.ended == "stopped"
    assert len(rig.recorded()) == 13
    assert await in_db(lambda: Recording.objects.get().frames) == 13


async def test_exchange_that_is_away_at_the_start_is_told_and_read_later(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    rig.rest.fails = ConnectFailed("GET /events: ConnectError")
    async with rig.running() as socket:
        assert "catalogue not read: ConnectFailed" in rig.session.status().reason
        assert rig.session.status().state == "connecting"
        rig.rest.fails = None
        rig.clock.advance(1)
        await rig.until(lambda: ("subscribe", ("orderbook_delta", "ticker", "trade"), ("KXA-26-T1",)) in socket.asked)
        assert "catalogue" not in rig.session.status().reason
    assert rig.rest.closed == sum(1 for call in rig.rest.calls if call[0] == "events")


async def test_market_created_while_running_is_followed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    async with rig.running() as socket:
        await socket.connect()
        await socket.confirm()
        rig.rest.open_events = [open_event("KXA-26-T1", "KXA-26-T9")]
        await socket.give(wire.lifecycle("created", "KXA-26-T9"))
        await rig.until(lambda: ("add", ("KXA-26-T9",)) in socket.asked)
    assert await in_db(Market.objects.count) == 2


async def test_market_that_the_read_side_does_not_know_yet_is_read_for_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    async with rig.running() as socket:
        await socket.connect()
        await socket.confirm()
        await socket.give(wire.lifecycle("created", "KXA-26-T9"))
        await rig.until(lambda: rig.rest.closed == 2)
        rig.rest.open_events = [open_event("KXA-26-T1", "KXA-26-T9")]
        rig.clock.advance(5)
        await rig.until(lambda: ("add", ("KXA-26-T9",)) in socket.asked)


async def test_news_of_the_socket_is_followed_without_waiting_for_the_next_reading(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1", "KXA-26-T2", pace=FollowPace(scope_s=10_000, catalogue_s=10_000))
    async with rig.running() as socket:
        await socket.connect()
        await socket.confirm()
        await socket.give(wire.lifecycle("deactivated", "KXA-26-T2"))
        await rig.until(lambda: ("delete", ("KXA-26-T2",)) in socket.asked)


async def test_session_whose_recorder_died_does_not_go_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "KXA-26-T1")
    run = rig.task = asyncio.create_task(rig.session.run(rig.stop))
    await rig.until(lambda: bool(rig.sockets))
    rig.session.recorder._stop.set()
    with pytest.raises(ExceptionGroup) as raised:
        await run
    assert raised.group_contains(RecorderStopped)
    assert not await in_db(lambda: lease_is_held(name="marketdata", now=at_ms(START_MS)))


async def test_lease_in_another_hand_is_noticed_at_the_first_renewal() -> None:
    run = DatabaseThread("test-lease")
    clock = FakeClock()
    keeper = LeaseKeeper(name="x", holder="a", run=run, now=lambda: at_ms(clock.now_ms()))
    try:
        assert await keeper.acquire()
        await keeper.step()
        clock.advance(6)
        await run(lease_acquire, name="x", holder="b", now=at_ms(clock.now_ms()))
        with pytest.raises(LeaseLost):
            await keeper.step()
        await keeper.release()
        assert await run(lease_is_held, name="x", now=at_ms(clock.now_ms()))
    finally:
        run.close()
