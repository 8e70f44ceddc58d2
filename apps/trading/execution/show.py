"""Feeds the live screens twice a second; trading does not depend on them."""

from __future__ import annotations

import redis
import redis.asyncio

from apps.core import live
from apps.governance.choices import Severity

from .context import MarketDesk, SessionContext
from .incidents import Incidents
from .risk_view import RiskBook
from .screen import ladder, mission
from .screen_risk import risk

LADDERS_AT_ONCE = 8
RISK_S = 1.0


class Show:
    """`book` is the gate's own tree of limits; without it the risk page shows stored limits only."""

    def __init__(
        self,
        context: SessionContext,
        incidents: Incidents,
        client: redis.asyncio.Redis | None,
        book: RiskBook | None = None,
    ) -> None:
        self._context = context
        self._incidents = incidents
        self._client = client
        self._book = book
        self._risk_at = float("-inf")

    async def publish(self) -> None:
        """The newest state to Redis; without a client (tests, benchmarks) nothing."""
        if self._client is None:
            return
        topics = {f"book.{desk.ticker}": ladder(self._context, desk) for desk in self._changed_books()}
        topics["mission"] = mission(self._context)
        if self._book is not None and self._context.clock.monotonic() - self._risk_at >= RISK_S:
            self._risk_at = self._context.clock.monotonic()
            topics["risk"] = risk(self._context, self._book)
        try:
            await live.apublish(self._client, topics, nudge="mission")
        except redis.RedisError as error:
            # Screens fall back to the database; trading does not depend on them.
            self._incidents.raise_event("SCREEN_DOWN", Severity.WARNING, f"live screens are not fed: {error}")

    def _changed_books(self) -> list[MarketDesk]:
        """Markets whose book moved since they were last shown, the longest unseen first, a few at a time."""
        waiting = [
            d for d in self._context.desks.values() if d.book_at_ms is not None and d.book_at_ms != d.shown_at_ms
        ]
        chosen = sorted(waiting, key=lambda d: d.shown_at_ms or 0)[:LADDERS_AT_ONCE]
        for desk in chosen:
            desk.shown_at_ms = desk.book_at_ms
        return chosen
