"""A socket and a REST client that do what a test tells them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from apps.gateway.errors import BadField, BadMessage, NotConnected, NotFound
from apps.gateway.kalshi import models as wire_models
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.subscriptions import Channels
from apps.gateway.kalshi.ws import Connected, Disconnected, Handler

from . import wire

START_MS = 1_763_640_000_000


class FakeClock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


class FakeSocket:
    """Keeps what it was asked for in `asked`; `connect`, `give` and `lose` play the exchange."""

    def __init__(self, clock: FakeClock) -> None:
        self.decoder = Decoder(use_yes_price=True)
        self.asked: list[tuple] = []
        self.last_error: str | None = None
        self.is_connected = False
        self.fails: Exception | None = None
        self.refuses_commands = False
        self._clock = clock
        self._handler: Handler | None = None
        self._heard_ms = clock.ms
        self.connection = 0

    @property
    def silent_s(self) -> float | None:
        return (self._clock.ms - self._heard_ms) / 1000 if self.is_connected else None

    def ping(self) -> None:
        self._heard_ms = self._clock.ms

    async def run(self, handler: Handler, stop: asyncio.Event) -> None:
        self._handler = handler
        if self.fails is not None:
            raise self.fails
        await stop.wait()

    async def connect(self) -> None:
        self.is_connected = True
        self.connection += 1
        await self._emit(Connected(f"c{self.connection}"), b"")

    async def confirm(self, *channels: str) -> None:
        """Answer the subscriptions: each channel gets the next sid."""
        names = channels or ("orderbook_delta", "ticker", "trade", "market_lifecycle_v2")
        await self.give(*(wire.subscribed(name, sid) for sid, name in enumerate(names, 1)))

    async def give(self, *frames: bytes) -> None:
        for data in frames:
            try:
                event: Any = self.decoder.decode(data)
            except BadMessage as e:
                event = e
            await self._emit(event, data)

    async def lose(self, reason: str = "closed: 1006") -> None:
        self.is_connected = False
        await self._emit(Disconnected(f"c{self.connection}", reason), b"")

    async def _emit(self, event: Any, raw: bytes) -> None:
        assert self._handler is not None
        self.ping()
        await self._handler(event, self._clock.ms * 1_000_000, raw)

    def _note(self, *command: object) -> None:
        if self.refuses_commands:
            raise NotConnected("cannot send")
        self.asked.append(command)

    async def subscribe(self, channels: Sequence[str], tickers: Sequence[str] = ()) -> Channels:
        self._note("subscribe", tuple(channels), tuple(tickers))
        return Channels(tuple(channels), list(tickers), bool(tickers))

    async def unsubscribe(self, wanted: Channels) -> None:
        self._note("unsubscribe", wanted.channels)

    async def add_markets(self, wanted: Channels, tickers: Sequence[str]) -> None:
        self._note("add", tuple(tickers))
        wanted.tickers.extend(tickers)

    async def delete_markets(self, wanted: Channels, tickers: Sequence[str]) -> None:
        self._note("delete", tuple(tickers))
        wanted.tickers[:] = [t for t in wanted.tickers if t not in tickers]
        if not wanted.tickers:
            await self.give(wire.error(11, "Invalid parameter", sid=2))

    async def resync(self, sid: int, tickers: Sequence[str]) -> None:
        self._note("resync", sid, tuple(tickers))


class FakeRest:
    """The catalogue as `events` (with nested markets), `others` (asked for by name) and `all_series`.

    Rows of the tickers in `unreadable` are refused as the gateway does it.
    """

    def __init__(self) -> None:
        self.all_series: dict[str, wire_models.Series] = {"KXA": wire.series()}
        self.open_events: list[wire_models.Event] = []
        self.others: dict[str, wire_models.Market] = {}
        self.fails: Exception | None = None
        self.unreadable: set[str] = set()
        self.refused_rows: Counter[str] = Counter()
        self.calls: list[tuple] = []
        self.closed = 0

    async def events(self, **filters: Any) -> AsyncIterator[wire_models.Event]:
        self.calls.append(("events", filters))
        if self.fails is not None:
            raise self.fails
        for event in self.open_events:
            if filters.get("series_ticker") in (None, event.series_ticker):
                yield event

    async def markets(self, *, tickers: str) -> AsyncIterator[wire_models.Market]:
        self.calls.append(("markets", tickers))
        for ticker in tickers.split(","):
            if ticker in self.unreadable:
                self.refused_rows["market: bad status"] += 1
            elif ticker in self.others:
                yield self.others[ticker]

    async def series(self, ticker: str) -> wire_models.Series:
        self.calls.append(("series", ticker))
        if ticker in self.unreadable:
            raise BadField("series: fee_type is missing")
        if ticker not in self.all_series:
            raise NotFound("not found", status=404, code="not_found")
        return self.all_series[ticker]

    async def series_list(self) -> list[wire_models.Series]:
        self.calls.append(("series_list",))
        return list(self.all_series.values())

    async def aclose(self) -> None:
        self.closed += 1
