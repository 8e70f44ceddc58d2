"""The ASGI application: HTTP to the REST dispatcher, WebSocket to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any, TypeAlias

import msgspec

from .control import CONTROL_PREFIX, Controls
from .exchange import Exchange
from .faults import FaultKind
from .line import EXTENSION
from .refusals import Refusal, refused, too_many_requests
from .rest.auth import KEY, authenticate, unauthentic
from .rest.bodies import MAX_BODY
from .rest.call import Reply, Request
from .rest.dispatch import respond
from .spoiling import spoiled_bytes, spoiled_value
from .ws.commands import Commands
from .ws.connection import ABNORMAL, Connection
from .ws.hub import Hub

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WS_PATH = "/trade-api/ws/v2"
_JSON = [(b"content-type", b"application/json")]
_encode = msgspec.json.Encoder().encode
_OTHERS = 50
_UNAVAILABLE: Reply = (503, {"error": {"code": "service_unavailable", "message": "service unavailable"}})
_INTERNAL: Reply = (500, {"error": {"code": "internal_server_error", "message": "internal server error"}})
_UNAUTHORIZED: Reply = (401, unauthentic("INCORRECT_API_KEY_SIGNATURE").body)
_ANSWERS: dict[FaultKind, Reply] = {
    FaultKind.ERROR_BEFORE: _UNAVAILABLE,
    FaultKind.ERROR_AFTER: _UNAVAILABLE,
    FaultKind.INTERNAL_BEFORE: _INTERNAL,
    FaultKind.INTERNAL_AFTER: _INTERNAL,
    FaultKind.RATE_LIMITED: (429, too_many_requests().body),
    FaultKind.UNAUTHORIZED: _UNAUTHORIZED,
}
_WITHOUT_EFFECT = frozenset(
    {
        FaultKind.ERROR_BEFORE,
        FaultKind.INTERNAL_BEFORE,
        FaultKind.RATE_LIMITED,
        FaultKind.UNAUTHORIZED,
        FaultKind.SILENCE_BEFORE,
    }
)


class App:
    """One ASGI application around one exchange; `hub` becomes the exchange's publisher.

    `with_controls` opens the control endpoint (`control`) to everybody who reaches the port.
    """

    def __init__(self, exchange: Exchange, *, with_controls: bool = False) -> None:
        self.exchange = exchange
        self.hub = Hub(exchange.state, exchange.socket_faults)
        exchange.state.publisher = self.hub
        self.controls = Controls(exchange, self.hub) if with_controls else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await _lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        request = Request(scope["method"], _path(scope), scope["query_string"].decode(), _headers(scope), body)
        if self.controls is not None and request.path.startswith(CONTROL_PREFIX):
            await self._send_reply(send, self.controls.respond(request), None)
            return
        fault = self.exchange.faults.take(request.method, request.path)
        latency = self.exchange.latency
        trip_s = 0.0 if latency is None else latency.draw_s()
        await self._travel(trip_s / 2, late=fault is FaultKind.LATE_BEFORE)
        reply = self._reply(request, fault)
        if fault in (FaultKind.SILENCE_BEFORE, FaultKind.SILENCE_AFTER):
            await _until_gone(receive)
            return
        await self._travel(trip_s / 2, late=fault is FaultKind.LATE_AFTER)
        await self._send_reply(send, reply, fault)

    async def _travel(self, seconds: float, *, late: bool) -> None:
        seconds += self.exchange.faults.late_s() if late else 0.0
        if seconds > 0:
            await asyncio.sleep(seconds)

    def _reply(self, request: Request, fault: FaultKind | None) -> Reply:
        """Let the request take effect unless its fault comes first; the answer is the fault's, if it has one."""
        answer = None if fault is None else _ANSWERS.get(fault)
        if fault in _WITHOUT_EFFECT:
            return answer or _UNAVAILABLE
        reply = respond(self.exchange, request)
        if fault is None or answer is not None:
            return answer or reply
        status, value = reply
        account = self.exchange.state.accounts.get(request.headers.get(KEY, ""))
        others = [] if account is None else list(account.orders.values())[-_OTHERS:]
        return status, spoiled_value(fault, value, others, self.exchange.faults.rng)

    async def _send_reply(self, send: Send, reply: Reply, fault: FaultKind | None) -> None:
        status, value = reply
        payload = b"" if value is None else _encode(value)
        if fault is not None:
            payload = spoiled_bytes(fault, payload, self.exchange.faults.rng)
        headers = [*_reply_headers(payload), (b"date", self._date())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    def _date(self) -> bytes:
        """The `Date` header by the exchange's own clock, wrong by its skew."""
        return formatdate(self.exchange.shown_us() // 1_000_000, usegmt=True).encode()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if _path(scope) != WS_PATH:
                raise refused(404, "not_found")
            fault = self.exchange.faults.take("GET", WS_PATH)
            if fault is not None and fault in _ANSWERS:
                raise Refusal(*_ANSWERS[fault])
            if fault in (FaultKind.SILENCE_BEFORE, FaultKind.SILENCE_AFTER):
                await _until_gone(receive)
                return
            account = authenticate(self.exchange, "GET", WS_PATH, _headers(scope))
        except Refusal as refusal:
            await _deny(scope, send, refusal)
            return
        connection = self.hub.connect(account.account_id, scope.get("extensions", {}).get(EXTENSION))
        await send({"type": "websocket.accept"})
        writer = asyncio.create_task(_write(connection, send))
        try:
            await self._read(connection, receive, writer)
        finally:
            self.hub.disconnect(connection)
            connection.close(1000)
            await asyncio.gather(writer, return_exceptions=True)

    async def _read(self, connection: Connection, receive: Receive, writer: asyncio.Task[None]) -> None:
        commands = Commands(self.hub, connection)
        while True:
            incoming = asyncio.ensure_future(receive())
            await asyncio.wait({incoming, writer}, return_when=asyncio.FIRST_COMPLETED)
            if not incoming.done():
                incoming.cancel()
                return
            message = incoming.result()
            if message["type"] != "websocket.receive":
                return
            self.exchange.advance()
            commands.run(message.get("text") or message.get("bytes") or "")
            self.exchange.commit()


async def _write(connection: Connection, send: Send) -> None:
    while frames := await connection.next_frames():
        for text in frames:
            await send({"type": "websocket.send", "text": text})
    if connection.closed_with not in (None, 1000, ABNORMAL):
        await send({"type": "websocket.close", "code": connection.closed_with})


async def _deny(scope: Scope, send: Send, refusal: Refusal) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    payload = _encode(refusal.body)
    await send(
        {
            "type": "websocket.http.response.start",
            "status": refusal.status,
            "headers": _reply_headers(payload),
        }
    )
    await send({"type": "websocket.http.response.body", "body": payload})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read_body(receive: Receive) -> bytes:
    """The body, cut one byte past the limit so that it is refused there."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY + len(chunk):
            chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


async def _until_gone(receive: Receive) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass


def _path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("ascii", "replace") if raw else scope["path"]
    return str(path.partition("?")[0])


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _reply_headers(payload: bytes) -> list[tuple[bytes, bytes]]:
    return [*_JSON, (b"content-length", str(len(payload)).encode())]


def asgi_app(exchange: Exchange, *, with_controls: bool = False) -> App:
    """The application to serve, in a test client or with uvicorn."""
    return App(exchange, with_controls=with_controls)
