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

from apps.core import live
from apps.core.exceptions import Refused
from apps.core.leases import LEASE_SECONDS, LeaseLost
from apps.engine.booksets import BookSet
from apps.engine.limits import TradingState
from apps.engine.portfolio import Portfolio
from apps.engine.ports import Venue
from apps.engine.types import Ticker
from apps.gateway.clock import Clock
from apps.gateway.errors import BadMessage, GatewayError
from apps.gateway.kalshi.frames import LifecycleFrame
from apps.gateway.kalshi.ws import Connected, Disconnected, Event, KalshiSocket
from apps.governance.choices import Severity
from apps.trading.choices import SessionState
from apps.trading.mapping import from_ms
from apps.trading.models import Account, TradingSession
from apps.trading.services.sessions import session_close, session_open

from .context import MarketDesk, SessionContext
from .desks import Desks
from .evaluate import Evaluator
from .feed import FeedHandler
from .gate import Gate
from .incidents import Incidents
from .journal import Journal
from .ledger import Ledger
from .maker import MakerExecution
from .meters import Meters
from .polls import poll_state, renew_lease
from .reconcile import Reconciler, cancel_everything
from .recovery import load_portfolio, recover_orders, venue_opening
from .screen import ladder, mission

log = logging.getLogger(__name__)

LEASE_RENEW_S = 1.0
POLL_S = 0.25
RELOAD_S = 1.0
TIMER_S = 0.1
RECONCILE_S = 5.0
SCREEN_S = 0.5
STOP_TRIES = 20
DRAIN_S = 10.0
LADDERS_PER_SCREEN = 8

PRIVATE_CHANNELS = ("fill", "user_orders", "market_lifecycle_v2")


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
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._reconcile_now = asyncio.Event()
        self._inputs: tuple[object, ...] = ()
        self._still_running: list[asyncio.Task[None]] = []
        self._socket_stop = asyncio.Event()
        prefix = f"{context.session.fencing_token:x}-{parts.rng.getrandbits(48):012x}"
        self.incidents = Incidents(context)
        self.evaluator = Evaluator(context)
        self.maker = MakerExecution(context, self.evaluator, prefix)
        self.ledger = Ledger(context, self.incidents)
        self.meters = Meters(context)
        self.desks = Desks(context, self.maker, self.meters, parts.socket)
        self.feed = FeedHandler(
            context, self.maker, self.ledger, self.incidents, on_change=self._on_change, on_news=self._on_news
        )
        self.reconciler = Reconciler(context, self.maker, self.feed, self.ledger, self.incidents)

    async def run(self, stop: asyncio.Event) -> SessionState:
        """Runs until `stop` is set or the lease is lost; returns how it ended. Raises nothing but cancellation."""
        context = self.context
        journal_task = asyncio.create_task(context.journal.run())
        try:
            await self._recover()
            await self._run_until(stop, journal_task)
            state, reason = await self._wind_down()
        except (GatewayError, DatabaseError, Refused) as error:
            state, reason = SessionState.FAILED, str(error)
            log.exception("trading session %s failed", context.session.pk)
        await self._close(state, reason)
        journal_task.cancel()
        await context.journal.close()
        return state

    async def _recover(self) -> None:
        context = self.context
        context.state = SessionState.RECONCILING
        context.gate.block("start", "reconciling at start")
        await self._renew()
        await cancel_everything(context)
        opening = await context.venue.balance()
        context.opening_cash = await context.journal.commit(venue_opening, context=context, balance=opening)
        await context.journal.commit(load_portfolio, context=context)
        await context.journal.commit(recover_orders, context=context)
        await self.desks.reload()
        if not await self.reconciler.reconcile("start"):
            log.warning("session %s starts with open differences", context.session.pk)
        context.gate.unblock("start")

    async def _run_until(self, stop: asyncio.Event, journal_task: asyncio.Task[None]) -> None:
        """Every loop of the session; the first to fail ends them all."""
        self.context.state = SessionState.RUNNING
        await self._parts.socket.subscribe(PRIVATE_CHANNELS)
        loops = [
            asyncio.create_task(self._parts.socket.run(self._on_event, self._socket_stop), name="feed"),
            asyncio.create_task(self._every(LEASE_RENEW_S, self._renew), name="lease"),
            asyncio.create_task(self._every(POLL_S, self._poll), name="poll"),
            asyncio.create_task(self._every(RELOAD_S, self.desks.reload), name="reload"),
            asyncio.create_task(self._every(TIMER_S, self._tick), name="timer"),
            asyncio.create_task(self._every(SCREEN_S, self._publish), name="screen"),
            asyncio.create_task(self._reconcile_loop(), name="reconcile"),
        ]
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(self._stop.wait())]
        done, _ = await asyncio.wait([*loops, *waits, journal_task], return_when=asyncio.FIRST_COMPLETED)
        self.context.state = SessionState.STOPPING
        self.context.gate.block("stop", "stopping")
        for task in done:
            if task not in waits and not task.cancelled() and task.exception() is not None:
                self._failure = task.exception()
                log.error("loop %s of session failed", task.get_name(), exc_info=self._failure)
        # The lease is kept while the orders are taken off, and the feed tells what became of them.
        for task in [*waits, *(t for t in loops if t.get_name() in ("reload", "timer", "reconcile", "poll"))]:
            task.cancel()
        self._still_running = [t for t in loops if t.get_name() in ("feed", "lease", "screen")]

    async def _wind_down(self) -> tuple[SessionState, str]:
        """Takes every order off, waits for the last word on each, compares once more."""
        context = self.context
        await self.maker.settle_tasks()
        clean = False
        for _ in range(STOP_TRIES):
            for order in context.blotter.open_orders():
                self.maker.cancel(order, "session stops")
            await self.maker.settle_tasks()
            await self.reconciler.resolve_undecided()
            if not context.blotter.open_orders():
                clean = await self.reconciler.reconcile("stop")
                if clean and not await context.venue.open_orders():
                    break
            await asyncio.sleep(0.25)
        self.evaluator.flush(everything=True)
        self.meters.close()
        is_stored = await context.journal.drain(DRAIN_S)
        self._socket_stop.set()
        for task in self._still_running:
            task.cancel()
        await asyncio.gather(*self._still_running, return_exceptions=True)
        if self._failure is not None:
            return SessionState.FAILED, f"{type(self._failure).__name__}: {self._failure}"
        if not is_stored:
            return SessionState.FAILED, f"{context.journal.backlog} facts could not be stored: the database is away"
        if context.blotter.open_orders():
            return SessionState.FAILED, "orders are left whose outcome is not known"
        return SessionState.STOPPED, "stopped" if clean else context.gate.blocks.get("reconcile", "stopped")

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

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await step()
            await asyncio.sleep(seconds)

    async def _renew(self) -> None:
        """Keeps the lease. While the database is away it is not renewed, and the gate shuts by itself."""
        context, asked_at = self.context, self.context.clock.monotonic()
        try:
            await context.journal.commit(renew_lease, context=context)
        except LeaseLost:
            context.gate.block("lease", "another session holds the lease")
            raise
        except DatabaseError:
            return
        context.gate.lease_renewed(asked_at, LEASE_SECONDS)

    async def _poll(self) -> None:
        """Reads the trading state; a halt takes every order off."""
        context = self.context
        try:
            poll = await context.journal.read(poll_state, context=context)
        except DatabaseError as error:
            context.gate.block("database", f"database away: {error}")
            self._show_state()
            return
        if context.journal.away_since is None:
            context.gate.unblock("database")
        else:
            context.gate.block("database", f"database away: {context.journal.last_error}")
        was = context.gate.state
        context.gate.refresh(state=poll.state, reason=poll.reason)
        if poll.stop_requested:
            self._stop.set()
        if poll.state is not was:
            self.desks.mark_dirty("state")
        if poll.state is TradingState.HALTED:
            self._cancel_all(f"halted: {poll.reason}")
        self._show_state()

    def _show_state(self) -> None:
        context = self.context
        if context.state in (SessionState.RUNNING, SessionState.PAUSED):
            closed = context.gate.closed_because()
            context.state = SessionState.RUNNING if closed is None else SessionState.PAUSED
            context.reason = closed or ""

    async def _on_event(self, event: Event, recv_ns: int, raw: bytes) -> None:
        context = self.context
        if isinstance(event, BadMessage):
            context.counters.refused_frames += 1
            self.incidents.raise_event("FRAME_REFUSED", Severity.WARNING, f"{type(event).__name__}: {event}")
        elif isinstance(event, Connected):
            context.feed_reason = ""
            context.counters.reconnects = self._parts.socket.reconnects
            self._reconcile_now.set()
        elif isinstance(event, Disconnected):
            context.feed_reason = event.reason or "disconnected"
            context.last_frame_ms = None
            context.books.on_disconnect()
            self.desks.mark_dirty("frame")
            if context.state is SessionState.RUNNING:
                self.incidents.raise_event("FEED_DOWN", Severity.WARNING, event.reason)
        else:
            gaps = context.books.counters.gaps
            self.feed.on_frame(event)
            if context.books.counters.gaps != gaps:
                await self._on_gap()

    async def _on_gap(self) -> None:
        context = self.context
        context.counters.seq_gaps = context.books.counters.gaps
        self.incidents.raise_event("SEQUENCE_GAP", Severity.WARNING, "frames are missing; books wait for snapshots")
        self.desks.mark_dirty("frame")
        await self.desks.resync()

    def _on_change(self, desk: MarketDesk) -> None:
        """A book or our orders moved: decide now, unless the book is in the middle of one match's deltas."""
        book = self.context.books.book(desk.ticker)
        if book is not None and book.is_matching:
            desk.is_dirty = True
            return
        self._evaluate(desk)

    def _on_news(self, frame: LifecycleFrame) -> None:
        if frame.event_type in ("determined", "settled"):
            self._reconcile_now.set()

    def _evaluate(self, desk: MarketDesk) -> None:
        decision, record = self.evaluator.decide(desk)
        self.maker.pursue(desk, decision, record)
        self.meters.observe(desk)

    async def _tick(self) -> None:
        """Ten times a second: markets that nothing else looked at, and the records of what was decided."""
        context = self.context
        if context.feed_reason == "" and (silent := self._parts.socket.silent_s) is not None:
            context.last_frame_ms = context.clock.now_ms() - int(silent * 1000)
        now_ms = context.clock.now_ms()
        self._note_epoch(now_ms)
        for desk in self.evaluator.due(now_ms):
            desk.trigger, desk.frame_s = (desk.trigger if desk.is_dirty else "timer"), None
            self._on_change(desk)
        self.evaluator.flush()
        self.meters.flush()
        if context.books.needs_resync() and context.feed_reason == "" and now_ms % 1000 < TIMER_S * 1000:
            await self.desks.resync()

    def _note_epoch(self, now_ms: int) -> None:
        """Account-wide inputs of every decision; when one changes, every market is decided afresh."""
        context = self.context
        silent_s = None if context.feed_age_ms is None else context.feed_age_ms // 1000
        closed = sum(now_ms >= desk.armed.close_at_ms for desk in context.desks.values())
        inputs = (context.gate.closed_because(), context.gate.state, silent_s, closed)
        if inputs != self._inputs:
            self._inputs = inputs
            context.epoch += 1

    def _cancel_all(self, why: str) -> None:
        for order in self.context.blotter.open_orders():
            self.maker.cancel(order, why)

    async def _reconcile_loop(self) -> None:
        """Every five seconds, at once after a reconnect or a settlement."""
        context = self.context
        while True:
            try:
                await self.reconciler.reconcile("interval")
                context.gate.unblock("venue")
            except GatewayError as error:
                context.gate.block("venue", f"the exchange's records cannot be read: {error}")
            context.blotter.forget_closed(context.clock.now_ms() - 600_000)
            self._reconcile_now.clear()
            try:
                await asyncio.wait_for(self._reconcile_now.wait(), RECONCILE_S)
            except TimeoutError:
                continue

    async def _publish(self) -> None:
        client = self._parts.screen
        if client is None:
            return
        topics = {f"book.{desk.ticker}": ladder(self.context, desk) for desk in self._changed_books()}
        topics["mission"] = mission(self.context)
        try:
            await live.apublish(client, topics, nudge="mission")
        except redis.RedisError as error:
            # Screens fall back to the database; trading does not depend on them.
            self.incidents.raise_event("SCREEN_DOWN", Severity.WARNING, f"live screens are not fed: {error}")

    def _changed_books(self) -> list[MarketDesk]:
        """Markets whose book moved since they were last shown, the longest unseen first, a few at a time."""
        waiting = [d for d in self.context.desks.values() if d.book_at_ms is not None and d.book_at_ms != d.shown_at_ms]
        chosen = sorted(waiting, key=lambda d: d.shown_at_ms or 0)[:LADDERS_PER_SCREEN]
        for desk in chosen:
            desk.shown_at_ms = desk.book_at_ms
        return chosen


async def open_session(*, account: Account, holder: str, parts: Parts) -> Session | None:
    """A session with the account's lease, or None while somebody else holds it."""
    journal = Journal()
    gate = Gate(parts.clock)
    row: TradingSession | None = await journal.commit(
        session_open, account=account, holder=holder, now=from_ms(parts.clock.now_ms())
    )
    if row is None:
        await journal.close()
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
