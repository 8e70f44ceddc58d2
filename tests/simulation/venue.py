"""An exchange on a standing clock, and clients that talk to it without a network."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.engine.types import MONEY_SCALE, Level, Side
from apps.simulation.exchange.app import App, asgi_app
from apps.simulation.exchange.clock import MICROS, ManualClock
from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import Exchange, create_exchange
from apps.simulation.exchange.feed import book_replaced, crowd_takes, level_changed
from apps.simulation.exchange.listing import list_event, list_market
from apps.simulation.exchange.markets import Market, Series
from apps.simulation.exchange.rest.call import BASE, Request
from apps.simulation.exchange.rest.dispatch import respond
from apps.simulation.exchange.ws.commands import Commands
from apps.simulation.exchange.ws.connection import Connection

START_US = 1_790_000_000 * MICROS
TICKER = "KXTEST-26DEC31-T50"
DAY_US = 86_400 * MICROS
ORDERS = "/portfolio/events/orders"


@dataclass
class Client:
    """One account; `call` signs and answers (status, body)."""

    venue: Venue
    key_id: str
    private_key: Ed25519PrivateKey
    count: int = 0

    def headers(self, method: str, path: str, *, skew_ms: int = 0, signed_path: str | None = None) -> dict[str, str]:
        stamp = str(self.venue.clock.now_us() // 1000 + skew_ms)
        text = f"{stamp}{method}{signed_path or path}".encode()
        return {
            "kalshi-access-key": self.key_id,
            "kalshi-access-timestamp": stamp,
            "kalshi-access-signature": base64.b64encode(self.private_key.sign(text)).decode(),
        }

    def call(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        parts = urlsplit(BASE + target)
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = self.headers(method, parts.path)
        return self.venue.raw(Request(method, parts.path, parts.query, headers, payload))

    def get(self, target: str) -> Any:
        status, body = self.call("GET", target)
        assert status == 200, body
        return body

    def body(self, side: str = "bid", price: str = "0.4000", count: str = "10.00", **extra: Any) -> dict[str, Any]:
        """A create request; each gets a client order id of its own unless given."""
        self.count += 1
        return {
            "ticker": TICKER,
            "side": side,
            "price": price,
            "count": count,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
            "client_order_id": f"{self.key_id}-{self.count}",
        } | extra

    def create(self, *args: Any, **extra: Any) -> tuple[int, Any]:
        return self.call("POST", ORDERS, self.body(*args, **extra))

    def place(self, *args: Any, **extra: Any) -> str:
        """A create that must be taken; returns the order id."""
        status, body = self.create(*args, **extra)
        assert status == 201, body
        return str(body["order_id"])

    def order(self, order_id: str) -> Any:
        return self.get(f"/portfolio/orders/{order_id}")["order"]

    def cash(self) -> str:
        return str(self.get("/portfolio/balance")["balance_dollars"])

    def socket(self) -> Socket:
        return Socket(self.venue, self.venue.app.hub.connect(self.key_id))


@dataclass
class Socket:
    """A WebSocket client in the same process: commands in, the frames so far out."""

    venue: Venue
    connection: Connection
    seen: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._commands = Commands(self.venue.app.hub, self.connection)
        self._ids = 0

    def say(self, cmd: str, **params: Any) -> list[dict[str, Any]]:
        """Send a command and return everything that came since the last look."""
        self._ids += 1
        self._commands.run(json.dumps({"id": self._ids, "cmd": cmd, "params": params}))
        return self.take()

    def raw(self, text: str | bytes) -> list[dict[str, Any]]:
        self._commands.run(text)
        return self.take()

    def subscribe(self, *channels: str, **params: Any) -> list[dict[str, Any]]:
        return self.say("subscribe", channels=list(channels), **params)

    def take(self, kind: str | None = None) -> list[dict[str, Any]]:
        frames = [json.loads(text) for text in self.connection._pending]
        self.connection.clear()
        self.seen += frames
        return [f for f in frames if kind is None or f["type"] == kind]


@dataclass
class Venue:
    """The exchange with one market: bids 0.40 x 100 and 0.39 x 50, asks 0.60 x 100 and 0.61 x 50."""

    clock: ManualClock
    exchange: Exchange
    app: App
    clients: dict[str, Client]
    market: Market

    def raw(self, request: Request) -> tuple[int, Any]:
        status, body = respond(self.exchange, request)
        return status, body if body is None else json.loads(msgspec.json.encode(body))

    def public(self, target: str) -> tuple[int, Any]:
        parts = urlsplit(BASE + target)
        return self.raw(Request("GET", parts.path, parts.query))

    def crowd_takes(self, side: Side, limit: int, quantity: int) -> int:
        return crowd_takes(self.exchange.state, self.market, side, limit, quantity)

    def level(self, side: Side, price: int, delta: int) -> None:
        level_changed(self.exchange.state, self.market, side, price, delta)

    def shown(self, side: Side) -> list[Level]:
        return self.market.book.levels(side)

    def conserved(self) -> bool:
        return self.exchange.money_put_in() == 0


BIDS: list[Level] = [(4000, 10_000), (3900, 5_000)]
ASKS: list[Level] = [(6000, 10_000), (6100, 5_000)]


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def make_venue(
    *,
    names: tuple[str, ...] = ("craig", "cliff"),
    structure: str = "linear_cent",
    recorded: bool = False,
    fee_type: str = "quadratic",
    bids: list[Level] = BIDS,
    asks: list[Level] = ASKS,
    start_us: int = START_US,
    clock: Any = None,
    state_file: Path | None = None,
    **config: Any,
) -> Venue:
    """Rates are the highest tier's unless given, so that only tests of the buckets meet them."""
    clock = clock or ManualClock(start_us)
    credentials = tuple(Credential(n, key_of(n).public_key()) for n in names)
    settings: dict[str, Any] = {"tier": "prestige", "cash": 1_000 * MONEY_SCALE} | config
    wanted = ExchangeConfig(credentials=credentials, **settings)
    exchange = create_exchange(wanted, clock, random.Random(7), state_file)
    app = asgi_app(exchange)
    market = add_market(exchange, TICKER, structure=structure, recorded=recorded, fee_type=fee_type)
    book_replaced(exchange.state, market, bids, asks)
    venue = Venue(clock, exchange, app, {}, market)
    venue.clients = {n: Client(venue, n, key_of(n)) for n in names}
    return venue


def add_market(
    exchange: Exchange,
    ticker: str,
    *,
    structure: str = "linear_cent",
    recorded: bool = False,
    fee_type: str = "quadratic",
    close_us: int | None = None,
    exchange_index: int = 0,
) -> Market:
    now_us = exchange.clock.now_us()
    event_ticker = ticker.rpartition("-")[0]
    series = Series(event_ticker.partition("-")[0], "Test series", "Economics", fee_type)
    event = list_event(exchange.state, event_ticker, series, "Test event", exchange_index=exchange_index)
    return list_market(
        exchange.state,
        ticker,
        event,
        "Test market",
        open_us=now_us - DAY_US,
        close_us=close_us or now_us + DAY_US,
        structure=structure,
        recorded=recorded,
    )
