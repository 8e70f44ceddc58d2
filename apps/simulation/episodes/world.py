"""One seeded world: the exchange with its crowd, our machine with its database, and the processes on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from random import Random
from typing import Any

import httpx2
from django.conf import settings
from django.db import DatabaseError, OperationalError
from django.utils.module_loading import import_string

from apps.core.exceptions import Refused
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.limits import BASIC_READ, BASIC_WRITE, DEFAULT_COSTS
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer
from apps.gateway.kalshi.ws import KalshiSocket
from apps.gateway.throttle import Budget
from apps.risk.guardian import heartbeat
from apps.simulation.exchange.accounts import Account as ExchangeAccount
from apps.simulation.exchange.app import asgi_app
from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import create_exchange
from apps.simulation.exchange.feed import crowd_takes
from apps.trading.choices import SessionState
from apps.trading.execution.journal import Journal
from apps.trading.execution.session import Parts, Session, open_session
from apps.trading.models import Account

from .clocks import HostClock, WorldClock
from .crowd import Crowd
from .database import CallFate, InlineDatabase
from .faults import Arm, FaultKind, Faults
from .ground import KEY_ID, PRIVATE_KEY
from .guarding import serve_guardian
from .limits import Rules
from .loop import Process, VirtualLoop
from .requests import TIMEOUT_S, Wire
from .sockets import Pipe, SocketMaker
from .trace import Trace
from .watch import Watch

API = "http://exchange/trade-api/v2"
WS = "ws://exchange/trade-api/ws/v2"
CROWD_STEP_S = 0.05
TICKER_S = 0.5
RESTART_S = 1.0
CANCEL_PATH = "/trade-api/v2/portfolio/events/orders/"


Serve = Callable[[Process, asyncio.Event], Coroutine[Any, Any, Any]]


class World:
    """Built anew for each episode; `rng` is the root of all chance in it."""

    def __init__(self, loop: VirtualLoop, rng: Random, *, markets: int, keep_trace: bool) -> None:
        self.loop = loop
        self.rng = rng
        self.clock = WorldClock(loop)
        self.host = HostClock(self.clock)
        self.trace = Trace(loop.time, keep=keep_trace)
        self.faults = Faults(_child(rng), loop.time)
        self.rules = Rules()
        self.outside: Context = copy_context()
        config = ExchangeConfig(
            credentials=(Credential(KEY_ID, PRIVATE_KEY.public_key()),),
            tier=rng.choice(("basic", "advanced")),
            read_lag_us=rng.choice((0, 0, 300_000, 1_200_000)),
        )
        self.exchange = create_exchange(config, self.clock, _child(rng))
        self.app = asgi_app(self.exchange)
        self.watch = Watch(self.app.hub, self.clock, self.rules)
        self.crowd = Crowd(self.exchange.state, markets, rng.uniform(5, 20), rng.getrandbits(32))
        self.exchange.state.publisher = self.watch
        self.wire_rng = _child(rng)
        self.makers: list[SocketMaker] = []
        self.processes: list[Process] = []
        self.sessions: list[tuple[str, Session]] = []
        self.ends: list[str] = []
        self.arrivals: list[Arm] = []
        self.is_over = False
        self.quiet_from_s = 0.0
        self.is_crowd_quiet = False
        self._work: list[asyncio.Task[None]] = []

    @property
    def account(self) -> ExchangeAccount:
        return self.exchange.state.accounts[KEY_ID]

    @property
    def pipes(self) -> list[Pipe]:
        return [pipe for maker in self.makers for pipe in maker.pipes if pipe.close_code is None]

    async def flow(self) -> None:
        """The exchange's own clockwork and its crowd, as its runner does it."""
        steps = 0
        while not self.is_over:
            self.exchange.advance()
            if not self.is_crowd_quiet and self.exchange.state.trading_active:
                self.crowd.run()
            self.exchange.commit()
            steps += 1
            if steps % round(TICKER_S / CROWD_STEP_S) == 0:
                self.app.hub.flush_tickers()
            await asyncio.sleep(CROWD_STEP_S)

    # what the network asks

    def on_arrival(self, method: str, path: str, body: bytes) -> None:
        """A request reaches the exchange; an order to be canceled may be hit just before."""
        del body
        arm = self.faults.take(self.arrivals, f"{method} {path}")
        if arm is None or not path.startswith(CANCEL_PATH):
            return
        order = self.account.resting.get(path.removeprefix(CANCEL_PATH))
        if order is None:
            return
        taken = max(100, order.remaining // 2) if arm.kind is FaultKind.FILL_DURING_CANCEL else order.remaining
        market = self.exchange.market(order.ticker)
        if arm.kind is FaultKind.FILL_AFTER_CANCEL:
            taken = max(100, order.remaining // 2)
            for pipe in self.pipes:
                pipe.hold_back(arm.amount)
        crowd_takes(self.exchange.state, market, order.side.opposite, order.price, taken)

    def database_fate(self, thread: str, call: str) -> CallFate:
        """How long a call takes, and whether it fails."""
        draw = self.faults.rng.random
        before_s, after_s = 0.0003 + draw() * 0.002, max(0.0, draw() - 0.7) * 0.004
        arm = self.faults.take(self.faults.calls, f"{thread} {call}")
        if arm is None:
            return CallFate(before_s, after_s)
        self.trace.note("database", f"{arm.kind} {thread} {call}")
        if arm.kind is FaultKind.DATABASE_SLOW:
            return CallFate(arm.amount, after_s)
        error = OperationalError(f"simulated: {arm.kind}")
        if arm.kind is FaultKind.COMMIT_REPLY_LOST:
            return CallFate(before_s, after_s, error_after=error)
        return CallFate(before_s, after_s, error_before=error)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something of the world itself until it is over."""
        self._work.append(self.loop.create_task(work, context=self.outside))

    def close(self) -> None:
        for task in self._work:
            task.cancel()

    # our processes

    def new_process(self, name: str) -> Process:
        process = Process(self.loop, f"{name}-{len(self.processes) + 1}")
        self.processes.append(process)
        return process

    def wire(self) -> Wire:
        """A way to the exchange of one process."""
        return Wire(
            self.app, self.faults, self.trace, self.wire_rng, self.outside,
            on_send=self.watch.on_send, on_arrival=self.on_arrival,
        )  # fmt: skip

    async def serve(self, process: Process, stop: asyncio.Event) -> SessionState | None:
        """What a worker does for a trading session: puts the parts together and runs it."""
        rng = _child(self.rng)
        client = httpx2.AsyncClient(transport=self.wire(), timeout=TIMEOUT_S, trust_env=False)
        signer = Signer(KEY_ID, PRIVATE_KEY, self.host)
        budget = Budget(BASIC_READ, BASIC_WRITE, self.host, costs=DEFAULT_COSTS, rng=rng)
        rest = KalshiRest(API, signer, budget, self.host, client=client, rng=rng)
        venue = import_string(settings.VENUES["kalshi"])(rest)
        maker = SocketMaker(self.app, self.faults, self.trace, self.wire_rng, self.outside, process)
        self.makers.append(maker)
        socket = KalshiSocket(WS, signer, self.host, rng, connect=maker.connect)
        journal = Journal(
            writer=InlineDatabase("journal", self.database_fate), reader=InlineDatabase("reader", self.database_fate)
        )
        parts = Parts(self.host, rng, venue, socket, None)
        try:
            session = await open_session(
                account=self.trading_account, holder=process.name, parts=parts, journal=journal
            )
            if session is None:
                return None
            self.sessions.append((process.name, session))
            await rest.load_budget()
            return await session.run(stop)
        finally:
            await rest.aclose()

    async def serve_guardian(self, process: Process, stop: asyncio.Event) -> None:
        """The guardian's process."""
        del process
        await serve_guardian(
            url=API,
            signer=Signer(KEY_ID, PRIVATE_KEY, self.host),
            clock=self.host,
            rng=_child(self.rng),
            wire=self.wire(),
            database=InlineDatabase("guardian", self.database_fate),
            stop=stop,
        )

    async def pretend_guardian(self, process: Process, stop: asyncio.Event) -> None:
        """Only its sign of life, for episodes in which it would have nothing to do."""
        del process
        while not stop.is_set():
            heartbeat.guardian_beat(self.host.now_ms())
            await asyncio.sleep(1.0)

    trading_account: Account


class Runner:
    """Keeps one session of the account running, as beat and a worker do; a killed one is started anew."""

    def __init__(self, world: World, name: str, serve: Serve | None = None) -> None:
        self._world = world
        self._name = name
        self.serve = serve or world.serve
        self.process: Process | None = None
        self.stop = asyncio.Event()
        self.is_retired = False
        self.ended = asyncio.Event()
        self._may_start = asyncio.Event()
        self._may_start.set()

    async def run(self) -> None:
        """Until `retire`."""
        while not self.is_retired:
            self.stop = asyncio.Event()
            process = self._world.new_process(self._name)
            task = process.start(self.serve(process, self.stop))
            self.process = process
            await self._end_of(process, task)
            self._note(process, task)
            self.process = None
            if not self.is_retired:
                await asyncio.sleep(RESTART_S)
                await self._may_start.wait()
        self.ended.set()

    def kill(self, steps: int, away_s: float = 0.0) -> None:
        """Kills the process so many of its steps on; it is started anew after this long at the soonest."""
        assert self.process is not None
        self.process.kill_at_step = self.process.steps + steps
        if away_s:
            self._may_start.clear()
            self._world.loop.call_later(away_s, self._may_start.set)

    def come_back(self) -> None:
        """Nothing keeps it away any more."""
        self._may_start.set()

    async def _end_of(self, process: Process, task: asyncio.Task[Any]) -> None:
        over: asyncio.Future[None] = self._world.loop.create_future()

        def end(*_: object) -> None:
            if not over.done():
                over.set_result(None)

        process.on_death.append(end)
        task.add_done_callback(end)
        await over

    def retire(self) -> None:
        """Asks for a stop, and starts nothing afterwards."""
        self.is_retired = True
        self.stop.set()

    def _note(self, process: Process, task: asyncio.Task[Any]) -> None:
        """How a process ended; one that fell over for any reason but the outside world's is a finding."""
        if process.is_dead:
            self._end(process, "killed")
            return
        error = task.exception()
        if error is None:
            state = task.result()
            self._end(process, "ended" if state is None else str(state))
        elif isinstance(error, GatewayError | DatabaseError | Refused):
            self._end(process, f"gave up: {type(error).__name__}")
        else:
            self._world.watch.problem(f"process {process.name} fell over: {error!r}")
            self._end(process, "fell over")

    def _end(self, process: Process, how: str) -> None:
        self._world.ends.append(f"{process.name} {how}")
        self._world.trace.note("process", f"{process.name} {how}")


def _child(rng: Random) -> Random:
    """A generator of its own, so that one part drawing more does not change what another draws."""
    return Random(rng.getrandbits(64))
