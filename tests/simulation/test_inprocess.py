"""The exchange without a network: the gateway's own clients, time-outs, refusals, and runs that repeat exactly."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import httpx2
import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from apps.engine.types import OrderIntent, Side
from apps.gateway.kalshi.limits import basic_budget
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer
from apps.gateway.kalshi.venue import KalshiVenue
from apps.gateway.kalshi.ws import Event
from apps.simulation.exchange.faults import FaultKind
from apps.simulation.exchange.rest.call import BASE

from .desk import HOST, URI, Desk
from .venue import ORDERS, TICKER, key_of


def test_a_request_is_answered_without_a_network() -> None:
    async def script(desk: Desk) -> None:
        created = await desk.send("POST", ORDERS, desk.craig.body())
        assert created.status_code == 201
        assert (await desk.send("DELETE", ORDERS)).status_code == 204
        assert desk.craig.order(created.json()["order_id"])["status"] == "canceled"

    Desk().run(script)


def test_a_client_that_gives_up_gets_a_timeout_and_the_effect_still_comes() -> None:
    async def script(desk: Desk) -> None:
        desk.venue.exchange.faults.plan(FaultKind.SILENCE_AFTER, "POST", BASE + ORDERS)
        before = desk.loop.time()
        with pytest.raises(httpx2.ReadTimeout):
            await desk.send("POST", ORDERS, desk.craig.body(), timeout_s=2.0)
        assert desk.loop.time() - before == pytest.approx(2.0)
        assert len(desk.craig.get("/portfolio/orders")["orders"]) == 1

    Desk().run(script)


def test_an_exchange_out_of_reach_refuses_requests_and_sockets() -> None:
    async def script(desk: Desk) -> None:
        desk.network.is_reachable = False
        with pytest.raises(httpx2.ConnectError):
            await desk.send("GET", "/exchange/status")
        with pytest.raises(ConnectionRefusedError):
            await desk.connect()

    Desk().run(script)


def test_an_unsigned_socket_is_denied() -> None:
    async def script(desk: Desk) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await desk.network.connect(URI)
        assert refused.value.response.status_code == 401
        assert desk.network.sockets == []

    Desk().run(script)


def test_the_gateways_socket_subscribes_hears_pings_and_reconnects() -> None:
    async def script(desk: Desk) -> None:
        kinds: list[str] = []

        async def handler(event: Event, recv_ns: int, raw: bytes) -> None:
            del recv_ns, raw
            kinds.append(type(event).__name__)

        socket, stop = desk.socket(), asyncio.Event()
        running = asyncio.ensure_future(socket.run(handler, stop))
        await socket.subscribe(["orderbook_delta"], [TICKER])
        # Four times the silence it bears: only the server's pings keep it open.
        await asyncio.sleep(60.0)
        assert kinds == ["Connected", "SubscribedFrame", "SnapshotFrame"]
        desk.venue.app.hub.drop_all()
        await asyncio.sleep(5.0)
        assert kinds[3:] == ["Disconnected", "Connected", "SubscribedFrame", "SnapshotFrame"]
        stop.set()
        await running
        await asyncio.sleep(0.01)
        assert desk.venue.app.hub.connections == []

    Desk().run(script)


def test_an_oversized_frame_ends_the_connection_like_the_library_does() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.connect(max_size=150)
        command = {"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_ticker": TICKER}}
        await socket.send(json.dumps(command))
        assert json.loads(await socket.recv(decode=False))["type"] == "subscribed"
        with pytest.raises(ConnectionClosedError):
            await socket.recv()
        assert socket.close_code == 1009

    Desk().run(script)


def test_a_client_that_does_not_read_overflows_at_the_exchange() -> None:
    async def script(desk: Desk) -> None:
        socket = await desk.connect(max_queue=4)
        await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["user_orders"]}}))
        await asyncio.sleep(0)
        for _ in range(12):
            desk.craig.place()
            await asyncio.sleep(0.01)
        kinds = [json.loads(await socket.recv())["type"]]
        while kinds[-1] != "error":
            kinds.append(json.loads(await socket.recv())["type"])
        assert kinds.count("user_order") < 12

    Desk(max_pending_frames=3).run(script)


def test_a_run_repeats_exactly() -> None:
    async def script(desk: Desk) -> list[str]:
        log: list[str] = []
        socket = await desk.connect()
        channels = {"channels": ["orderbook_delta", "user_orders", "fill"], "market_ticker": TICKER}
        await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": channels}))
        log += [(await desk.send("POST", ORDERS, desk.craig.body(price=f"0.{35 + i}00"))).text for i in range(20)]
        desk.network.is_reachable = False
        await asyncio.sleep(1.0)
        await socket.close()
        with suppress(ConnectionClosedOK):
            while True:
                log.append(str(await socket.recv()))
        return log

    first, second = Desk().run(script), Desk().run(script)
    assert len(first) > 60
    assert first == second


def test_the_gateways_venue_trades_through_it() -> None:
    async def script(desk: Desk) -> None:
        signer = Signer("craig", key_of("craig"), desk.clock)
        async with desk.network.client() as client:
            rest = KalshiRest(f"{HOST}{BASE}", signer, basic_budget(desk.clock), desk.clock, client=client)
            venue = KalshiVenue(rest)
            group = await venue.create_group(100)
            intent = OrderIntent("one", TICKER, Side.BID, 4100, 500, order_group_id=group)
            ack = await venue.submit(intent)
            assert [o.order_id for o in await venue.open_orders()] == [ack.order_id]
            await venue.trigger_group(group)
            assert await venue.open_orders() == []

    Desk().run(script)
