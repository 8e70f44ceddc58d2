"""What can go wrong between the exchange and a socket: single frames, one channel, the whole connection."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from apps.gateway.errors import BadMessage
from apps.gateway.kalshi.ws import Disconnected, Event
from apps.simulation.exchange.socket_faults import PRIVATE_CHANNELS, SocketFaultKind, SocketFaults, SocketPlan

from .desk import Desk
from .venue import TICKER, Client

K = SocketFaultKind


def step(craig: Client, times: int = 1) -> None:
    """Book changes, one delta each."""
    for _ in range(times):
        craig.place(count="1.00")


def seqs(frames: list[Any]) -> list[int]:
    return [f["seq"] for f in frames]


def faults(desk: Desk) -> SocketFaults:
    return desk.venue.exchange.socket_faults


def test_a_dropped_frame_leaves_a_gap() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("orderbook_delta", market_ticker=TICKER)
        faults(desk).plan(K.DROPPED, "orderbook_delta")
        step(desk.craig, 3)
        assert seqs(await desk.frames(socket)) == [3, 4]

    Desk().run(script)


def test_a_duplicated_frame_comes_twice() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("orderbook_delta", market_ticker=TICKER)
        faults(desk).plan(K.DUPLICATED, "orderbook_delta")
        step(desk.craig, 2)
        assert seqs(await desk.frames(socket)) == [2, 2, 3]

    Desk().run(script)


def test_a_reordered_frame_comes_after_the_next_or_alone_in_the_end() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("orderbook_delta", market_ticker=TICKER)
        faults(desk).plan(K.REORDERED)
        step(desk.craig, 3)
        assert seqs(await desk.frames(socket)) == [3, 2, 4]
        faults(desk).plan(K.REORDERED)
        step(desk.craig)
        assert await desk.frames(socket) == []
        await asyncio.sleep(5.0)
        assert seqs(await desk.frames(socket)) == [5]

    Desk().run(script)


def test_a_delayed_frame_holds_up_its_channel_and_no_other() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("orderbook_delta", "user_orders", market_ticker=TICKER)
        faults(desk).random = SocketPlan(1.0, (K.DELAYED,), Random(1), PRIVATE_CHANNELS, late_s=(2.0, 2.0))
        step(desk.craig)
        faults(desk).random = None
        step(desk.craig)
        assert [f["type"] for f in await desk.frames(socket)] == ["orderbook_delta", "orderbook_delta"]
        # REST knows both orders long before the private channel tells of the first.
        assert len(desk.craig.get("/portfolio/orders?status=resting")["orders"]) == 2
        await asyncio.sleep(2.0)
        late = await desk.frames(socket)
        assert [f["msg"]["client_order_id"] for f in late] == ["craig-1", "craig-2"]

    Desk().run(script)


def test_private_frames_can_be_lost_while_the_public_ones_come() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("fill", "user_orders", "trade", market_ticker=TICKER)
        faults(desk).random = SocketPlan(1.0, (K.DROPPED,), Random(1), PRIVATE_CHANNELS)
        desk.craig.place("bid", "0.6000", "5.00")
        assert [f["type"] for f in await desk.frames(socket)] == ["trade"]
        assert len(desk.craig.get("/portfolio/fills")["fills"]) == 1

    Desk().run(script)


def test_a_plan_can_hit_one_account_only() -> None:
    async def script(desk: Desk) -> None:
        faults(desk).random = SocketPlan(1.0, (K.DROPPED,), Random(1), accounts=("cliff",))
        socket = await desk.listen("orderbook_delta", market_ticker=TICKER)
        step(desk.craig)
        assert seqs(await desk.frames(socket)) == [2]

    Desk().run(script)


@pytest.mark.parametrize("kind", [K.CUT, K.CORRUPT])
def test_a_spoiled_frame_is_refused_by_the_gateway_and_leaves_a_gap(kind: SocketFaultKind) -> None:
    async def script(desk: Desk) -> None:
        events: list[Event] = []

        async def handler(event: Event, recv_ns: int, raw: bytes) -> None:
            del recv_ns, raw
            events.append(event)

        socket, stop = desk.socket(), asyncio.Event()
        running = asyncio.ensure_future(socket.run(handler, stop))
        await socket.subscribe(["orderbook_delta"], [TICKER])
        await asyncio.sleep(0.1)
        for _ in range(40):
            faults(desk).plan(kind, "orderbook_delta")
            step(desk.craig)
            await asyncio.sleep(0.01)
        assert sum(isinstance(e, BadMessage) for e in events) == 40
        assert not any(isinstance(e, Disconnected) for e in events)
        stop.set()
        await running

    Desk().run(script)


def test_a_huge_frame_ends_the_connection() -> None:
    async def script(desk: Desk) -> None:
        faults(desk).huge_bytes = 10_000
        socket = await desk.connect(max_size=9_000)
        faults(desk).plan(K.HUGE)
        await socket.send('{"id":1,"cmd":"list_subscriptions"}')
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        assert socket.close_code == 1009

    Desk().run(script)


def test_one_channel_can_die_until_the_next_connection() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("orderbook_delta", "user_orders", market_ticker=TICKER)
        faults(desk).plan(K.CHANNEL_DEAD, "user_orders")
        step(desk.craig, 2)
        assert [f["type"] for f in await desk.frames(socket)] == ["orderbook_delta", "orderbook_delta"]
        again = await desk.listen("user_orders", market_ticker=TICKER)
        step(desk.craig)
        assert [f["type"] for f in await desk.frames(again)] == ["user_order"]

    Desk().run(script)


def test_a_silent_socket_stays_open_without_frames_or_pings_until_the_gateway_gives_up() -> None:
    async def script(desk: Desk) -> None:
        events: list[tuple[float, str]] = []

        async def handler(event: Event, recv_ns: int, raw: bytes) -> None:
            del recv_ns, raw
            events.append((desk.loop.time(), type(event).__name__))

        socket, stop = desk.socket(), asyncio.Event()
        running = asyncio.ensure_future(socket.run(handler, stop))
        await socket.subscribe(["orderbook_delta"], [TICKER])
        await asyncio.sleep(20.0)
        faults(desk).plan(K.SILENT, "orderbook_delta")
        step(desk.craig, 3)
        assert len(events) == 3
        await asyncio.sleep(30.0)
        at, kind = events[3]
        assert kind == "Disconnected"
        assert 25.0 <= at <= 36.0
        assert [kind for _, kind in events[4:]] == ["Connected", "SubscribedFrame", "SnapshotFrame"]
        stop.set()
        await running

    Desk().run(script)


@pytest.mark.parametrize(("kind", "code"), [(K.DISCONNECT, 1012), (K.ABORT, 1006)])
def test_a_connection_can_end_with_and_without_a_handshake(kind: SocketFaultKind, code: int) -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.listen("orderbook_delta", market_ticker=TICKER)
        faults(desk).plan(kind, "orderbook_delta")
        step(desk.craig, 2)
        await asyncio.sleep(0.01)
        assert socket.close_code == code
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        assert desk.venue.app.hub.connections == []

    Desk().run(script)


def test_a_run_with_every_fault_repeats_exactly() -> None:
    async def script(desk: Desk) -> list[Any]:
        plan = SocketPlan(0.3, tuple(SocketFaultKind), Random(4))
        faults(desk).random, faults(desk).rng, faults(desk).huge_bytes = plan, Random(5), 1000
        log: list[Any] = []
        for _ in range(60):
            socket = await desk.connect()
            await socket.send(
                '{"id":1,"cmd":"subscribe","params":{"channels":["orderbook_delta","user_orders"],'
                f'"market_ticker":"{TICKER}"}}}}'
            )
            for _ in range(4):
                step(desk.craig)
                await asyncio.sleep(0.5)
            log += [*await desk.frames(socket), socket.close_code, desk.loop.time()]
            await socket.close()
        return [*log, dict(faults(desk).given)]

    first, second = Desk().run(script), Desk().run(script)
    assert first == second
    assert set(first[-1]) == {k.value for k in SocketFaultKind}


@pytest.mark.parametrize(("rate", "kinds"), [(-0.1, (K.CUT,)), (2.0, (K.CUT,)), (0.5, ())])
def test_a_plan_that_makes_no_sense_is_refused(rate: float, kinds: tuple[SocketFaultKind, ...]) -> None:
    with pytest.raises(ValueError, match="fault"):
        SocketPlan(rate, kinds, Random(1))
