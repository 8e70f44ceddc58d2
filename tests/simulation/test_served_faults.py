"""The same faults behind a real port: control, the one Date header, a silent socket, a broken one, the command."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from cryptography.hazmat.primitives import serialization
from websockets.exceptions import ConnectionClosedError

from apps.gateway.clock import SystemClock
from apps.gateway.kalshi.signing import Signer, load_private_key
from apps.simulation.exchange.app import WS_PATH
from apps.simulation.exchange.rest.call import BASE
from apps.simulation.exchange.runner import _WebSocket
from apps.simulation.exchange.socket_faults import SocketFaultKind

from .server import KEY_ID, Served, served
from .venue import key_of

ROOT = Path(__file__).parents[2]


def headers(server: Served, method: str, path: str) -> dict[str, str]:
    return Signer(KEY_ID, load_private_key(server.key_path.read_bytes()), SystemClock()).headers(method, path)


async def listening(server: Served) -> Any:
    socket = await websockets.connect(server.ws_url, additional_headers=headers(server, "GET", WS_PATH))
    await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker", "trade"]}}))
    await socket.recv()
    return socket


async def drain(socket: Any) -> None:
    while await socket.recv():
        pass


async def test_control_stats_and_one_date(tmp_path: Path) -> None:
    async with served(tmp_path, with_controls=True) as server, httpx2.AsyncClient(trust_env=False) as client:
        host = f"http://127.0.0.1:{server.port}"
        paused = await client.post(f"{host}/sim/control", json={"do": "pause_exchange"})
        assert paused.json()["exchange_active"] is False
        await client.post(f"{host}/sim/control", json={"do": "skew", "ms": -3_600_000})
        reply = await client.get(f"{host}{BASE}/exchange/status")
        assert reply.json()["exchange_active"] is False
        [date] = reply.headers.get_list("date")
        assert date.endswith("GMT")
        assert (await client.get(f"{host}/sim/stats")).json()["keys"][KEY_ID]["refused"] == {}


async def test_a_silent_socket_stays_open_and_says_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, rate=2000.0) as server:
        socket = await listening(server)
        server.app.exchange.socket_faults.plan(SocketFaultKind.SILENT)
        [connection] = server.app.hub.connections
        for _ in range(500):
            if connection.is_silent:
                break
            await asyncio.sleep(0.01)
        line = connection._line
        assert isinstance(line, _WebSocket)
        assert line.ping_timer is None
        line.schedule_ping()
        assert line.ping_timer is None
        pong = await socket.ping()
        while True:
            # What was under way before the silence.
            try:
                await asyncio.wait_for(socket.recv(), 0.15)
            except TimeoutError:
                break
        assert not pong.done()
        assert socket.close_code is None
        await socket.close()


async def test_a_broken_socket_ends_without_a_handshake(tmp_path: Path) -> None:
    async with served(tmp_path, rate=2000.0) as server:
        socket = await listening(server)
        server.app.exchange.socket_faults.plan(SocketFaultKind.ABORT)
        with pytest.raises(ConnectionClosedError):
            await drain(socket)
        assert socket.close_code == 1006


async def test_the_command_has_every_option(tmp_path: Path) -> None:
    key = tmp_path / "key.pub.pem"
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    key.write_bytes(key_of("craig").public_key().public_bytes(serialization.Encoding.PEM, kind))
    arguments = ["--port", "0", "--markets", "40", "--shards", "4", "--key-id", "craig", "--public-key", str(key)]
    faults = ["--fault-rate", "1", "--fault-profile", "errors", "--fault-path", "/series", "--seed", "3"]
    latency = ["--latency-ms", "1", "--latency-sigma", "0.3", "--control"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        "run_exchange",
        *arguments,
        *faults,
        *latency,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        found = re.search(r"listening on (http://\S+) with 40", (await process.stdout.readline()).decode())
        assert found
        async with httpx2.AsyncClient(trust_env=False) as client:
            markets = (await client.get(f"{found[1]}{BASE}/markets?limit=100")).json()["markets"]
            assert {m["exchange_index"] for m in markets} == {0, 1, 2, 3}
            assert (await client.get(f"{found[1]}{BASE}/series")).status_code >= 400
            stats = (await client.get(f"{found[1]}/sim/stats")).json()
            assert sum(stats["faults"].values()) == 1
    finally:
        process.terminate()
        await process.wait()
