"""Events in, decisions and orders out: wires the session's parts together around its event loop."""

from __future__ import annotations

import asyncio
import logging

from apps.gateway.errors import BadMessage, GatewayError
from apps.gateway.kalshi.frames import LifecycleFrame
from apps.gateway.kalshi.ws import Connected, Disconnected, Event, KalshiSocket
from apps.governance.choices import Severity
from apps.trading.choices import SessionState

from .context import MarketDesk, SessionContext
from .desks import Desks
from .evaluate import Evaluator
from .feed import FeedHandler
from .groups import OrderGroups
from .incidents import Incidents
from .ledger import Ledger
from .maker import MakerExecution
from .manual import ManualOrders
from .meters import Meters
from .placing import Placing
from .plans import Plans
from .reconcile import Reconciler
from .requests import OrderRequests
from .risk_view import RiskBook
from .switchboard import Switchboard
from .taker import TakerExecution
from .venue_watch import VenueWatch

log = logging.getLogger(__name__)

RECONCILE_S = 5.0
RESYNC_EVERY_MS = 1_000
FORGET_AFTER_MS = 60_000
TURN = 20


class Trader:
    """The parts of one session; every method runs on its event loop."""

    def __init__(self, context: SessionContext, socket: KalshiSocket) -> None:
        self.context = context
        self._socket = socket
        self._reconcile_now = asyncio.Event()
        self._inputs: tuple[object, ...] = ()
        self._resync_ms = 0
        self.incidents = Incidents(context)
        self.evaluator = Evaluator(context)
        self.groups = OrderGroups(context, self.incidents)
        self.requests = OrderRequests(context, on_group_triggered=self.groups.on_triggered)
        self.placing = Placing(context, self.requests)
        self.risk = RiskBook(context)
        self.maker = MakerExecution(context, self.evaluator, self.requests, self.placing, self.groups, self.risk.judge)
        self.taker = TakerExecution(context, self.evaluator, self.requests, self.placing, self.groups, self.risk.judge)
        self.manual = ManualOrders(context, self.requests, self.placing, self.groups, self.risk.judge)
        self.plans = Plans(context, self.requests, self.placing, self.groups, self.incidents, self.risk.judge)
        self.ledger = Ledger(context, self.incidents)
        self.meters = Meters(context)
        self.desks = Desks(context, self.requests, self.meters, self.groups, socket, on_paths=self.risk.know_paths)
        self.feed = FeedHandler(
            context,
            self.requests,
            self.ledger,
            self.incidents,
            on_change=self.on_change,
            on_news=self.on_news,
            on_group_triggered=self.groups.on_triggered,
        )
        self.reconciler = Reconciler(
            context, self.requests, self.feed, self.ledger, self.incidents, on_private_silence=socket.reconnect
        )
        self.venue_watch = VenueWatch(context, self.incidents)
        # It puts itself between the session and its venue, so that nothing reaches the exchange unseen.
        self.switchboard = Switchboard(context, self.incidents, on_pull=self.cancel_all, measures=self.risk.measures)

    async def on_event(self, event: Event, recv_ns: int, raw: bytes) -> None:
        context = self.context
        if isinstance(event, BadMessage):
            context.counters.refused_frames += 1
            self.incidents.raise_event("FRAME_REFUSED", Severity.WARNING, f"{type(event).__name__}: {event}")
        elif isinstance(event, Connected):
            context.feed_reason = ""
            context.connected_ms = context.clock.now_ms()
            context.counters.reconnects = self._socket.reconnects
            self._reconcile_now.set()
        elif isinstance(event, Disconnected):
            context.feed_reason = event.reason or "disconnected"
            context.last_frame_ms = context.connected_ms = None
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

    def on_change(self, desk: MarketDesk) -> None:
        """A book or our orders moved: decide now, unless the book is in the middle of one match's deltas."""
        book = self.context.books.book(desk.ticker)
        if book is not None and book.is_matching:
            desk.is_dirty = True
            return
        self._evaluate(desk)

    def on_news(self, frame: LifecycleFrame) -> None:
        if frame.event_type in ("determined", "settled"):
            self._reconcile_now.set()

    def _evaluate(self, desk: MarketDesk) -> None:
        decision, record = self.evaluator.decide(desk)
        self.maker.pursue(desk, decision.resting, record)
        self.taker.pursue(desk, decision, record)
        self.meters.observe(desk)

    async def tick(self) -> None:
        """Ten times a second: markets that nothing else looked at, and the records of what was decided."""
        context = self.context
        if context.feed_reason == "" and (silent := self._socket.silent_s) is not None:
            context.last_frame_ms = context.clock.now_ms() - int(silent * 1000)
        now_ms = context.clock.now_ms()
        self._note_epoch(now_ms)
        self.groups.check()
        self.risk.keep_up()
        if self.maker.room.is_short:
            self._note_shortage()
        self.maker.take_stock()
        await self._decide_due(now_ms)
        self.maker.renew()
        self.plans.tick()
        self.evaluator.flush()
        self.meters.flush()
        if context.feed_reason == "" and now_ms - self._resync_ms >= RESYNC_EVERY_MS and context.books.needs_resync():
            self._resync_ms = now_ms
            await self.desks.resync()

    def _note_shortage(self) -> None:
        room = self.maker.room
        self.context.counters.held = room.held
        self.incidents.raise_event(
            "TOKENS_SHORT",
            Severity.WARNING,
            f"quotes are held back: the account's tokens renew {room.capacity} resting orders",
            {"capacity": room.capacity, "held": room.held, "unsent": self.requests.unsent},
        )

    async def _decide_due(self, now_ms: int) -> None:
        """In turns: a thousand markets decided in one go would hold up a stop that comes meanwhile."""
        self.maker.gather()
        try:
            for number, desk in enumerate(self.evaluator.due(now_ms), 1):
                desk.trigger, desk.frame_s = (desk.trigger if desk.is_dirty else "timer"), None
                self.on_change(desk)
                if number % TURN == 0:
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            # What is reserved must not stay without an outcome; the gate is shut by now.
            self.maker.send_gathered()
            raise
        self.maker.send_gathered()

    async def hear_requests(self) -> None:
        """Once a second: what people ask for."""
        await self.manual.poll()
        await self.plans.poll()

    def _note_epoch(self, now_ms: int) -> None:
        """Account-wide inputs of every decision; when one changes, every market is decided afresh."""
        context = self.context
        silent_s = None if context.feed_age_ms is None else context.feed_age_ms // 1000
        closed = sum(now_ms >= desk.armed.close_at_ms for desk in context.desks.values())
        inputs = (context.gate.closed_because(), context.gate.state, silent_s, closed)
        if inputs != self._inputs:
            self._inputs = inputs
            context.epoch += 1

    def cancel_all(self, why: str) -> None:
        """Takes off everything that rests."""
        for order in self.context.blotter.open_orders():
            self.requests.cancel(order, why)

    async def resolve(self) -> None:
        """Orders without an outcome hold up their side of a market: they are looked up sooner than all else."""
        try:
            await self.reconciler.resolve_undecided()
        except GatewayError as error:
            log.info("orders not looked up, tried again: %s", error)

    async def reconcile_loop(self) -> None:
        """Every five seconds, at once after a reconnect or a settlement."""
        context = self.context
        while True:
            try:
                await self.reconciler.reconcile("interval")
                context.gate.unblock("venue")
            except GatewayError as error:
                context.gate.block("venue", f"the exchange's records cannot be read: {error}")
            self.maker.take_off_strays()
            context.blotter.forget_closed(context.clock.now_ms() - FORGET_AFTER_MS)
            self._reconcile_now.clear()
            try:
                async with asyncio.timeout(RECONCILE_S):
                    await self._reconcile_now.wait()
            except TimeoutError:
                continue
