"""Which markets the session looks after: follows the armed configs, and the socket's subscriptions follow it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from django.db import DatabaseError

from apps.core.exceptions import Refused
from apps.engine.exposure import NodeKey
from apps.engine.types import Ticker
from apps.gateway.errors import GatewayError, NotConnected
from apps.gateway.kalshi.subscriptions import Channels
from apps.gateway.kalshi.ws import KalshiSocket
from apps.trading.services.runs import runs_note

from .armed import ArmedMarket, armed_fingerprint, held_paths, load_armed
from .context import MarketDesk, SessionContext
from .groups import OrderGroups
from .liquidity import LiquidityMeter
from .meters import Meters
from .recovery import market_keys
from .requests import OrderRequests

log = logging.getLogger(__name__)

MARKET_CHANNELS = ("orderbook_delta", "ticker")


class Desks:
    """Opens, changes and retires desks, and keeps their books fed."""

    def __init__(
        self,
        context: SessionContext,
        requests: OrderRequests,
        meters: Meters,
        groups: OrderGroups,
        socket: KalshiSocket,
        *,
        on_paths: Callable[[Mapping[Ticker, tuple[NodeKey, ...]]], None],
    ) -> None:
        self._context = context
        self._requests = requests
        self._meters = meters
        self._groups = groups
        self._on_paths = on_paths
        self._socket = socket
        self._compared = 0
        self._wanted: Channels | None = None
        self._fingerprint: tuple[object, ...] | None = None
        self._running: dict[int, tuple[int, int]] = {}

    async def reload(self) -> None:
        """Configs, parameters, limits and markets as the database has them now; read in full only when changed."""
        context = self._context
        account, now, asked_at = context.account, context.now(), context.clock.monotonic()
        try:
            fingerprint = await context.journal.read(armed_fingerprint, account=account, now=now)
            await context.journal.checkpoint()
            if fingerprint != self._fingerprint:
                armed = await context.journal.read(load_armed, account=account, now=now)
                context.market_keys = await context.journal.read(market_keys)
                self._on_paths(await context.journal.read(held_paths, account=account))
                self._fingerprint = fingerprint
                await self._adopt(armed)
                self._note_runs(armed)
        except Refused as refusal:
            context.gate.block("armed", refusal.message)
            return
        except DatabaseError:
            return
        context.gate.limits_read(asked_at)
        context.gate.unblock("armed")
        await self._open_groups()
        for desk in [d for d in context.desks.values() if d.is_retired]:
            await self._retire(desk)

    async def _adopt(self, armed: dict[Ticker, ArmedMarket]) -> None:
        """New markets get a desk and a subscription; markets no longer armed lose their orders, then their desk."""
        context = self._context
        new = [ticker for ticker in armed if ticker not in context.desks]
        for ticker, market in armed.items():
            desk = context.desks.get(ticker)
            if desk is None:
                context.desks[ticker] = MarketDesk(market, LiquidityMeter(market.pk))
            elif desk.armed != market:
                if desk.armed.limits != market.limits:
                    # What rests was judged by the old limits: it comes off and is placed anew through the gate.
                    for order in context.blotter.open_orders(ticker):
                        self._requests.retract(order, "limits have changed")
                changed = desk.armed.armed != market.armed
                desk.armed, desk.is_dirty = market, True
                desk.trigger = "params" if changed else desk.trigger
            if market.grid is not None:
                context.books.set_grid(ticker, market.grid)
        for ticker, desk in context.desks.items():
            desk.is_retired = ticker not in armed
        context.counters.markets = max(context.counters.markets, len(context.desks))
        if new:
            await self._subscribe(new)

    def parameters(self) -> dict[str, str]:
        """Hash of the set that each config (by its key) runs; asked from another thread."""
        parts = [desk.armed.armed for desk in tuple(self._context.desks.values()) if not desk.is_retired]
        return {str(part.config_id): part.params_hash for part in parts}

    def _note_runs(self, armed: dict[Ticker, ArmedMarket]) -> None:
        """Which version and parameters of each config run from now on."""
        parts = [market.armed for market in armed.values()]
        running = {part.config_id: (part.version_id, part.parameters_id) for part in parts}
        if running != self._running:
            self._running = running
            context = self._context
            context.journal.post(runs_note, session_id=context.session.pk, running=running, now=context.now())

    async def _open_groups(self) -> None:
        """Order groups for every shard that has markets; without one nothing is placed there."""
        shards = {desk.armed.shard for desk in self._context.desks.values()}
        if not self._groups.lacks(shards):
            return
        try:
            await self._groups.open(shards)
        except (GatewayError, DatabaseError) as error:
            log.warning("order groups not opened, tried again in a second: %s", error)

    async def _retire(self, desk: MarketDesk) -> None:
        open_orders = self._context.blotter.open_orders(desk.ticker)
        for order in open_orders:
            self._requests.cancel(order, "market is out of scope")
        if not open_orders:
            self._meters.forget(desk)
            del self._context.desks[desk.ticker]
            self._context.books.forget(desk.ticker)
            # The exchange refuses to take the last market out of a subscription; its frames are then only counted.
            if self._wanted is not None and self._context.desks:
                await self._send(self._socket.delete_markets(self._wanted, [desk.ticker]))

    async def _subscribe(self, tickers: list[Ticker]) -> None:
        if self._wanted is None:
            self._wanted = await self._socket.subscribe(MARKET_CHANNELS, tickers)
        else:
            await self._send(self._socket.add_markets(self._wanted, tickers))

    async def _send(self, command: Awaitable[object]) -> None:
        try:
            await command
        except NotConnected:
            log.info("socket not connected; subscriptions are made again with the connection")

    async def compare(self) -> None:
        """Asks for a snapshot of the next market whose book is good, to be held against it (`FeedHandler`)."""
        context = self._context
        good = [ticker for ticker in context.desks if context.books.unquotable_reason(ticker) is None]
        if good:
            ticker = good[self._compared % len(good)]
            self._compared += 1
            sid = context.books.sid_of(ticker)
            if sid is not None:
                await self._send(self._socket.resync(sid, [ticker]))

    async def resync(self) -> None:
        """Asks for new snapshots of every book that is out of step."""
        for sid in self._context.books.sids:
            stale = self._context.books.needs_resync(sid)
            if stale:
                await self._send(self._socket.resync(sid, stale))

    def mark_dirty(self, trigger: str) -> None:
        """Every market is decided afresh at the next tick."""
        for desk in self._context.desks.values():
            desk.is_dirty, desk.trigger, desk.frame_s = True, trigger, None
