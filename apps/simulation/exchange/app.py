"""The ASGI application: HTTP to the REST dispatcher, WebSocket to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import msgspec

from .exchange import Exchange
from .faults import FaultKind
from .refusals import Refusal, refused
from .rest.auth import authenticate
from .rest.bodies import MAX_BODY
from .rest.call import Reply, Request
from .rest.dispatch import respond
from .ws.commands import Commands
from .ws.connection import Connection
from .ws.hub import Hub

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WS_PATH = "/trade-api/ws/v2"
_JSON = [(b"content-type", b"application/json")]
_encode = msgspec.json.Encoder().encode
_UNAVAILABLE: Reply = (503, {"error": {"code": "service_unavailable", "message": "service unavailable"}})


class App:
    """One ASGI application around one exchange; `hub` becomes the exchange's publisher."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.hub = Hub(exchange.state)
        exchange.state.publisher = self.hub

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
        if self.exchange.config.latency_us:
            await asyncio.sleep(self.exchange.config.latency_us / 1_000_000)
        fault = self.exchange.faults.take(request.method, request.path)
        reply = self._reply(request, fault)
        if fault in (FaultKind.SILENCE_BEFORE, FaultKind.SILENCE_AFTER):
            await _until_gone(receive)
            return
        status, value = reply
        payload = b"" if value is None else _encode(value)
        await send({"type": "http.response.start", "status": status, "headers": _reply_headers(payload)})
        await send({"type": "http.response.body", "body": payload})

    def _reply(self, request: Request, fault: FaultKind | None) -> Reply:
        if fault in (FaultKind.ERROR_BEFORE, FaultKind.SILENCE_BEFORE):
            return _UNAVAILABLE
        reply = respond(self.exchange, request)
        return _UNAVAILABLE if fault is FaultKind.ERROR_AFTER else reply

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            if _path(scope) != WS_PATH:
                raise refused(404, "not_found")
            account = authenticate(self.exchange, "GET", WS_PATH, _headers(scope))
        except Refusal as refusal:
            await _deny(scope, send, refusal)
            return
        connection = self.hub.connect(account.account_id)
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
    if connection.closed_with is not None and connection.closed_with != 1000:
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
    while (await receive())["type"] != "http.disconnect":
        pass


def _path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = raw.decode("ascii", "replace") if raw else scope["path"]
    return str(path.partition("?")[0])


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _reply_headers(payload: bytes) -> list[tuple[bytes, bytes]]:
    return [*_JSON, (b"content-length", str(len(payload)).encode())]


def asgi_app(exchange: Exchange) -> App:
    """The application to serve, in a test client or with uvicorn."""
    return App(exchange)
