"""A WebSocket to the exchange without a network: its frames take time, and may be lost, doubled, late or broken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, MutableMapping
from contextvars import Context
from random import Random
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosedError

from apps.simulation.exchange.app import App

from .drift import drifted
from .faults import FaultKind, Faults
from .loop import Process
from .trace import Trace

PING_S = 10.0


class Pipe:
    """One connection: the client's end has what the gateway's socket uses of `websockets`, the server's is ASGI."""

    def __init__(self, faults: Faults, trace: Trace, rng: Random, outside: Context) -> None:
        self._faults = faults
        self._trace = trace
        self._rng = rng
        self._outside = outside
        self._loop = asyncio.get_running_loop()
        self._received: deque[str] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._under_way: deque[tuple[float, str]] = deque()
        self._is_pumping = False
        self._commands: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._last_s = 0.0
        self._swapped: str | None = None
        self.heard: Callable[[], None] | None = None
        self.is_open = False
        self.server: asyncio.Task[None] | None = None
        self.silent_until_s = 0.0
        self.lost_channel: tuple[str, float] | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.transport = self

    # the client's end

    async def recv(self, *, decode: bool | None = None) -> bytes:
        del decode
        while not self._received:
            if self.close_code is not None:
                raise ConnectionClosedError(None, None)
            self._reader = self._loop.create_future()
            await self._reader
        return self._received.popleft().encode()

    async def send(self, text: str) -> None:
        if self.close_code is not None:
            raise ConnectionClosedError(None, None)
        self._trace.note("command", text)
        wait_s = 0.002 + self._rng.random() * 0.02
        message = {"type": "websocket.receive", "text": text}
        self._loop.call_later(wait_s, self._commands.put_nowait, message, context=self._outside)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        del reason
        self.end(code)

    def abort(self) -> None:
        self.end(1006)

    def end(self, code: int) -> None:
        """Closed, by whichever side; frames under way are lost."""
        if self.close_code is not None:
            return
        self.close_code = code
        self._under_way.clear()
        self._loop.call_soon(
            self._commands.put_nowait, {"type": "websocket.disconnect", "code": code}, context=self._outside
        )
        self._wake()

    # the server's end

    async def receive(self) -> MutableMapping[str, Any]:
        return await self._commands.get()

    async def to_client(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.is_open = True
        elif kind == "websocket.send":
            self._carry(message["text"])
        else:
            self.end(message.get("code", 1008))

    def _carry(self, text: str) -> None:
        if self.close_code is not None:
            return
        if self.lost_channel is not None and self._is_lost(text):
            return
        arm = self._faults.take(self._faults.frames, text)
        wait_s = 0.001 + self._rng.random() * 0.01
        if arm is None:
            self._queue(text, wait_s)
            if self._swapped is not None:
                late, self._swapped = self._swapped, None
                self._queue(late, 0.0)
        elif arm.kind is FaultKind.FRAME_DELAYED:
            self._queue(text, wait_s + arm.amount)
        elif arm.kind in (FaultKind.FRAME_REPEATED, FaultKind.FILL_REPEATED):
            self._queue(text, wait_s)
            self._queue(text, 0.0)
        elif arm.kind is FaultKind.FRAME_REORDERED:
            self._swapped = text
        elif arm.kind is FaultKind.FRAME_CUT:
            self._queue(text[: len(text) // 2], wait_s)
        elif arm.kind is FaultKind.FRAME_DRIFTED:
            self._queue(drifted(text.encode(), self._rng).decode(), wait_s)

    def _is_lost(self, text: str) -> bool:
        assert self.lost_channel is not None
        word, until_s = self.lost_channel
        return self._loop.time() < until_s and f'"type":"{word}"' in text[:80]

    def _queue(self, text: str, wait_s: float) -> None:
        """Frames of one connection stay in order, whatever each of them waits."""
        at_s = max(self._last_s, self._loop.time() + wait_s, self.silent_until_s)
        self._last_s = at_s
        self._under_way.append((at_s, text))
        if not self._is_pumping:
            self._is_pumping = True
            self._loop.call_at(at_s, self._pump, context=self._outside)

    def _pump(self) -> None:
        now_s = self._loop.time()
        while self._under_way and self._under_way[0][0] <= now_s:
            text = self._under_way.popleft()[1]
            self._trace.note("frame", text)
            self._received.append(text)
            if self.heard is not None:
                self.heard()
        self._wake()
        self._is_pumping = bool(self._under_way)
        if self._under_way:
            self._loop.call_at(self._under_way[0][0], self._pump, context=self._outside)

    def hold_back(self, seconds: float) -> None:
        """What is sent from now on arrives this much later."""
        self._last_s = max(self._last_s, self._loop.time() + seconds)

    def ping(self) -> None:
        """Every ten seconds while it is open and not silenced."""
        if self.close_code is not None:
            return
        if self._loop.time() >= self.silent_until_s and self.heard is not None:
            self.heard()
        self._loop.call_later(PING_S, self.ping, context=self._outside)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class SocketMaker:
    """What a process connects with; knows the connections it has open."""

    def __init__(self, app: App, faults: Faults, trace: Trace, rng: Random, outside: Context, process: Process) -> None:
        self._app = app
        self._faults = faults
        self._trace = trace
        self._rng = rng
        self._outside = outside
        self.pipes: list[Pipe] = []
        process.on_death.append(self.cut)

    def cut(self) -> None:
        """The process is gone, and its sockets with it."""
        for pipe in self.pipes:
            pipe.end(1006)

    async def connect(self, url: str, *, additional_headers: dict[str, str], **_: Any) -> Pipe:
        """Raises `OSError` when the exchange cannot be reached or refuses."""
        await asyncio.sleep(0.01 + self._rng.random() * 0.05)
        if self._faults.take(self._faults.connects, url) is not None:
            raise OSError("connection refused")
        pipe = Pipe(self._faults, self._trace, self._rng, self._outside)
        path = urlsplit(url).path
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(n.lower().encode(), v.encode()) for n, v in additional_headers.items()],
        }
        pipe._commands.put_nowait({"type": "websocket.connect"})
        loop = asyncio.get_running_loop()
        pipe.server = loop.create_task(self._app(scope, pipe.receive, pipe.to_client), context=self._outside)
        await asyncio.sleep(0.005)
        if not pipe.is_open or pipe.close_code is not None:
            raise OSError("the exchange refused the connection")
        self.pipes = [p for p in self.pipes if p.close_code is None] + [pipe]
        self._trace.note("socket", "connected")
        loop.call_later(PING_S, pipe.ping, context=self._outside)
        return pipe
