"""Runs an exchange in real time: its flows, its own clockwork, its tickers and the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from .app import App
from .line import EXTENSION
from .replay import Replay
from .synthetic import SyntheticFlow

_STEP_SECONDS = 0.005
_TICKER_STEPS = 100
HEARTBEAT_SECONDS = 10.0


class _WebSocket(WebSocketsSansIOProtocol):
    """Hands the application its line, so that it can silence or break it."""

    is_silent = False

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.handshake_complete:
            extensions: dict[str, object] = {**(self.scope.get("extensions") or {}), EXTENSION: self}
            self.scope["extensions"] = extensions  # type: ignore[typeddict-item]

    def silence(self) -> None:
        self.is_silent = True
        self.stop_keepalive()

    def abort(self) -> None:
        self.transport.abort()

    def handle_ping(self) -> None:
        if self.is_silent:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def schedule_ping(self) -> None:
        if not self.is_silent:
            super().schedule_ping()


class _Server(uvicorn.Server):
    """Tells the port once it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[int], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening(self.servers[0].sockets[0].getsockname()[1])

    async def serve_quietly(self, stop: asyncio.Event) -> None:
        """Serve without touching the process's signal handlers, until the event is set."""
        serving = asyncio.ensure_future(self._serve())
        await stop.wait()
        self.should_exit = True
        await serving


class Runner:
    """One server with what flows into its exchange."""

    def __init__(self, app: App, replays: list[Replay], synthetic: SyntheticFlow | None) -> None:
        self.app = app
        self.replays = replays
        self.synthetic = synthetic

    def step(self) -> int:
        """Everything due by now, written down; returns how many outside events came."""
        self.app.exchange.advance()
        done = sum(replay.run() for replay in self.replays)
        if self.synthetic is not None:
            done += self.synthetic.run()
        self.app.exchange.commit()
        return done

    async def flow(self) -> None:
        """Steps until canceled; every half second a ticker for each market whose book changed."""
        steps = 0
        while True:
            self.step()
            steps += 1
            if steps % _TICKER_STEPS == 0:
                self.app.hub.flush_tickers()
            await asyncio.sleep(_STEP_SECONDS)

    async def serve(
        self, host: str, port: int, listening: Callable[[int], None], stop: asyncio.Event | None = None
    ) -> None:
        """Listen until `stop` is set; `listening` hears the port once it is open.

        Without `stop` the server takes SIGINT and SIGTERM itself, which only a process of its own may do.
        """
        config = uvicorn.Config(
            self.app,
            host=host,
            port=port,
            ws=_WebSocket,
            ws_ping_interval=HEARTBEAT_SECONDS,
            ws_ping_timeout=HEARTBEAT_SECONDS * 2,
            ws_per_message_deflate=False,
            log_level="warning",
            access_log=False,
            date_header=False,
        )
        server = _Server(config, listening)
        flow = asyncio.create_task(self.flow())
        serving = asyncio.create_task(server.serve() if stop is None else server.serve_quietly(stop))
        try:
            await asyncio.wait({serving, flow}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            if flow.done():
                flow.result()
        finally:
            flow.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flow
