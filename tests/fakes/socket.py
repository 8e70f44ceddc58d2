"""The exchange's socket as a session sees it: a test hands it events, and reads what was asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from apps.gateway.kalshi.subscriptions import Channels, Subscriptions
from apps.gateway.kalshi.ws import Connected, Event, Handler


class FakeSocket:
    def __init__(self) -> None:
        self.subscriptions = Subscriptions()
        self.silent_s: float | None = 0.0
        self.reconnects = 0
        self.is_connected = True
        self.subscribed: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.resyncs: list[tuple[int, tuple[str, ...]]] = []
        self.dropped = 0
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()

    async def give(self, *events: Event) -> None:
        """Delivers events and returns once the session has handled them."""
        for event in events:
            await self._events.put(event)
        await asyncio.wait_for(self._events.join(), 5)

    async def run(self, handler: Handler, stop: asyncio.Event) -> None:
        await handler(Connected("fake-1"), 0, b"")
        while True:
            event = await self._events.get()
            if event is None:
                return
            await handler(event, 1, b"{}")
            self._events.task_done()

    async def subscribe(self, channels: Sequence[str], tickers: Sequence[str] = ()) -> Channels:
        self.subscribed.append((tuple(channels), tuple(tickers)))
        return self.subscriptions.want(channels, tickers)

    async def add_markets(self, wanted: Channels, tickers: Sequence[str]) -> None:
        self.subscribed.append((wanted.channels, tuple(tickers)))

    async def delete_markets(self, wanted: Channels, tickers: Sequence[str]) -> None:
        return None

    async def resync(self, sid: int, tickers: Sequence[str]) -> None:
        self.resyncs.append((sid, tuple(tickers)))

    def reconnect(self) -> None:
        self.dropped += 1

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the session asked the socket for {name}, which no test has foreseen")
