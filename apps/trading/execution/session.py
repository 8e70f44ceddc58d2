"""The trading session: one account, one event loop, from lease to lease.

Starting is recovering: whatever rests is taken off, the venue's records are read, and only when cash, positions and
orders agree does the gate open. Stopping takes every order off and compares once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

import redis.asyncio
from django.db import DatabaseError

from apps.core.shutdown import tasks_end
from apps.engine.booksets import BookSet
from apps.engine.limits import TradingState
from apps.engine.portfolio import Portfolio
from apps.engine.ports import Venue
from apps.engine.types import Ticker
from apps.gateway.clock import Clock
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.ws import KalshiSocket
from apps.risk import blocks
from apps.trading.choices import SessionState
from apps.trading.exceptions import OrdersRemain
from apps.trading.mapping import from_ms
from apps.trading.models import Account, TradingSession
from apps.trading.services.sessions import session_close, session_open

from .context import MarketDesk, SessionContext
from .gate import Gate
from .journal import Journal
from .polls import covers_account
from .reconcile import cancel_everything
from .recovery import load_portfolio, recover_orders, unseen_since_s, venue_opening
from .show import Show
from .switchboard import look_always
from .trader import Trader
from .upkeep import Upkeep
from .venue_watch import QUEUE_S, STATUS_S

log = logging.getLogger(__name__)

LEASE_RENEW_S = 1.0
BEAT_S = 1.0
POLL_S = 0.25
RELOAD_S = 1.0
TIMER_S = 0.1
RESOLVE_S = 1.0
# A book that went wrong unseen is found by a snapshot of one market at a time; it costs no tokens.
COMPARE_S = 2.0
SCREEN_S = 0.5
REQUESTS_S = 1.0
STOP_TRIES = 20
DRAIN_S = 10.0
STOP_PAUSE_S = 0.25

PRIVATE_CHANNELS = ("fill", "user_orders", "order_group_updates", "market_lifecycle_v2")
KEPT_WHILE_STOPPING = ("feed", "lease", "screen", "heartbeat")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session is given from outside."""

    clock: Clock
    rng: Random
    venue: Venue
    socket: KalshiSocket
    screen: redis.asyncio.Redis | None


class Session:
    """Build with `open_session`, then `await run(stop)`."""

    def __init__(self, context: SessionContext, parts: Parts) -> None:
        self.context = context
        self._parts = parts
        self._failure: BaseException | None = None
        self._still_running: list[asyncio.Task[None]] = []
        self._socket_stop = asyncio.Event()
        self.trader = Trader(context, parts.socket)
        parts.venue.last_look = self.trader.requests.last_look
        self.show = Show(context, self.trader.incidents, parts.screen, self.trader.risk)
        self.upkeep = Upkeep(
            context,
            on_change=lambda: self.trader.desks.mark_dirty("state"),
            on_halt=self._on_halt,
            on_resume=self.trader.groups.reset,
            redis_client=parts.screen,
        )

    async def run(self, stop: asyncio.Event) -> SessionState:
        """Runs until `stop` is set, the lease is lost or a part fails; returns how it ended."""
        context = self.context
        journal_task = asyncio.create_task(context.journal.run())
        try:
            await self._recover()
            await self._run_until(stop, journal_task)
            state, reason = await self._wind_down()
        except Exception as error:
            state, reason = SessionState.FAILED, str(error) or type(error).__name__
            log.exception("trading session %s failed", context.session.pk)
            await self._abandon()
        if state is SessionState.STOPPED:
            await self.upkeep.beat(is_stopped=True)
        await self._close(state, reason)
        journal_task.cancel()
        context.journal.close()
        return state

    def _on_halt(self, reason: str) -> None:
        self.trader.groups.suspect_all()
        self.trader.cancel_all(f"halted: {reason}")

    async def _hear_stops(self) -> None:
        """Stops pushed over Redis shut the gate within milliseconds; the poll sees the same ones a little later."""
        if self._parts.screen is None:
            await asyncio.Event().wait()
            return
        context = self.context

        def on_block(block: blocks.Block) -> None:
            if covers_account(block.scope, block.scope_id, context):
                context.gate.block(f"stop {block.scope}", block.reason)
                self._on_halt(block.reason)
            else:
                context.stops = {**context.stops, block.key: TradingState.HALTED}
                self.trader.desks.mark_dirty("state")

        def on_clear(scope: str, scope_id: str) -> None:
            context.gate.unblock(f"stop {scope}")

        await blocks.subscribe(self._parts.screen, on_block, on_clear=on_clear)

    async def _abandon(self) -> None:
        """A last attempt to leave nothing resting; what remains expires at the exchange within a minute."""
        self.context.gate.block("failed", "the session has failed")
        for task in self._still_running:
            task.cancel()
        try:
            await cancel_everything(self.context, self.trader.groups)
        except (GatewayError, OrdersRemain) as error:
            log.error("orders may still rest: %s", error)

    async def _recover(self) -> None:
        context = self.context
        context.state = SessionState.RECONCILING
        blocks.blocks_prepare()
        context.gate.block("start", "reconciling at start")
        await self.upkeep.renew()
        await self.upkeep.beat()
        await self.trader.groups.adopt()
        await cancel_everything(context, self.trader.groups)
        opening = await context.venue.balance()
        context.opening_cash = await context.journal.commit(venue_opening, context=context, balance=opening)
        await context.journal.commit(load_portfolio, context=context)
        context.unseen_since_s = await context.journal.commit(unseen_since_s, context=context)
        await context.journal.commit(recover_orders, context=context)
        await self.trader.desks.reload()
        await self.trader.venue_watch.status()
        if not await self.trader.reconciler.reconcile("start"):
            log.warning("session %s starts with open differences", context.session.pk)
        context.gate.unblock("start")

    async def _run_until(self, stop: asyncio.Event, journal_task: asyncio.Task[None]) -> None:
        """Every loop of the session; the first to fail ends them all."""
        self.context.state = SessionState.RUNNING
        await self._parts.socket.subscribe(PRIVATE_CHANNELS)
        loops = [
            asyncio.create_task(self._parts.socket.run(self.trader.on_event, self._socket_stop), name="feed"),
            asyncio.create_task(_every(LEASE_RENEW_S, self.upkeep.renew), name="lease"),
            asyncio.create_task(_every(BEAT_S, self.upkeep.beat), name="heartbeat"),
            asyncio.create_task(_every(POLL_S, self.upkeep.poll), name="poll"),
            asyncio.create_task(self._hear_stops(), name="stops"),
            asyncio.create_task(_every(COMPARE_S, self.trader.desks.compare), name="compare"),
            asyncio.create_task(_every(RELOAD_S, self.trader.desks.reload), name="reload"),
            asyncio.create_task(_every(TIMER_S, self.trader.tick), name="timer"),
            asyncio.create_task(_every(SCREEN_S, self.show.publish), name="screen"),
            asyncio.create_task(self.trader.reconcile_loop(), name="reconcile"),
            asyncio.create_task(_every(RESOLVE_S, self.trader.resolve), name="resolve"),
            asyncio.create_task(look_always(self.trader.switchboard, self.context.gate), name="switches"),
            asyncio.create_task(_every(STATUS_S, self.trader.venue_watch.status), name="status"),
            asyncio.create_task(_every(QUEUE_S, self.trader.venue_watch.queues), name="queues"),
            asyncio.create_task(_every(REQUESTS_S, self.trader.hear_requests), name="requests"),
        ]
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self.upkeep.stop_requested.wait())]
        done, _ = await asyncio.wait([*loops, *waits, journal_task], return_when=asyncio.FIRST_COMPLETED)
        self.context.state = SessionState.STOPPING
        self.context.gate.block("stop", "stopping")
        for task in done:
            if task not in waits and not task.cancelled() and task.exception() is not None:
                self._failure = task.exception()
                log.error("loop %s of session failed", task.get_name(), exc_info=self._failure)
        # The lease is kept while the orders are taken off, and the feed tells what became of them.
        self._still_running = [t for t in loops if t.get_name() in KEPT_WHILE_STOPPING]
        await tasks_end([*waits, *(t for t in loops if t not in self._still_running)])

    async def _wind_down(self) -> tuple[SessionState, str]:
        """Takes every order off, waits for the last word on each, compares once more."""
        context, trader = self.context, self.trader
        await trader.requests.settle()
        is_clean = False
        for _ in range(STOP_TRIES):
            trader.cancel_all("session stops")
            await trader.requests.settle()
            is_clean = await self._compare_at_stop()
            if is_clean:
                break
            await asyncio.sleep(STOP_PAUSE_S)
        trader.evaluator.flush(everything=True)
        trader.meters.close()
        is_stored = await context.journal.drain(DRAIN_S)
        self._socket_stop.set()
        await tasks_end(self._still_running)
        return self._verdict(is_clean=is_clean, is_stored=is_stored)

    async def _compare_at_stop(self) -> bool:
        """True once nothing of ours is open, nothing rests and everything ties out."""
        try:
            await self.trader.reconciler.catch_up()
            if self.context.blotter.open_orders():
                return False
            return await self.trader.reconciler.reconcile("stop") and not await self.context.venue.open_orders()
        except GatewayError as error:
            log.warning("the exchange cannot be asked while stopping: %s", error)
            return False

    def _verdict(self, *, is_clean: bool, is_stored: bool) -> tuple[SessionState, str]:
        context = self.context
        if self._failure is not None:
            return SessionState.FAILED, f"{type(self._failure).__name__}: {self._failure}"
        if not is_stored:
            return SessionState.FAILED, f"{context.journal.backlog} facts could not be stored: the database is away"
        if context.blotter.open_orders():
            return SessionState.FAILED, "orders are left whose outcome is not known"
        if not is_clean:
            return SessionState.FAILED, context.gate.blocks.get("reconcile", "the exchange's records were not read")
        return SessionState.STOPPED, "stopped"

    async def _close(self, state: SessionState, reason: str) -> None:
        context = self.context
        context.state, context.reason = state, reason
        if state is SessionState.FAILED:
            context.counters.errors += 1
        try:
            await context.journal.commit(
                session_close,
                session=context.session,
                state=state,
                reason=reason,
                counters=context.counters.as_json(),
                now=context.now(),
            )
        except DatabaseError:
            log.exception("session %s could not be closed; its lease runs out by itself", context.session.pk)


async def _every(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await step()
        await asyncio.sleep(seconds)


async def open_session(
    *, account: Account, holder: str, parts: Parts, journal: Journal | None = None
) -> Session | None:
    """A session with the account's lease, or None while somebody else holds it."""
    journal = journal or Journal()
    gate = Gate(parts.clock)
    row: TradingSession | None = await journal.commit(
        session_open, account=account, holder=holder, now=from_ms(parts.clock.now_ms())
    )
    if row is None:
        journal.close()
        return None
    desks: dict[Ticker, MarketDesk] = {}
    context = SessionContext(
        account=account,
        session=row,
        clock=parts.clock,
        venue=parts.venue,
        journal=journal,
        gate=gate,
        books=BookSet(lambda ticker: desks[ticker].armed.grid if ticker in desks else None),
        portfolio=Portfolio(0),
        desks=desks,
    )
    return Session(context, parts)
