"""The guardian's own way to the exchange: own connections, own key, and no waiting for tokens that trading spends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import cast

import httpx2
from django.conf import settings
from django.utils.module_loading import import_string

from apps.engine.ports import Venue
from apps.gateway.clock import Clock
from apps.gateway.errors import BudgetExhausted, GatewayError, RequestRefused
from apps.gateway.kalshi.limits import BASIC_READ, BASIC_WRITE, DEFAULT_COSTS
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer, load_private_key
from apps.gateway.shared_budget import SharedBudget, open_redis
from apps.gateway.throttle import DEFAULT_COST, Budget, Limit
from apps.marketdata.connection import kalshi_signer
from apps.marketdata.exceptions import KeyNotConfigured

from .asking import Tokens

log = logging.getLogger(__name__)

VENUE = "kalshi"
TIMEOUT_S = 1.5
# Ten triggers with their hedges at once, and the looks beside them.
POOL = httpx2.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=120)
# The ladder knows of the exchange's buckets only what its refusals tell; nothing here may hold a request back.
_NO_LIMIT = Limit(10**9, 10**9)


async def _for_nothing(reads: int) -> None:
    """Pays nothing: there is no account to share."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The venue, what its buckets are thought to hold, and how to close it.

    `pay(reads)` takes what routine reads cost out of the account that trading spends from, so that it does not spend
    them again. Nothing that stops anything waits for it.
    """

    venue: Venue
    tokens: Tokens
    aclose: Callable[[], Awaitable[None]]
    learn: Callable[[], Awaitable[None]]
    pay: Callable[[int], Awaitable[None]] = _for_nothing


def connection_open(clock: Clock, rng: Random) -> Connection:
    """Raises `KeyNotConfigured`, which never quotes the key."""
    client = httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False, limits=POOL)
    budget = Budget(_NO_LIMIT, _NO_LIMIT, clock, costs=DEFAULT_COSTS, is_priority=True)
    rest = KalshiRest(settings.KALSHI_API_URL, _signer(clock), budget, clock, client=client, rng=rng)
    tokens = Tokens.basic()
    shared = SharedBudget(
        open_redis(settings.REDIS_URL), settings.KALSHI_ENVIRONMENT, BASIC_READ, BASIC_WRITE, clock,
        costs=DEFAULT_COSTS, is_priority=True, rng=rng,
    )  # fmt: skip

    async def pay(reads: int) -> None:
        try:
            await shared.acquire(reads * DEFAULT_COST, write=False)
        except (BudgetExhausted, RequestRefused) as error:
            log.info("%s routine reads not paid for: %s", reads, error)

    async def aclose() -> None:
        await shared.aclose()
        await rest.aclose()
        await client.aclose()

    async def learn() -> None:
        """Reads the account's own rates. Raises `GatewayError`; the lowest tier's stay in force then."""
        limits = await rest.account_limits()
        for bucket, known in ((limits.read, tokens.read), (limits.write, tokens.write)):
            if bucket.refill_rate <= 0 or bucket.bucket_capacity <= 0:
                raise RequestRefused(f"the account's limits make no sense: {bucket}")
            known.refill_per_s, known.capacity = float(bucket.refill_rate), float(bucket.bucket_capacity)

    return Connection(cast(Venue, import_string(settings.VENUES[VENUE])(rest)), tokens, aclose, learn, pay)


def _signer(clock: Clock) -> Signer:
    """Signs with the kill key where one is set, else with the trading key."""
    key_id, key_file = settings.KALSHI_KILL_KEY_ID, settings.KALSHI_KILL_PRIVATE_KEY_FILE
    if not key_id and not key_file:
        return kalshi_signer(clock)
    if not key_id or not key_file:
        raise KeyNotConfigured("KALSHI_KILL_KEY_ID and KALSHI_KILL_PRIVATE_KEY_FILE go together")
    try:
        return Signer(key_id, load_private_key(Path(key_file).read_bytes()), clock)
    except OSError as error:
        raise KeyNotConfigured(f"the key file {key_file} cannot be read: {error.strerror}") from None
    except GatewayError as error:
        raise KeyNotConfigured(f"the key file {key_file}: {error}") from None
