"""Keeps the catalogue in step with the exchange, and the feed's scope with the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from apps.core.database_thread import AWAY, DatabaseThread
from apps.gateway.clock import Clock
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.rest import KalshiRest
from apps.marketdata.mapping import at_ms
from apps.marketdata.selectors import markets_in_scope, markets_unfinished
from apps.marketdata.services import CatalogueBatch, catalogue_sync

from .catalogue import CatalogueScope, catalogue_fetch
from .kalshi import KalshiFeed
from .store import FeedStore
from .wanted import WantedMarkets


@dataclass(frozen=True, slots=True)
class FollowPace:
    """How often (seconds) the scope and the whole catalogue are read without any news, and a failed reading again."""

    scope_s: float = 5.0
    catalogue_s: float = 300.0
    retry_s: float = 5.0


class ScopeFollower:
    """`step` is called at least once a second and does what is due; `wake` is set when the socket brought news."""

    def __init__(
        self,
        *,
        feed: KalshiFeed,
        store: FeedStore,
        scope: CatalogueScope,
        pace: FollowPace,
        make_rest: Callable[[], KalshiRest],
        database: DatabaseThread,
        flush: Callable[[], Awaitable[bool]],
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._store = store
        self._scope = scope
        self._pace = pace
        self._make_rest = make_rest
        self._database = database
        self._flush = flush
        self._clock = clock
        self._wanted = WantedMarkets(scope.series)
        self._catalogue_due_s = 0.0
        self._scope_due_s = 0.0
        self._catalogue_problem: str | None = None
        self._scope_problem: str | None = None
        self.wake = asyncio.Event()

    @property
    def problems(self) -> list[str | None]:
        """Why what is followed may be out of date."""
        return [self._catalogue_problem, self._scope_problem]

    def _now(self) -> datetime:
        return at_ms(self._clock.now_ms())

    async def start(self) -> None:
        """Read both, so that the first subscription is complete."""
        await self._read_catalogue()
        await self._read_scope()

    async def step(self) -> None:
        has_news = self.wake.is_set()
        self.wake.clear()
        self._wanted.add(self._store.take_unknown())
        now_s = self._clock.monotonic()
        is_due = now_s >= self._catalogue_due_s or (self._catalogue_problem is None and self._wanted.is_due(now_s))
        if is_due:
            await self._read_catalogue()
        if is_due or has_news or now_s >= self._scope_due_s:
            await self._read_scope()

    async def _read_catalogue(self) -> None:
        """A catalogue that cannot be read leaves the one we have in use and shows as a problem of the feed."""
        try:
            batch = await self._sync()
        except (GatewayError, *AWAY) as e:
            self._catalogue_problem = f"catalogue not read: {type(e).__name__}: {e}"[:300]
            self._catalogue_due_s = self._clock.monotonic() + self._pace.retry_s
        else:
            self._catalogue_problem = None
            self._catalogue_due_s = self._clock.monotonic() + self._pace.catalogue_s
            found = {m.ticker for m in batch.markets} | {e.event_ticker for e in batch.events}
            self._wanted.read(found, self._clock.monotonic())

    async def _sync(self) -> CatalogueBatch:
        rest = self._make_rest()
        try:
            known = await self._database(markets_unfinished)
            batch = await catalogue_fetch(rest, self._scope, known=known, asked_at=self._now())
            await self._database(catalogue_sync, batch=batch, now=self._now())
        finally:
            await rest.aclose()
        return batch

    async def _read_scope(self) -> None:
        # What the socket said about grids and closings must be stored before it is read back.
        if not await self._flush():
            return
        try:
            markets = await self._database(markets_in_scope, now=self._now(), limit=self._scope.market_cap)
        except AWAY as e:
            self._scope_problem = f"scope not read: {type(e).__name__}"
            return
        self._scope_problem = None
        self._scope_due_s = self._clock.monotonic() + self._pace.scope_s
        self._feed.set_scope(markets)
