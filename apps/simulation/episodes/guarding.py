"""The real guardian as one more process of the world, with its own way to the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import httpx2
from django.conf import settings
from django.db import Error as DatabaseFailed
from django.utils.module_loading import import_string

from apps.gateway.clock import Clock
from apps.gateway.kalshi.limits import DEFAULT_COSTS
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer
from apps.gateway.throttle import Budget, Limit
from apps.risk.guardian.asking import Tokens
from apps.risk.guardian.connection import TIMEOUT_S, Connection
from apps.risk.guardian.database import DatabaseAway
from apps.risk.guardian.guardian import Guardian
from apps.risk.guardian.runner import Runner

from .database import InlineDatabase

_NO_LIMIT = Limit(10**9, 10**9)


class GuardianDatabase:
    """What the guardian's database thread is to a real one, over the simulated database."""

    def __init__(self, inner: InlineDatabase) -> None:
        self._inner = inner

    async def run(self, function: Callable[..., Any], *, wait_s: float = 2.0, **arguments: Any) -> Any:
        """Raises `DatabaseAway` as the real one does."""
        try:
            return await asyncio.wait_for(self._inner(function, **arguments), wait_s)
        except (DatabaseFailed, TimeoutError) as error:
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """There is no thread to end."""


async def serve_guardian(
    *, url: str, signer: Signer, clock: Clock, rng: Random, wire: httpx2.AsyncBaseTransport, database: InlineDatabase,
    stop: asyncio.Event,
) -> None:  # fmt: skip
    """What `manage.py run_guardian` does: a connection of its own, and the loops until `stop`."""
    client = httpx2.AsyncClient(transport=wire, timeout=TIMEOUT_S, trust_env=False)
    budget = Budget(_NO_LIMIT, _NO_LIMIT, clock, costs=DEFAULT_COSTS, is_priority=True, rng=rng)
    rest = KalshiRest(url, signer, budget, clock, client=client, rng=rng)

    async def learn() -> None:
        """The account's rates are the lowest tier's here."""

    connection = Connection(import_string(settings.VENUES["kalshi"])(rest), Tokens.basic(), client.aclose, learn)
    runner: Any = Runner(connection, clock, rng, GuardianDatabase(database), None)  # type: ignore[arg-type]
    await Guardian(runner).run(stop)
