"""The control endpoint for benches and tests of real processes: `POST /sim/control`, `GET /sim/stats`.

Unsigned, and no part of the exchange it simulates; only there when the server was started with it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from typing import TypeVar

import msgspec

from apps.engine.decimals import parse_price, parse_quantity
from apps.engine.errors import EngineError
from apps.engine.types import Side

from .clock import MICROS
from .config import TIERS
from .exchange import Exchange
from .faults import PROFILES, FaultKind, FaultPlan, Latency
from .feed import crowd_takes
from .markets import GRIDS
from .rest.call import BASE, Reply, Request
from .socket_faults import SocketFaultKind, SocketPlan
from .stats import stats
from .ws.hub import Hub

CONTROL_PREFIX = "/sim/"
T = TypeVar("T")


class _Command(msgspec.Struct, forbid_unknown_fields=True):
    """`do` names the control; each uses the fields its method names and ignores the others."""

    do: str
    ticker: str = ""
    key: str = ""
    result: str = ""
    value: str | None = None
    structure: str = ""
    series: str = ""
    event: str | None = None
    fee_type: str | None = None
    fee_multiplier: str | None = None
    at_s: int | None = None
    tier: str = ""
    ms: float = 0.0
    sigma: float = 0.0
    seed: int = 0
    rate: float = 0.0
    profile: str | None = None
    kinds: tuple[str, ...] = ()
    kind: str = ""
    method: str = ""
    path: str = ""
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    channel: str = ""
    channels: tuple[str, ...] = ()
    late_s: tuple[float, float] | None = None
    code: int = 1012
    side: str = ""
    count: str = ""


class Controls:
    """Runs commands against one exchange and its sockets."""

    def __init__(self, exchange: Exchange, hub: Hub) -> None:
        self._exchange = exchange
        self._hub = hub
        e = exchange
        self._commands: dict[str, Callable[[_Command], None]] = {
            "pause_trading": lambda c: e.pause_trading(),
            "pause_exchange": lambda c: e.pause_exchange(),
            "resume": lambda c: e.resume(),
            "halt": lambda c: e.halt(c.ticker),
            "reopen": lambda c: e.reopen(c.ticker),
            "close": lambda c: e.close(c.ticker),
            "determine": self._determine,
            "dispute": lambda c: e.dispute(c.ticker),
            "void": lambda c: e.void(c.ticker),
            "settle": lambda c: e.settle(c.ticker),
            "grid": lambda c: e.change_grid(c.ticker, _known(c.structure, GRIDS)),
            "fees": self._fees,
            "tier": lambda c: e.set_tier(c.key, _known(c.tier, TIERS)),
            "revoke": lambda c: e.revoke(c.key),
            "skew": self._skew,
            "drain": lambda c: e.drain(c.key),
            "latency": self._latency,
            "faults": self._faults,
            "fault": lambda c: e.faults.plan(FaultKind(c.kind), c.method, full_path(c.path)),
            "socket_faults": self._socket_faults,
            "socket_fault": lambda c: e.socket_faults.plan(SocketFaultKind(c.kind), c.channel),
            "drop_sockets": lambda c: hub.drop_all(c.code),
            "silence_sockets": lambda c: hub.silence_all(),
            "crowd_takes": self._crowd_takes,
            "forget_closed": lambda c: e.forget_closed(),
        }

    def respond(self, request: Request) -> Reply:
        """200 with the stats, or 400 or 404 with what is wrong."""
        if (request.method, request.path) == ("GET", "/sim/stats"):
            self._exchange.advance()
            self._exchange.commit()
            return 200, stats(self._exchange, self._hub)
        if (request.method, request.path) != ("POST", "/sim/control"):
            return 404, {"error": "GET /sim/stats or POST /sim/control"}
        try:
            self._run(msgspec.json.decode(request.body, type=_Command))
        except KeyError as e:
            return 404, {"error": f"there is no {e}"}
        except (ValueError, EngineError) as e:
            return 400, {"error": str(e)}
        return 200, stats(self._exchange, self._hub)

    def _run(self, command: _Command) -> None:
        if command.do not in self._commands:
            raise ValueError(f"do is one of {', '.join(self._commands)}")
        self._exchange.advance()
        try:
            self._commands[command.do](command)
        finally:
            self._exchange.commit()

    def _determine(self, c: _Command) -> None:
        self._exchange.determine(c.ticker, c.result, None if c.value is None else parse_price(c.value))

    def _fees(self, c: _Command) -> None:
        at_us = None if c.at_s is None else c.at_s * MICROS
        self._exchange.plan_fees(c.series, c.fee_type, c.fee_multiplier, at_us=at_us, event=c.event)

    def _skew(self, c: _Command) -> None:
        self._exchange.clock_skew_us = round(c.ms * 1000)

    def _latency(self, c: _Command) -> None:
        self._exchange.latency = Latency(c.ms, c.sigma, random.Random(c.seed)) if c.ms else None

    def _faults(self, c: _Command) -> None:
        """A new plan, from a profile or a list of kinds; rate 0 ends it."""
        faults, rng = self._exchange.faults, random.Random(c.seed)
        faults.rng = random.Random(c.seed + 1)
        kinds = tuple(FaultKind(k) for k in c.kinds) if c.profile is None else PROFILES[c.profile]
        plan = FaultPlan(c.rate, kinds, rng, tuple(full_path(p) for p in c.paths), c.methods) if c.rate else None
        if plan is not None and c.late_s is not None:
            plan.late_s = c.late_s
        faults.random = plan

    def _socket_faults(self, c: _Command) -> None:
        """A new plan for the sockets' frames; rate 0 ends it."""
        faults, rng = self._exchange.socket_faults, random.Random(c.seed)
        faults.rng = random.Random(c.seed + 1)
        kinds = tuple(SocketFaultKind(k) for k in c.kinds)
        plan = SocketPlan(c.rate, kinds, rng, c.channels) if c.rate else None
        if plan is not None and c.late_s is not None:
            plan.late_s = c.late_s
        faults.random = plan

    def _crowd_takes(self, c: _Command) -> None:
        """The crowd buys (`bid`) or sells (`ask`) up to a limit, our orders included."""
        market = self._exchange.market(c.ticker)
        crowd_takes(self._exchange.state, market, Side(c.side), parse_price(c.value or ""), parse_quantity(c.count))


def _known(name: str, names: Container[str]) -> str:
    if name not in names:
        raise KeyError(name)
    return name


def full_path(path: str) -> str:
    """A prefix as given, or behind the API's base when it does not name it."""
    return path if path.startswith("/trade-api/") else BASE + path
