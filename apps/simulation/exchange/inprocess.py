"""The exchange reached without a network: an HTTP transport and WebSockets in the caller's own event loop.

Everything waits in asyncio alone, so that with a virtual loop, a manual clock and seeded randomness a run repeats
exactly. A request whose client has given up still takes its effect, as on a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any

import httpx2

from .app import App
from .inprocess_socket import Socket

HEARTBEAT_S = 10.0


class InProcess:
    """One application and everybody connected to it. `is_reachable = False` refuses every new connection.

    `client()` makes REST clients for `RestTransport`, `connect` is what `KalshiSocket` takes as its `connect`.
    """

    def __init__(self, app: App, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.app = app
        self.is_reachable = True
        self.sockets: list[Socket] = []
        self._heartbeat_s = heartbeat_s
        self._tasks: set[asyncio.Task[None]] = set()

    def client(self, *, timeout_s: float = 10.0) -> httpx2.AsyncClient:
        """A client whose requests run in this loop; any host name will do."""
        return httpx2.AsyncClient(transport=Transport(self), timeout=timeout_s, trust_env=False)

    async def connect(
        self,
        uri: str,
        *,
        additional_headers: Mapping[str, str] | None = None,
        max_size: int | None = None,
        max_queue: int | None = None,
        **options: Any,
    ) -> Socket:
        """Like `websockets.asyncio.client.connect`: an open socket, or `InvalidStatus`, or `OSError`."""
        del options
        if not self.is_reachable:
            raise ConnectionRefusedError("the exchange cannot be reached")
        socket = Socket(uri, additional_headers or {}, max_size=max_size, max_queue=max_queue)
        self.sockets.append(socket)
        try:
            self.start(self._serve(socket))
            await socket.accepted()
        except BaseException:
            socket.abort()
            raise
        self.start(socket.beat(self._heartbeat_s))
        return socket

    async def _serve(self, socket: Socket) -> None:
        try:
            await self.app(socket.scope, socket.server_receive, socket.server_send)
        finally:
            self.sockets.remove(socket)
            socket.abort()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something on the exchange's side; `aclose` ends what still runs."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """End every connection and every request that is still being answered."""
        for socket in list(self.sockets):
            socket.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Transport(httpx2.AsyncBaseTransport):
    """Unlike the library's ASGI transport it knows time-outs, and a request outlives its client."""

    def __init__(self, network: InProcess) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises `ConnectError`, `ReadTimeout`, `RemoteProtocolError`, or whatever broke the application."""
        if not self._network.is_reachable:
            raise httpx2.ConnectError("the exchange cannot be reached", request=request)
        exchange = _Exchange(await request.aread())
        task = self._network.start(_run(self._network.app(_scope(request), exchange.receive, exchange.send)))
        task.add_done_callback(lambda _: exchange.answered.set())
        timeout = request.extensions.get("timeout", {})
        try:
            async with asyncio.timeout(timeout.get("read")):
                await exchange.answered.wait()
        except TimeoutError:
            raise httpx2.ReadTimeout("no answer in time", request=request) from None
        finally:
            exchange.gone.set()
        if exchange.status is None:
            if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                raise failure
            raise httpx2.RemoteProtocolError("the connection ended without an answer", request=request)
        return httpx2.Response(exchange.status, headers=exchange.headers, content=exchange.body, request=request)


class _Exchange:
    """One request and what has come back so far."""

    def __init__(self, payload: bytes) -> None:
        self._incoming = [{"type": "http.request", "body": payload, "more_body": False}]
        self.gone = asyncio.Event()
        self.answered = asyncio.Event()
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        if self._incoming:
            return self._incoming.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
            return
        self.body += message.get("body", b"")
        if not message.get("more_body"):
            self.answered.set()


async def _run(answering: Awaitable[None]) -> None:
    await answering


def _scope(request: httpx2.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "method": request.method,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }
