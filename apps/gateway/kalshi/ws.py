"""The WebSocket client: connects, subscribes, reconnects, and hands every frame on with its receive time.

It keeps no books. Whoever does asks for `resync` on a sequence gap. Kalshi docs: WebSocket connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.http11 import Response

from apps.gateway.clock import Clock
from apps.gateway.errors import BadMessage, NotConnected, UnknownMessage
from apps.gateway.kalshi.frames import Frame, UnknownFrame
from apps.gateway.kalshi.messages import MAX_FRAME_BYTES, Decoder
from apps.gateway.kalshi.signing import Signer
from apps.gateway.kalshi.subscriptions import Channels, Subscriptions
from apps.gateway.throttle import Sleep

FIRST_BACKOFF_S = 1.0
MAX_BACKOFF_S = 60.0
MAX_QUEUED_FRAMES = 1024
CLOSE_S = 1.0
"""Patience with a server that does not answer while we stop."""
SILENCE_S = 15.0
"""The server pings every 10 s; nothing at all for this long means that the connection is dead."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A new connection; every earlier sid is void and the subscriptions are being made again."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone; every book fed by it is stale."""

    connection_id: str
    reason: str


Event: TypeAlias = Frame | BadMessage | Connected | Disconnected
Handler: TypeAlias = Callable[[Event, int, bytes], Awaitable[None]]
Connect: TypeAlias = Callable[..., Awaitable[Any]]
"""Opens a connection like `websockets.asyncio.client.connect`; the simulation hands in one without a network."""


class _Connection(ClientConnection):
    """Notes the arrival of every protocol frame, pings included."""

    heard: Callable[[], None] | None = None

    def process_event(self, event: Any) -> None:
        if self.heard is not None and not isinstance(event, Response):
            self.heard()
        super().process_event(event)


class _Backoff:
    """Pauses of 1, 2, 4 ... 60 s with up to half as jitter, from the start again after a good frame."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._failures = 0

    def next_s(self) -> float:
        base = FIRST_BACKOFF_S * float(1 << min(self._failures, 6))
        self._failures += 1
        return min(MAX_BACKOFF_S, base * (1 + self._rng.random() / 2))

    def reset(self) -> None:
        self._failures = 0


class _ReceiveClock:
    """Unix nanoseconds that never go backward, from one reading of the wall clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor_ns, self._anchor_s = clock.now_ms() * 1_000_000, clock.monotonic()

    def now_ns(self) -> int:
        return self._anchor_ns + int((self._clock.monotonic() - self._anchor_s) * 1e9)


def _decode(decoder: Decoder, subscriptions: Subscriptions, raw: bytes) -> Frame:
    frame = decoder.decode(raw)
    if isinstance(frame, UnknownFrame) and subscriptions.feeds_books(frame.sid):
        # What it changed in the books is not known. Refused, it leaves a gap in `seq`: the books are asked for anew.
        raise UnknownMessage(f"a message of type {frame.type!r:.64} among the order books")
    return frame


class KalshiSocket:
    """One connection with its subscriptions. `run` until `stop` is set; commands may be given at any time.

    The handler gets (event, recv_ns, raw): a frame, a `BadMessage` for a frame that was refused (the
    connection stays), or `Connected`/`Disconnected` with empty raw. `recv_ns` is Unix nanoseconds and never
    goes backward within a connection.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        clock: Clock,
        rng: Random,
        decoder: Decoder | None = None,
        *,
        max_size: int = MAX_FRAME_BYTES,
        silence_s: float = SILENCE_S,
        sleep: Sleep = asyncio.sleep,
        connect: Connect = connect,
    ) -> None:
        self._connect_with = connect
        self._url = url
        self._signer = signer
        self._clock = clock
        self._backoff = _Backoff(rng)
        self.decoder = decoder or Decoder(use_yes_price=True)
        self._max_size = max_size
        self._silence_s = silence_s
        self._sleep = sleep
        self.subscriptions = Subscriptions(use_yes_price=self.decoder.use_yes_price)
        self._socket: ClientConnection | None = None
        self._heard_at = 0.0
        self._connections = 0
        self.connection_id: str | None = None
        self.connected_at_ms: int | None = None
        self.last_frame_at_ms: int | None = None
        self.last_error: str | None = None

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    @property
    def silent_s(self) -> float | None:
        """Seconds since anything arrived, the server's pings included; None while not connected."""
        return None if self._socket is None else self._clock.monotonic() - self._heard_at

    @property
    def reconnects(self) -> int:
        return max(0, self._connections - 1)

    async def run(self, handler: Handler, stop: asyncio.Event) -> None:
        """Connect and deliver until `stop`; reconnects for ever with 1 to 60 s between attempts."""
        while not stop.is_set():
            reason = await self._one_connection(handler, stop)
            if stop.is_set():
                return
            self.last_error = reason
            await _until(stop, self._sleep(self._backoff.next_s()))

    async def _one_connection(self, handler: Handler, stop: asyncio.Event) -> str:
        try:
            socket = await self._connect_or_stop(stop)
        except (OSError, WebSocketException) as e:
            return f"cannot connect: {type(e).__name__}: {e}"
        if socket is None:
            return "stopped"
        self._connections += 1
        connection_id = self.connection_id = f"{self._clock.now_ms()}-{self._connections}"
        self.connected_at_ms = self._clock.now_ms()
        now_ns = _ReceiveClock(self._clock).now_ns
        self._hear()
        if hasattr(socket, "heard"):
            socket.heard = self._hear
        self._socket = socket
        reason = "stopped"
        try:
            await handler(Connected(connection_id), now_ns(), b"")
            await self._send_all(self.subscriptions.start())
            reason = await self._deliver(socket, handler, stop, now_ns)
        except (OSError, WebSocketException, NotConnected) as e:
            reason = f"{type(e).__name__}: {e}"
        finally:
            self._socket = None
            await _close(socket)
            await handler(Disconnected(connection_id, reason), now_ns(), b"")
        return reason

    async def _connect_or_stop(self, stop: asyncio.Event) -> ClientConnection | None:
        """A new connection, or None when `stop` came first; a server that does not answer holds up nobody."""
        attempt, stopped = asyncio.ensure_future(self._connect()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([attempt, stopped], return_when=asyncio.FIRST_COMPLETED)
            return await attempt if attempt.done() else None
        finally:
            stopped.cancel()
            if not attempt.done():
                attempt.cancel()
                await asyncio.wait([attempt], timeout=CLOSE_S)

    async def _connect(self) -> ClientConnection:
        socket: ClientConnection = await self._connect_with(
            self._url,
            additional_headers=self._signer.headers("GET", urlsplit(self._url).path),
            max_size=self._max_size,
            max_queue=MAX_QUEUED_FRAMES,
            ping_interval=None,
            compression=None,
            proxy=None,
            create_connection=_Connection,
        )
        return socket

    def _hear(self) -> None:
        self._heard_at = self._clock.monotonic()

    async def _deliver(
        self, socket: ClientConnection, handler: Handler, stop: asyncio.Event, now_ns: Callable[[], int]
    ) -> str:
        watch = asyncio.ensure_future(self._watch(socket, stop))
        try:
            async for raw in _frames(socket):
                recv_ns = now_ns()
                self.last_frame_at_ms = recv_ns // 1_000_000
                event: Event
                try:
                    event = _decode(self.decoder, self.subscriptions, raw)
                except BadMessage as e:
                    event = e
                else:
                    self._backoff.reset()
                    await self._send_all(self.subscriptions.on_frame(event))
                await handler(event, recv_ns, raw)
        finally:
            watch.cancel()
        return "stopped" if stop.is_set() else _close_reason(socket)

    async def _watch(self, socket: ClientConnection, stop: asyncio.Event) -> None:
        """Close the socket when asked to stop or when it has been silent too long."""
        while not stop.is_set():
            quiet_s = self._clock.monotonic() - self._heard_at
            if quiet_s >= self._silence_s:
                socket.transport.abort()
                return
            await _until(stop, self._sleep(max(0.01, self._silence_s - quiet_s)))
        await _close(socket)

    async def _send_all(self, commands: Sequence[dict[str, Any]]) -> None:
        for command in commands:
            await self._send(command)

    async def _send(self, command: dict[str, Any]) -> None:
        socket = self._socket
        if socket is None:
            raise NotConnected(f"cannot send {command['cmd']}")
        try:
            await socket.send(msgspec.json.encode(command).decode())
        except WebSocketException as e:
            raise NotConnected(f"cannot send {command['cmd']}: {e}") from None

    async def subscribe(self, channels: Sequence[str], tickers: Sequence[str] = ()) -> Channels:
        """Want these channels, now and after every reconnect. Returns the handle for later changes."""
        wanted = self.subscriptions.want(channels, tickers)
        # A connection lost meanwhile is no failure: the wish is kept, and made again with the next one.
        with suppress(NotConnected):
            await self._send(self.subscriptions.subscribe_command(wanted))
        return wanted

    async def unsubscribe(self, wanted: Channels) -> None:
        """Drop the channels of a handle."""
        command = self.subscriptions.drop(wanted)
        if command is not None and self.is_connected:
            await self._send(command)

    async def add_markets(self, wanted: Channels, tickers: Sequence[str]) -> None:
        """Add markets to a handle; their first snapshots follow."""
        await self._update(self.subscriptions.add(wanted, tickers))

    async def delete_markets(self, wanted: Channels, tickers: Sequence[str]) -> None:
        await self._update(self.subscriptions.remove(wanted, tickers))

    async def _update(self, commands: Sequence[dict[str, Any]]) -> None:
        if self.is_connected:
            await self._send_all(commands)

    async def resync(self, sid: int, tickers: Sequence[str]) -> None:
        """Ask for new snapshots on the same sid. Raises `NotConnected`."""
        await self._send(self.subscriptions.snapshot_command(sid, tickers))

    def reconnect(self) -> None:
        """Drops the connection, so that a new one makes every subscription afresh; for a channel that went silent."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def list_subscriptions(self) -> int:
        """Ask the venue what it thinks we are subscribed to; returns the id its `ok` will carry."""
        command = self.subscriptions.command("list_subscriptions", None)
        await self._send(command)
        return int(command["id"])


async def _frames(socket: ClientConnection) -> Any:
    """Raw frames until the connection ends, however it ends."""
    while True:
        try:
            data = await socket.recv(decode=False)
        except WebSocketException:
            return
        yield data


async def _until(stop: asyncio.Event, pause: Awaitable[None]) -> None:
    """Wait for the pause or for `stop`, whichever comes first."""
    tasks = [asyncio.ensure_future(pause), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _close(socket: ClientConnection) -> None:
    try:
        await asyncio.wait_for(socket.close(), timeout=CLOSE_S)
    except (TimeoutError, OSError, WebSocketException):
        socket.transport.abort()


def _close_reason(socket: ClientConnection) -> str:
    code, text = socket.close_code, socket.close_reason
    return f"closed: {code} {text or ''}".strip()
