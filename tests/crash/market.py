"""The exchange of one run: the real simulator on a real port, and a market that acts by a script.

A script is a list of stages, each waiting for something to be so at the exchange and then doing something there. It
goes on across the death of a session, so that every run comes to the same end whoever trades.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.engine.types import MONEY_SCALE, Level, Price, Quantity, Side
from apps.simulation.exchange.app import App
from apps.simulation.exchange.clock import MICROS, SystemClock
from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import Exchange, create_exchange
from apps.simulation.exchange.faults import FaultKind
from apps.simulation.exchange.feed import book_replaced, crowd_takes, level_changed
from apps.simulation.exchange.listing import list_event, list_market
from apps.simulation.exchange.markets import Market, Series
from apps.simulation.exchange.orders import Order, OrderStatus
from apps.simulation.exchange.rest.call import Reply, Request
from apps.simulation.exchange.runner import Runner
from apps.simulation.exchange.state import State

SERIES, EVENT = "KXCRASH", "KXCRASH-E1"
BIDS: tuple[Level, ...] = ((5600, 50_000), (5400, 50_000), (5200, 50_000))
ASKS: tuple[Level, ...] = ((6000, 50_000), (6200, 50_000), (6400, 50_000))
DAY_US = 86_400 * MICROS
# Files by which the processes of a run talk to each other.
DONE, KILL, PORT, SNAPSHOT = "done", "kill", "port", "snapshot.json"


def ticker(number: int) -> str:
    return f"{EVENT}-T{number}"


@dataclass
class Floor:
    """What a script sees and does. `asked(act)` tells the run that an operator should act; `acted` once he has."""

    exchange: Exchange
    folder: Path

    @property
    def state(self) -> State:
        return self.exchange.state

    @property
    def account(self) -> Any:
        [account] = self.state.accounts.values()
        return account

    def market(self, number: int = 1) -> Market:
        return self.exchange.market(ticker(number))

    def open(self) -> list[Order]:
        """Everything of ours that rests."""
        return [order for order in self.account.orders.values() if order.status is OrderStatus.RESTING]

    def resting(self, side: Side, price: Price | None = None, number: int = 1) -> list[Order]:
        wanted = ticker(number)
        return [
            o for o in self.open()
            if o.ticker == wanted and o.side is side and price in (None, o.price)
        ]  # fmt: skip

    def filled(self, side: Side, number: int = 1) -> Quantity:
        wanted = ticker(number)
        return sum(f.quantity for f in self.account.fills if f.order.ticker == wanted and f.order.side is side)

    def crowd_hits(self, side: Side, price: Price, total: Quantity, number: int = 1) -> None:
        """Somebody trades with our orders of this side until `total` of them is filled, no further than `price`."""
        missing = total - self.filled(side, number)
        if missing > 0:
            crowd_takes(self.state, self.market(number), side.opposite, price, missing)

    def level(self, side: Side, price: Price, delta: Quantity, number: int = 1) -> None:
        level_changed(self.state, self.market(number), side, price, delta)

    def ask_operator(self, act: str) -> None:
        (self.folder / f"ask-{act}").touch()

    def acted(self, act: str) -> bool:
        return (self.folder / f"acted-{act}").exists()

    def drop_connections(self) -> None:
        self.state.publisher.drop_all()  # type: ignore[attr-defined]

    def plan(self, kind: FaultKind, method: str) -> None:
        self.exchange.faults.plan(kind, method, "/trade-api/v2/portfolio")


When = Callable[[Floor], Any]
Act = Callable[[Floor], Any]
Hook = Callable[[Floor, Request], None]
Stages = tuple[tuple[When, Act], ...]


@dataclass(frozen=True)
class Script:
    """`begin` happens before anybody trades; `on_write` sees each write to the exchange before it is carried out."""

    stages: Stages
    begin: Act = lambda floor: None
    on_write: Hook = lambda floor, request: None
    markets: int = 1
    bids: tuple[Level, ...] = BIDS
    fee_type: str = "quadratic"
    settings: dict[str, Any] = field(default_factory=dict)


class ScriptedApp(App):
    """Tells the script of each write first, and kills the sender if that is wanted."""

    def __init__(self, floor: Floor, script: Script) -> None:
        super().__init__(floor.exchange)
        self._floor = floor
        self._script = script

    def _reply(self, request: Request, fault: FaultKind | None) -> Reply:
        if request.method != "GET":
            kill = self._floor.folder / KILL
            if kill.exists():
                os.kill(int(kill.read_text()), signal.SIGKILL)
                kill.unlink()
            self._script.on_write(self._floor, request)
        return super()._reply(request, fault)


class ScriptedRunner(Runner):
    """Plays the script beside the exchange's own clockwork."""

    def __init__(self, app: App, floor: Floor, script: Script) -> None:
        super().__init__(app, [], None)
        self._floor = floor
        self._stages = list(script.stages)

    def step(self) -> int:
        done = super().step()
        while self._stages and self._stages[0][0](self._floor):
            _, act = self._stages.pop(0)
            act(self._floor)
            if not self._stages:
                (self._floor.folder / DONE).touch()
        self.app.exchange.commit()
        return done


def serve(folder: Path, script: Script, credential: Credential) -> None:
    """Runs until SIGTERM, then writes down what the exchange knows of us."""
    floor = Floor(make_exchange(script, credential), folder)
    runner = ScriptedRunner(ScriptedApp(floor, script), floor, script)
    script.begin(floor)

    def listening(port: int) -> None:
        part = folder / f"{PORT}.part"
        part.write_text(str(port))
        part.rename(folder / PORT)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await runner.serve("127.0.0.1", 0, listening, stop)

    asyncio.run(run())
    (folder / SNAPSHOT).write_text(json.dumps(snapshot(floor)))


def make_exchange(script: Script, credential: Credential) -> Exchange:
    settings = {"tier": "prestige", "cash": 10_000 * MONEY_SCALE} | script.settings
    exchange = create_exchange(ExchangeConfig((credential,), **settings), SystemClock(), random.Random(7))
    state, now_us = exchange.state, exchange.clock.now_us()
    event = list_event(state, EVENT, Series(SERIES, "Crash test", "Economics", script.fee_type), "Crash test")
    for number in range(1, script.markets + 1):
        market = list_market(
            state, ticker(number), event, f"Outcome {number}", open_us=now_us - DAY_US, close_us=now_us + DAY_US
        )
        book_replaced(state, market, script.bids, ASKS)
    return exchange


def snapshot(floor: Floor) -> dict[str, Any]:
    """Everything the exchange holds of our account, in engine integers."""
    account = floor.account
    return {
        "cash": account.cash,
        "conserved": floor.exchange.money_put_in(),
        "positions": {t: h.position.quantity for t, h in account.holdings.items() if h.position.quantity},
        "settled": sorted(s.ticker for s in account.settlements),
        "resting": sorted(order.order_id for order in floor.open()),
        "fills": [
            {"trade_id": f.trade_id, "order_id": f.order.order_id, "price": f.price, "quantity": f.quantity,
             "fee": f.fee} for f in account.fills
        ],
        "groups": [group.group_id for group in floor.state.groups.values()],
        "orders": [
            {"order_id": o.order_id, "client_order_id": o.client_order_id, "ticker": o.ticker, "side": o.side.value,
             "price": o.price, "filled": o.filled, "status": str(o.status), "created_us": o.created_us,
             "ended_us": o.updated_us, "group": o.intent.order_group_id,
             "first_client_order_id": o.intent.client_order_id}
            for o in account.orders.values()
        ],
    }  # fmt: skip
