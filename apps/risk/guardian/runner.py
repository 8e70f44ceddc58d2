"""One ladder for one press, with everybody told: what the guardian and `manage.py kill` have in common."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import redis.asyncio
from django.conf import settings

from apps.gateway.clock import Clock
from apps.risk.choices import Scope
from apps.risk.files import write_atomic

from . import heartbeat, records
from .asking import Timing
from .connection import Connection
from .database import DatabaseAway, DatabaseThread
from .ladder import run_ladder
from .reach import Reach, reach_without_records
from .report import LadderReport, Step
from .request import KillRequest
from .telling import Telling

log = logging.getLogger(__name__)

REACH_S = 1.0
_TOLD_BY_TICKER = (Scope.GLOBAL, Scope.ACCOUNT, Scope.ENVIRONMENT, Scope.MARKET)


@dataclass(slots=True)
class Known:
    """What a guardian learned beforehand, so that a stop need not ask first. Kept in a file for `manage.py kill`."""

    groups: tuple[str, ...] = ()

    @staticmethod
    def path() -> Path:
        return Path(settings.RUN_DIR) / "guardian" / "known.json"

    def save(self, connection: Connection) -> None:
        """Raises `OSError`."""
        tokens = connection.tokens
        rates = {name: [b.refill_per_s, b.capacity] for name, b in (("read", tokens.read), ("write", tokens.write))}
        write_atomic(self.path(), json.dumps({"groups": self.groups, "tokens": rates}).encode(), is_durable=False)

    @classmethod
    def load(cls, connection: Connection) -> Known:
        """What the file says, its rates put into the connection; nothing when it says nothing that can be used."""
        try:
            told = json.loads(cls.path().read_bytes())
            groups = tuple(str(group) for group in told["groups"])
            for name, bucket in (("read", connection.tokens.read), ("write", connection.tokens.write)):
                rate, capacity = (float(number) for number in told["tokens"][name])
                if rate > 0 and capacity > 0:
                    bucket.refill_per_s, bucket.capacity = rate, capacity
        except (OSError, ValueError, TypeError, KeyError):
            return cls()
        return cls(groups)


@dataclass(slots=True)
class Runner:
    """Climbs the ladder over its own connection. The database and Redis are told; neither is waited for."""

    connection: Connection
    clock: Clock
    rng: Random
    database: DatabaseThread
    screen: redis.asyncio.Redis | None
    known: Known = field(default_factory=Known)
    timing: Timing = field(default_factory=Timing)

    async def run(
        self, request: KillRequest, *, also: Callable[[Step], None] | None = None
    ) -> tuple[LadderReport, Telling]:
        """The report, and where it was told."""
        reach = await self._reach(request)
        telling = Telling(request, clock=self.clock, database=self.database, screen=self.screen, also=also)
        report = await self.climb(reach, telling)
        await telling.close(report)
        return report, telling

    async def climb(
        self, reach: Reach, progress: Callable[[Step], None], *, may_cancel_all: bool = True
    ) -> LadderReport:
        return await run_ladder(
            self.connection.venue,
            reach,
            clock=self.clock,
            rng=self.rng,
            progress=progress,
            timing=self.timing,
            tokens=self.connection.tokens,
            known_groups=self._groups(),
            may_cancel_all=may_cancel_all,
            private_feed=self._private_feed,
        )

    def _private_feed(self, since_ms: int) -> int | None:
        try:
            return heartbeat.private_feeds_resting(since_ms)
        except OSError as error:
            log.warning("heartbeats cannot be read: %s", error)
            return None

    def _groups(self) -> Sequence[str]:
        return self.known.groups

    async def _reach(self, request: KillRequest) -> Reach:
        """By our records where they are needed, and by what the tickers tell when those are away."""
        if request.scope in _TOLD_BY_TICKER:
            return reach_without_records(request.scope, request.scope_id)
        try:
            return await self.database.run(
                records.reach_of, wait_s=REACH_S, scope=request.scope, scope_id=request.scope_id
            )
        except DatabaseAway:
            return reach_without_records(request.scope, request.scope_id)
