from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from apps.engine.grid import LINEAR_CENT, price_grid
from apps.gateway.errors import NotConnected
from apps.gateway.kalshi.recordings import RecordedFrame, read_recording
from apps.governance.choices import Severity
from apps.marketdata.feeds import link as link_module
from apps.marketdata.feeds import subscription as subscription_module
from apps.marketdata.feeds.kalshi import MARKET_CHANNELS, KalshiFeed
from apps.marketdata.feeds.link import KalshiLink
from apps.marketdata.feeds.store import FeedStore
from apps.marketdata.recorder import Recorder, RecorderConfig
from apps.marketdata.selectors import OpenMarket
from tests import factories

from . import wire
from .fakes import FakeClock, FakeSocket


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happened")


def recorded(directory: Path) -> list[RecordedFrame]:
    (path,) = directory.rglob("*.jsonl.gz")
    return list(read_recording(path))


class Rig:
    def __init__(self, tmp_path: Path, *tickers: str, **recorder: int) -> None:
        self.clock = FakeClock()
        self.store = FeedStore()
        self.feed = KalshiFeed(self.store)
        self.recorder = Recorder(
            directory=tmp_path,
            source="ws://x",
            session="1",
            on_segment=self.store.add_segment,
            config=RecorderConfig(**recorder),
        )
        self.sockets: list[FakeSocket] = []
        self.refuse: Exception | None = None
        self.scope(*tickers)
        self.link = KalshiLink(
            make_socket=self._make,  # type: ignore[arg-type]
            recorder=self.recorder,
            feed=self.feed,
            store=self.store,
            clock=self.clock,
        )

    def _make(self) -> FakeSocket:
        socket = FakeSocket(self.clock)
        socket.fails = self.refuse
        self.sockets.append(socket)
        return socket

    @property
    def socket(self) -> FakeSocket:
        return self.sockets[-1]

    def scope(self, *tickers: str) -> None:
        grid = price_grid(LINEAR_CENT)
        self.feed.set_scope(
            [OpenMarket(n, t, "KXA-26", "KXA", "", factories.NOW, grid, None) for n, t in enumerate(tickers)]
        )

    def asked(self) -> list[tuple]:
        found, self.socket.asked = self.socket.asked, []
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.link.run())
        await until(lambda: bool(self.sockets))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            self.link.stop()
            await task
            self.recorder.stop()

    async def up(self, *snapshots: str) -> None:
        await self.socket.connect()
        await self.socket.confirm()
        await self.socket.give(*(wire.snapshot(t, n) for n, t in enumerate(snapshots, 1)))
        self.asked()


async def test_subscribes_to_the_scope_and_follows_its_changes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A", "B")
    async with rig.running():
        assert rig.asked() == [
            ("subscribe", ("market_lifecycle_v2",), ()),
            ("subscribe", MARKET_CHANNELS, ("A", "B")),
        ]
        await rig.up("A", "B")
        rig.scope("B", "C")
        await rig.link.step()
        assert rig.asked() == [("add", ("C",)), ("delete", ("A",))]


async def test_last_market_of_a_subscription_is_replaced_and_never_deleted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A", "B")
    async with rig.running():
        await rig.up("A", "B")
        rig.scope("C")
        await rig.link.step()
        assert rig.asked() == [("add", ("C",)), ("delete", ("A", "B"))]
        rig.scope()
        await rig.link.step()
        await rig.link.step()
        assert rig.asked() == []
        rig.scope("D")
        await rig.link.step()
        assert rig.asked() == [("add", ("D",)), ("delete", ("C",))]
        # The exchange answers error 11 where this fails, and it would be told.
        assert rig.store.waiting == 0


async def test_all_but_one_market_are_deleted_when_none_is_wanted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A", "B", "C")
    async with rig.running():
        await rig.up("A", "B", "C")
        rig.scope()
        await rig.link.step()
        assert rig.asked() == [("delete", ("A", "B"))]
        # What it still sends of the one that stays keeps the sequence; nothing is kept of it.
        await rig.socket.give(wire.delta("C", 4), wire.delta("C", 5), wire.snapshot("C", 6))
        assert (rig.feed.books.last_seq(1), rig.feed.books.tickers, rig.feed.stale_books()) == (6, (), [])
        assert rig.feed.books.counters.gaps == 0


async def test_book_of_a_market_that_comes_back_is_asked_for(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.up("A")
        rig.scope()
        await rig.link.step()
        rig.scope("A")
        await rig.link.step()
        assert rig.asked() == [("resync", 1, ("A",))]
        await rig.socket.give(wire.snapshot("A", 2))
        assert rig.feed.has_quotable_book()


async def test_market_kept_as_the_last_is_not_asked_for_on_the_next_connection(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.up("A")
        rig.scope()
        await rig.link.step()
        await rig.socket.lose()
        assert rig.asked() == [("unsubscribe", MARKET_CHANNELS)]
        rig.scope("B")
        await rig.link.step()
        assert rig.asked() == [("subscribe", MARKET_CHANNELS, ("B",))]


async def test_markets_that_come_after_a_time_without_any_get_their_time_to_be_confirmed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.running():
        await rig.socket.connect()
        await rig.socket.confirm("market_lifecycle_v2")
        rig.clock.advance(600)
        rig.scope("A")
        await rig.link.step()
        assert ("subscribe", MARKET_CHANNELS, ("A",)) in rig.asked()
        rig.clock.advance(9)
        await rig.link.step()
        assert rig.link.connection_error is None
        rig.clock.advance(1)
        await rig.link.step()
        assert rig.link.connection_error == "the exchange did not confirm the subscriptions"


async def test_channel_the_exchange_ended_gets_its_time_to_be_confirmed_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.up("A")
        await rig.link.step()
        rig.clock.advance(600)
        await rig.socket.give(b'{"type":"error","sid":1,"seq":2,"msg":{"code":25,"msg":"overflow"}}')
        await rig.link.step()
        rig.clock.advance(9)
        await rig.link.step()
        assert rig.link.connection_error is None
        rig.clock.advance(1)
        await rig.link.step()
        assert rig.link.connection_error == "the exchange did not confirm the subscriptions"


async def test_large_scope_is_asked_for_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "TICKERS_PER_COMMAND", 2)
    rig = Rig(tmp_path, *"ABCDE")
    async with rig.running():
        assert rig.asked()[1] == ("subscribe", MARKET_CHANNELS, ("A", "B"))
        await rig.up()
        await rig.link.step()
        assert rig.asked() == [("add", ("C", "D")), ("add", ("E",))]


async def test_scope_is_not_changed_before_the_exchange_has_confirmed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.socket.connect()
        rig.asked()
        rig.scope("A", "B")
        await rig.link.step()
        assert rig.asked() == []
        await rig.socket.confirm()
        await rig.link.step()
        assert ("add", ("B",)) in rig.asked()


async def test_gap_asks_for_all_books_of_the_subscription_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A", "B")
    async with rig.running():
        await rig.up("A", "B")
        await rig.link.step()
        assert rig.asked() == []
        assert not rig.link.gap.is_set()
        await rig.socket.give(wire.delta("A", 9))
        assert rig.link.gap.is_set()
        await rig.link.step()
        assert rig.asked() == [("resync", 1, ("A", "B"))]
        await rig.socket.give(wire.snapshot("A", 10), wire.snapshot("B", 11))
        rig.clock.advance(60)
        await rig.link.step()
        assert rig.asked() == []


async def test_every_frame_is_recorded_with_its_connection_refused_ones_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    frames = [wire.snapshot("A", 1), b"{broken", wire.delta("A", 2), b"", wire.raw("odd", 1, 3)]
    async with rig.running():
        await rig.socket.connect()
        await rig.socket.give(*frames)
        await rig.socket.lose()
        await rig.socket.connect()
        rig.clock.advance(1)
        await rig.socket.give(wire.snapshot("A", 1))
    found = recorded(tmp_path)
    assert [f.raw for f in found] == [*frames, wire.snapshot("A", 1)]
    assert [f.connection_id for f in found] == ["c1"] * 5 + ["c2"]
    assert found[-1].recv_ns == rig.clock.ms * 1_000_000
    assert rig.feed.counters.refused.total() == 2


async def test_lost_connection_makes_the_books_unquotable_and_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.up("A")
        assert rig.feed.has_quotable_book()
        await rig.socket.lose("closed: 1012")
        assert not rig.feed.has_quotable_book()
        assert not rig.link.is_connected
        await rig.up("A")
        assert rig.feed.has_quotable_book()
        assert rig.link.connections == 2
        # disconnected, reconnected
        assert rig.store.waiting == 2


async def test_unconfirmed_subscriptions_bring_a_new_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "RESTART_PAUSE_S", 0.001)
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.socket.connect()
        await rig.socket.confirm("orderbook_delta", "ticker")
        rig.clock.advance(9)
        await rig.link.step()
        assert len(rig.sockets) == 1
        rig.clock.advance(2)
        await rig.link.step()
        await until(lambda: len(rig.sockets) == 2)
        assert rig.link.connection_error == "the exchange did not confirm the subscriptions"


async def test_error_inside_the_socket_is_shown_and_a_new_one_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "RESTART_PAUSE_S", 0.001)
    rig = Rig(tmp_path, "A")
    rig.refuse = NotConnected("lost while sending")
    async with rig.running():
        await until(lambda: len(rig.sockets) >= 3)
        assert rig.link.connection_error == "NotConnected: lost while sending"
        rig.refuse = None
        before = len(rig.sockets)
        await until(lambda: len(rig.sockets) > before)
        await rig.up("A")
        assert rig.feed.has_quotable_book()


async def test_command_that_meets_a_dying_connection_is_tried_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    async with rig.running():
        await rig.up("A")
        rig.scope("A", "B")
        rig.socket.refuses_commands = True
        await rig.link.step()
        rig.socket.refuses_commands = False
        await rig.link.step()
        assert rig.asked()[0] == ("add", ("B",))


async def test_full_recorder_is_told_as_critical(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A", max_queued_frames=1)
    told: list[tuple] = []
    rig.store.report = lambda code, severity, *_, **details: told.append((code, severity, details))  # type: ignore[assignment, method-assign, misc]
    async with rig.running():
        await rig.socket.connect()
        await rig.socket.give(wire.snapshot("A", 1), wire.delta("A", 2), wire.delta("A", 3))
        assert rig.recorder.dropped == 2
    assert [(code, severity) for code, severity, _ in told] == [("RECORDER_OVERFLOW", Severity.CRITICAL)] * 2
    assert told[-1][2]["dropped_in_total"] == 2


async def test_ping_of_the_exchange_counts_as_a_sign_of_life(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A")
    now = factories.NOW
    assert rig.link.heard_at(now) is None
    async with rig.running():
        await rig.up("A")
        rig.clock.advance(20)
        assert rig.link.heard_at(now) == now - timedelta(seconds=20)
        rig.socket.ping()
        assert rig.link.heard_at(now) == now
        await rig.socket.lose()
        assert rig.link.heard_at(now) is None
