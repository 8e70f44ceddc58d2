"""The ASGI surface: bodies, faults before and after the effect, dropped sockets, and the command that serves it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from cryptography.hazmat.primitives import serialization
from django.core.management import CommandError, call_command

from apps.gateway.clock import SystemClock
from apps.gateway.kalshi.signing import Signer, load_private_key
from apps.simulation.exchange.app import WS_PATH
from apps.simulation.exchange.faults import FaultKind
from apps.simulation.exchange.rest.call import BASE

from .server import served
from .venue import ORDERS, Client, Venue, key_of, make_venue

ROOT = Path(__file__).parents[2]
BTC = ROOT / "tests" / "data" / "ws" / "kxbtc15m_20260513T1541Z_head.jsonl.gz"
Message = MutableMapping[str, Any]


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


class Transport:
    """One ASGI exchange without a server."""

    def __init__(self, client: Client, method: str, path: str, body: Any = None) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        headers = client.headers(method, path)
        self.scope: Message = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.upper().encode(), v.encode()) for k, v in headers.items()],
        }
        self.sent: list[Message] = []
        self._incoming: list[Message] = [{"type": "http.request", "body": payload}]
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        if self._incoming:
            return self._incoming.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> tuple[int, Any]:
        return self.sent[0]["status"], json.loads(self.sent[1]["body"] or b"null")


async def test_answers_json_with_its_length(venue: Venue, craig: Client) -> None:
    transport = Transport(craig, "POST", BASE + ORDERS, craig.body())
    await venue.app(transport.scope, transport.receive, transport.send)
    assert transport.answer[0] == 201
    headers = dict(transport.sent[0]["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert int(headers[b"content-length"]) == len(transport.sent[1]["body"])


async def test_cancel_all_has_no_body(venue: Venue, craig: Client) -> None:
    transport = Transport(craig, "DELETE", BASE + ORDERS)
    await venue.app(transport.scope, transport.receive, transport.send)
    assert transport.answer == (204, None)


@pytest.mark.parametrize(("kind", "orders"), [(FaultKind.ERROR_BEFORE, 0), (FaultKind.ERROR_AFTER, 1)])
async def test_server_error_before_and_after_the_effect(
    venue: Venue, craig: Client, kind: FaultKind, orders: int
) -> None:
    venue.exchange.faults.plan(kind, "POST", BASE + ORDERS)
    transport = Transport(craig, "POST", BASE + ORDERS, craig.body())
    await venue.app(transport.scope, transport.receive, transport.send)
    assert transport.answer[0] == 503
    assert len(craig.get("/portfolio/orders")["orders"]) == orders
    again = Transport(craig, "POST", BASE + ORDERS, craig.body())
    await venue.app(again.scope, again.receive, again.send)
    assert again.answer[0] == 201


@pytest.mark.parametrize(("kind", "orders"), [(FaultKind.SILENCE_BEFORE, 0), (FaultKind.SILENCE_AFTER, 1)])
async def test_silence_before_and_after_the_effect(venue: Venue, craig: Client, kind: FaultKind, orders: int) -> None:
    venue.exchange.faults.plan(kind, "POST", BASE + ORDERS)
    transport = Transport(craig, "POST", BASE + ORDERS, craig.body())
    running = asyncio.create_task(venue.app(transport.scope, transport.receive, transport.send))
    await asyncio.sleep(0.01)
    assert not running.done()
    transport.gone.set()
    await running
    assert transport.sent == []
    assert len(craig.get("/portfolio/orders")["orders"]) == orders


async def test_socket_denial_without_the_extension_closes(venue: Venue) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Message = {"type": "websocket", "path": WS_PATH, "raw_path": WS_PATH.encode(), "headers": []}
    await venue.app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert venue.app.hub.connections == []


async def test_dropped_connections_are_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path, rate=200.0) as server:
        [account] = server.app.exchange.state.accounts.values()
        signer = Signer(account.account_id, load_private_key(server.key_path.read_bytes()), SystemClock())
        headers = signer.headers("GET", WS_PATH)
        async with websockets.connect(server.ws_url, additional_headers=headers) as ws:
            command = {"id": 1, "cmd": "subscribe", "params": {"channels": ["trade", "ticker"]}}
            await ws.send(json.dumps(command))
            assert json.loads(await ws.recv())["type"] == "subscribed"
            assert len(server.app.hub.connections) == 1
            server.app.hub.drop_all()
            await ws.wait_closed()
        for _ in range(500):
            if not server.app.hub.connections:
                break
            await asyncio.sleep(0.01)
        assert server.app.hub.connections == []


class TestCommand:
    def key(self, folder: Path) -> Path:
        path = folder / "key.pub.pem"
        path.write_bytes(
            key_of("craig")
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return path

    async def test_serves_a_recording_and_made_up_markets_and_stops_on_a_signal(self, tmp_path: Path) -> None:
        arguments = ["--port", "0", "--recording", str(BTC), "--loop", "--markets", "3", "--key-id", "craig"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "manage.py",
            "run_exchange",
            *arguments,
            "--public-key",
            str(self.key(tmp_path)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.search(r"listening on (http://\S+) with 4 markets", line)
        assert found, line
        async with httpx2.AsyncClient(trust_env=False) as client:
            body = (await client.get(f"{found[1]}{BASE}/markets?status=open")).json()
            assert len(body["markets"]) == 4
            unsigned = await client.get(f"{found[1]}{BASE}/portfolio/balance")
            assert unsigned.status_code == 401
        process.send_signal(signal.SIGTERM)
        assert await process.wait() in (0, -signal.SIGTERM)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--key-id", "only"],
            ["--key-id", "a", "--public-key", "nowhere.pem"],
            ["--recording", "nowhere.jsonl"],
            ["--recording", "{btc}", "--speed", "0"],
            ["--cash", "much"],
            ["--key-id", "a", "--public-key", "{btc}"],
        ],
    )
    def test_bad_options_are_refused_with_a_sentence(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            call_command("run_exchange", *(a.format(btc=BTC) for a in arguments))
