"""Both ends of a WebSocket in one process, with the client interface of `websockets` that the gateway uses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from .line import EXTENSION

ABNORMAL, TOO_BIG, REFUSED = 1006, 1009, 403
_CLEAN = (1000, 1001)


class Socket:
    """The client's end; `server_receive`, `server_send` and the `Line` in the scope are the server's.

    `heard` is called for every frame and every ping that arrives. Frames sent before the end are still received
    after it. A frame above `max_size` bytes ends the connection with 1009, as in `websockets`; with `max_queue`
    frames waiting the server has to wait.
    """

    def __init__(
        self, uri: str, headers: Mapping[str, str], *, max_size: int | None = None, max_queue: int | None = None
    ) -> None:
        path = urlsplit(uri).path
        self.scope: MutableMapping[str, Any] = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
            "extensions": {"websocket.http.response": {}, EXTENSION: self},
        }
        self.heard: Callable[[], None] | None = None
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.is_silent = False
        self._max_size = max_size
        self._max_queue = max_queue
        self._frames: deque[bytes] = deque()
        self._commands: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._denial = 0
        self._changed = asyncio.Event()

    # the client

    @property
    def transport(self) -> Socket:
        """What `abort` is called on."""
        return self

    @property
    def waiting(self) -> int:
        """Frames that have come and were not received yet."""
        return len(self._frames)

    async def accepted(self) -> None:
        """Wait for the handshake's end. Raises `InvalidStatus` when the server refuses."""
        await self._accepted

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """The next frame, bytes with `decode=False`. Raises `ConnectionClosed`."""
        await self._until(lambda: bool(self._frames) or self.close_code is not None)
        if not self._frames:
            raise self._closed()
        frame = self._frames.popleft()
        self._changed_now()
        return frame if decode is False else frame.decode()

    async def send(self, message: str) -> None:
        """Raises `ConnectionClosed`."""
        if self.close_code is not None:
            raise self._closed()
        self._commands.append({"type": "websocket.receive", "text": message})
        self._changed_now()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self._end(code, reason)

    async def wait_closed(self) -> None:
        await self._until(lambda: self.close_code is not None)

    def abort(self) -> None:
        """Break the connection without a handshake, from either end."""
        self._end(ABNORMAL, "")

    # the server

    def silence(self) -> None:
        """No ping from now on; the socket stays open."""
        self.is_silent = True

    async def beat(self, every_s: float) -> None:
        """The server's pings, until the connection ends."""
        while True:
            await asyncio.sleep(every_s)
            if self.close_code is not None:
                return
            self._hear()

    async def server_receive(self) -> dict[str, Any]:
        await self._until(lambda: bool(self._commands) or self.close_code is not None)
        if self._commands:
            return self._commands.popleft()
        return {"type": "websocket.disconnect", "code": self.close_code}

    async def server_send(self, message: Mapping[str, Any]) -> None:
        """Raises `ConnectionResetError` once the client has gone."""
        kind = message["type"]
        if kind == "websocket.send":
            await self._frame(message["text"].encode())
        elif kind == "websocket.accept":
            if not self._accepted.done():
                self._accepted.set_result(None)
        elif kind == "websocket.http.response.start":
            self._denial = message["status"]
        elif kind == "websocket.http.response.body":
            self._deny(self._denial, message["body"])
        else:
            self._deny(REFUSED, b"")
            self._end(message["code"], message.get("reason", ""))

    async def _frame(self, frame: bytes) -> None:
        full = self._max_queue
        await self._until(lambda: full is None or len(self._frames) < full or self.close_code is not None)
        if self.close_code is not None:
            raise ConnectionResetError("the client has gone")
        if self._max_size is not None and len(frame) > self._max_size:
            self._end(TOO_BIG, f"frame of {len(frame)} bytes exceeds limit of {self._max_size} bytes")
            return
        self._frames.append(frame)
        self._hear()
        self._changed_now()

    def _deny(self, status: int, body: bytes) -> None:
        if not self._accepted.done():
            self._accepted.set_exception(InvalidStatus(Response(status, "refused", Headers(), body)))

    # both

    def _hear(self) -> None:
        if self.heard is not None and not self.is_silent:
            self.heard()

    def _end(self, code: int, reason: str) -> None:
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            if not self._accepted.done():
                self._accepted.set_exception(ConnectionResetError("the connection ended in the handshake"))
                self._accepted.exception()
            self._changed_now()

    def _closed(self) -> ConnectionClosed:
        code = self.close_code or ABNORMAL
        if code == ABNORMAL:
            return ConnectionClosedError(None, None)
        frame = Close(code, self.close_reason or "")
        return ConnectionClosedOK(frame, frame, True) if code in _CLEAN else ConnectionClosedError(frame, None)

    def _changed_now(self) -> None:
        self._changed.set()

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self._changed.clear()
            await self._changed.wait()
