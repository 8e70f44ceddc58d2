"""The socket against a small exchange on this machine: subscribe, survive, reconnect, resync."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.server import ServerConnection, serve

from apps.gateway import errors as e
from apps.gateway.clock import SystemClock
from apps.gateway.kalshi.frames import DeltaFrame, ErrorFrame, OkFrame, SnapshotFrame, SubscribedFrame, UnknownFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.signing import Signer, verify
from apps.gateway.kalshi.ws import Connected, Disconnected, Event, KalshiSocket
from tests.gateway.conftest import FakeClock

PATH = "/trade-api/ws/v2"


def snapshot(seq: int, **more: Any) -> dict[str, Any]:
    levels = {"yes_dollars_fp": [["0.4700", "3.00"]]}
    return {"type": "orderbook_snapshot", "sid": 1, "seq": seq, **more, "msg": {"market_ticker": "M", **levels}}


class Exchange:
    """Answers subscribe, update and list; `script` runs after the first subscription of each connection."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.handshakes: list[Any] = []
        self.connections: list[ServerConnection] = []
        self.script: Callable[[ServerConnection, int], Any] | None = None

    async def __call__(self, socket: ServerConnection) -> None:
        self.connections.append(socket)
        assert socket.request is not None
        self.handshakes.append(socket.request)
        number, started = len(self.connections), False
        async for text in socket:
            command = json.loads(text)
            self.commands.append(command)
            for answer in self._answers(command):
                await socket.send(json.dumps(answer))
            if self.script is not None and command["cmd"] == "subscribe" and not started:
                started = True
                await self.script(socket, number)

    @staticmethod
    def _answers(command: dict[str, Any]) -> list[dict[str, Any]]:
        params = command.get("params", {})
        if command["cmd"] == "subscribe":
            return [
                {"id": command["id"], "type": "subscribed", "msg": {"channel": channel, "sid": sid}}
                for sid, channel in enumerate(params["channels"], start=1)
            ]
        if command["cmd"] == "list_subscriptions":
            return [{"id": command["id"], "type": "ok", "msg": [{"channel": "orderbook_delta", "sid": 1}]}]
        if params.get("action") == "get_snapshot":
            return [snapshot(9, id=command["id"])]
        return [{"id": command["id"], "type": "ok", "sid": 1, "seq": 2, "msg": {"market_tickers": ["M"]}}]

    def named(self, cmd: str) -> list[dict[str, Any]]:
        return [command for command in self.commands if command["cmd"] == cmd]


class Listener:
    """Collects events and lets a test wait until one shows up."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, int, bytes]] = []
        self._news = asyncio.Condition()

    async def __call__(self, event: Event, recv_ns: int, raw: bytes) -> None:
        async with self._news:
            self.events.append((event, recv_ns, raw))
            self._news.notify_all()

    def of(self, kind: type) -> list[Any]:
        return [event for event, _, _ in self.events if isinstance(event, kind)]

    async def until(self, kind: type, count: int = 1) -> list[Any]:
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: len(self.of(kind)) >= count), 5)
        return self.of(kind)


class Bench:
    def __init__(self, exchange: Exchange, socket: KalshiSocket, listener: Listener, pauses: list[float]) -> None:
        self.exchange = exchange
        self.socket = socket
        self.listener = listener
        self.pauses = pauses
        self.stop = asyncio.Event()


Start = Callable[..., Any]


@pytest.fixture
def start(private_key: Ed25519PrivateKey) -> Start:
    @asynccontextmanager
    async def run(exchange: Exchange, **options: Any) -> AsyncIterator[Bench]:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(min(seconds, 0.02))

        async with serve(exchange, "127.0.0.1", 0, ping_interval=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            clock = options.pop("clock", SystemClock())
            signer = Signer("key-of-alice", private_key, clock)
            url = f"ws://127.0.0.1:{port}{PATH}"
            socket = KalshiSocket(url, signer, clock, Random(3), Decoder(max_bytes=5000), sleep=sleep, **options)
            bench = Bench(exchange, socket, Listener(), pauses)
            running = asyncio.create_task(socket.run(bench.listener, bench.stop))
            try:
                yield bench
            finally:
                bench.stop.set()
                await asyncio.wait_for(running, 5)

    return run


async def test_upgrade_is_signed_and_the_pricing_flag_is_sent(start: Start, private_key: Ed25519PrivateKey) -> None:
    async with start(Exchange()) as bench:
        await bench.socket.subscribe(["orderbook_delta", "ticker"], ["M"])
        await bench.listener.until(SubscribedFrame, 2)
        headers = bench.exchange.handshakes[0].headers
        ts, signature = headers["KALSHI-ACCESS-TIMESTAMP"], headers["KALSHI-ACCESS-SIGNATURE"]
        assert verify(private_key.public_key(), ts, "GET", PATH, signature)
        command = bench.exchange.named("subscribe")[0]
        assert command["params"]["use_yes_price"] is True
        assert command["params"]["market_tickers"] == ["M"]
        assert bench.socket.is_connected
        assert bench.socket.connected_at_ms is not None


async def test_handler_gets_the_frame_its_time_and_its_exact_bytes(start: Start) -> None:
    exchange = Exchange()
    text = json.dumps(snapshot(1), indent=1)

    async def script(socket: ServerConnection, number: int) -> None:
        await socket.send(text)

    exchange.script = script
    async with start(exchange) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(SnapshotFrame)
        event, recv_ns, raw = bench.listener.events[-1]
        assert isinstance(event, SnapshotFrame)
        assert raw == text.encode()
        times = [ns for _, ns, _ in bench.listener.events]
        assert times == sorted(times)
        assert recv_ns // 1_000_000 == bench.socket.last_frame_at_ms


async def test_a_bad_frame_is_delivered_as_its_error_and_the_connection_stays(start: Start) -> None:
    exchange = Exchange()

    async def script(socket: ServerConnection, number: int) -> None:
        await socket.send("{broken")
        await socket.send("x" * 6000)
        await socket.send(json.dumps(snapshot(1)))

    exchange.script = script
    async with start(exchange) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(SnapshotFrame)
        assert [type(error) for error in bench.listener.of(e.BadMessage)] == [e.MalformedFrame, e.OversizedFrame]
        assert bench.socket.reconnects == 0


async def test_a_message_of_unknown_type_is_refused_only_where_books_are_made(start: Start) -> None:
    exchange = Exchange()

    async def script(socket: ServerConnection, number: int) -> None:
        for sid in (1, 2):
            await socket.send(json.dumps({"type": "orderbook_update_v3", "sid": sid, "seq": 2, "msg": {}}))
        await socket.send(json.dumps(snapshot(3)))

    exchange.script = script
    async with start(exchange) as bench:
        await bench.socket.subscribe(["orderbook_delta", "trade"], ["M"])
        await bench.listener.until(SnapshotFrame)
        assert [type(error) for error in bench.listener.of(e.BadMessage)] == [e.UnknownMessage]
        assert [frame.sid for frame in bench.listener.of(UnknownFrame)] == [2]


async def test_a_lost_connection_is_made_again_with_its_subscriptions(start: Start) -> None:
    exchange = Exchange()

    async def script(socket: ServerConnection, number: int) -> None:
        if number == 1:
            socket.transport.abort()

    exchange.script = script
    async with start(exchange) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.socket.subscribe(["fill"])
        await bench.listener.until(Connected, 2)
        await bench.listener.until(SubscribedFrame, 2)
        assert len(bench.listener.of(Disconnected)) == 1
        ids = {up.connection_id for up in bench.listener.of(Connected)}
        assert len(ids) == 2
        assert bench.socket.reconnects == 1
        assert 1.0 <= bench.pauses[-1] <= 60.0 or 1.0 <= max(bench.pauses) <= 60.0
        again = [c["params"]["channels"] for c in exchange.named("subscribe")][-2:]
        assert again == [["orderbook_delta"], ["fill"]]


async def test_silence_is_a_dead_connection_and_a_ping_is_a_sign_of_life(start: Start, clock: FakeClock) -> None:
    exchange = Exchange()
    async with start(exchange, clock=clock) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(SubscribedFrame)
        for _ in range(3):
            clock.seconds += 10
            answered = await exchange.connections[0].ping(b"heartbeat")
            await asyncio.wait_for(answered, 5)
        await asyncio.sleep(0.05)
        assert bench.socket.reconnects == 0
        clock.seconds += 15
        await bench.listener.until(Connected, 2)
        assert len(bench.listener.of(Disconnected)) == 1


async def test_silence_is_measured_from_the_last_sign_of_life(start: Start, clock: FakeClock) -> None:
    exchange = Exchange()
    async with start(exchange, clock=clock) as bench:
        assert bench.socket.silent_s is None
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(SubscribedFrame)
        clock.seconds += 4
        assert bench.socket.silent_s == 4
        await asyncio.wait_for(await exchange.connections[0].ping(b"heartbeat"), 5)
        assert bench.socket.silent_s == 0
        clock.seconds += 3
        assert bench.socket.silent_s == 3
    assert bench.socket.silent_s is None


async def test_stop_does_not_wait_for_a_server_that_never_answers(signer: Signer) -> None:
    reached = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        while await reader.read(1000):
            pass
        writer.close()

    listener, stop = Listener(), asyncio.Event()
    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        socket = KalshiSocket(f"ws://127.0.0.1:{port}{PATH}", signer, SystemClock(), Random(1))
        running = asyncio.create_task(socket.run(listener, stop))
        await asyncio.wait_for(reached.wait(), 5)
        stop.set()
        await asyncio.wait_for(running, 1.5)
    assert (listener.events, socket.is_connected, socket.reconnects) == ([], False, 0)


async def test_resync_asks_for_a_snapshot_on_the_same_sid(start: Start) -> None:
    async with start(Exchange()) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(SubscribedFrame)
        await bench.socket.resync(1, ["M"])
        frame = (await bench.listener.until(SnapshotFrame))[0]
        command = bench.exchange.named("update_subscription")[0]
        assert command["params"] == {"sids": [1], "action": "get_snapshot", "market_tickers": ["M"]}
        assert frame.id == command["id"]


@pytest.mark.parametrize(("code", "subscribes"), [(10, 2), (25, 2), (27, 1)])
async def test_a_dead_subscription_is_made_again(start: Start, code: int, subscribes: int) -> None:
    exchange = Exchange()

    async def script(socket: ServerConnection, number: int) -> None:
        await socket.send(json.dumps({"type": "error", "sid": 1, "msg": {"code": code, "msg": "x"}}))
        await socket.send(json.dumps(snapshot(1)))

    exchange.script = script
    async with start(exchange) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(ErrorFrame)
        await bench.listener.until(SubscribedFrame, subscribes)
        assert len(exchange.named("subscribe")) == subscribes


async def test_markets_come_and_go_and_ids_rise(start: Start) -> None:
    async with start(Exchange()) as bench:
        wanted = await bench.socket.subscribe(["orderbook_delta"], ["M"])
        await bench.listener.until(SubscribedFrame)
        await bench.socket.add_markets(wanted, ["N", "M"])
        await bench.socket.delete_markets(wanted, ["M"])
        listing = await bench.socket.list_subscriptions()
        oks = await bench.listener.until(OkFrame, 3)
        assert oks[-1].id == listing
        assert oks[-1].subscriptions == (("orderbook_delta", 1),)
        updates = [c["params"] for c in bench.exchange.named("update_subscription")]
        assert [(u["action"], u["market_tickers"]) for u in updates] == [
            ("add_markets", ["N"]),
            ("delete_markets", ["M"]),
        ]
        await bench.socket.unsubscribe(wanted)
        ids = [command["id"] for command in bench.exchange.commands]
        assert ids == sorted(set(ids))


async def test_commands_without_a_connection(signer: Signer) -> None:
    socket = KalshiSocket("ws://127.0.0.1:9/x", signer, SystemClock(), Random(1))
    await socket.subscribe(["fill"])
    with pytest.raises(e.NotConnected):
        await socket.resync(1, ["M"])


async def test_a_refused_connection_backs_off_up_to_a_minute(signer: Signer) -> None:
    pauses: list[float] = []
    stop = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) >= 9:
            stop.set()

    socket = KalshiSocket("ws://127.0.0.1:9/x", signer, SystemClock(), Random(1), sleep=sleep)
    await asyncio.wait_for(socket.run(Listener(), stop), 5)
    assert 1.0 <= pauses[0] <= 1.5
    assert pauses[-1] == 60.0
    assert all(later >= earlier for earlier, later in pairwise(pauses))
    assert socket.last_error is not None


async def test_bursts_keep_their_order(start: Start) -> None:
    exchange = Exchange()

    async def script(socket: ServerConnection, number: int) -> None:
        await socket.send(json.dumps(snapshot(1)))
        for seq in range(2, 502):
            msg = {"market_ticker": "M", "price_dollars": "0.4700", "delta_fp": "1.00", "side": "yes"}
            await socket.send(json.dumps({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": msg}))

    exchange.script = script
    async with start(exchange) as bench:
        await bench.socket.subscribe(["orderbook_delta"], ["M"])
        deltas = await bench.listener.until(DeltaFrame, 500)
        assert [delta.seq for delta in deltas] == list(range(2, 502))
