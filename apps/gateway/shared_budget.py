"""One token account for all processes of an installation, kept in Redis.

The venue counts per account, whatever the process or key. Without Redis each process goes on alone with a share of the
account: half of the write tokens, because two processes write (the session and what stops it), and a quarter of the
read tokens, because up to four read. The process that stops trading takes the whole: it has blocked the others first,
and at worst the venue answers 429, which costs nothing. What was spent alone is owed and paid with the next tokens that
come from Redis, so that an account that is lost again and again, as on a busy machine, never grants more than it has.
Redis holds a request up for `ANSWER_S` at most, and then not again for `AWAY_S`.
"""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from apps.gateway.clock import Clock
from apps.gateway.errors import RequestRefused
from apps.gateway.throttle import READ, WRITE, Budget, CostTable, Limit, Sleep, TokenBucket, bucket_name
from apps.gateway.token_scripts import DRAIN, LIMIT, TAKE, Script

ANSWER_S = 0.05
"""The longest a request waits for Redis."""
AWAY_S = 2.0
"""How long Redis is left alone after it did not answer."""
OWN_SHARE = {True: 0.5, False: 0.25}
"""Share of the account (write, read) a process takes while it cannot ask."""
AT_ONCE = 8
"""Questions under way at once; more wait their turn, for a client that ran out of connections looks like no Redis."""
_PREFIX = "kalshiops:tokens"
_log = logging.getLogger(__name__)


def open_redis(url: str) -> redis.asyncio.Redis:
    """A client that gives up after `ANSWER_S` and asks nothing twice: a take that was repeated would be paid twice."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0)
    )
    return client


class SharedBudget(Budget):
    """A `Budget` over the account `name` in Redis. Owns `client` and closes it.

    `is_shared` says whether the last tokens came from the account; `fallbacks` counts how often Redis was lost.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        name: str,
        read: Limit,
        write: Limit,
        clock: Clock,
        *,
        costs: CostTable | None = None,
        max_wait_s: float = 5.0,
        is_priority: bool = False,
        rng: Random | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(
            read, write, clock, costs=costs, max_wait_s=max_wait_s, is_priority=is_priority, rng=rng, sleep=sleep
        )
        self.is_shared = True
        self.fallbacks = 0
        self._client = client
        self._name = name
        self._away_until = 0.0
        self._left: dict[str, tuple[float, float]] = {}
        self._owed: dict[str, float] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def capacity(self, *, write: bool) -> float:
        capacity = super().capacity(write=write)
        return capacity if self.is_shared else capacity * self._share(write)

    def left(self, name: str) -> float | None:
        """Tokens in the account at this process's last look; None before the first."""
        found = self._left.get(name)
        return None if found is None else found[0]

    def bucket(self, name: str) -> TokenBucket:
        """The own share, for the time that Redis is away; it starts with the share of what was last seen there."""
        found = self._buckets.get(name)
        if found is None:
            limit, share = self.limit(write=name != READ), self._share(name != READ)
            left, at = self._left.get(name, (limit.capacity, 0.0))
            left = min(limit.capacity, left + (self.clock.monotonic() - at) * limit.refill_per_s)
            left -= self._owed.get(name, 0.0)
            found = self._buckets[name] = TokenBucket(
                limit.capacity * share, limit.refill_per_s * share, self.clock, tokens=left * share
            )
        return found

    def _share(self, write: bool) -> float:
        return 1.0 if self.is_priority else OWN_SHARE[write]

    async def set_limits(self, read: Limit, write: Limit) -> None:
        """Makes them everybody's; where Redis is away, this process's own until it is set up again."""
        await super().set_limits(read, write)
        for name in (READ, WRITE):
            await self._ask(LIMIT, name)

    async def drain(self, *, write: bool, shard: int = 0) -> None:
        """Empties the bucket for every process."""
        name = bucket_name(write=write, shard=shard)
        if await self._ask(DRAIN, name, f"{self._rng.random():.6f}") is None:
            await super().drain(write=write, shard=shard)
        self._left[name] = (0.0, self.clock.monotonic())

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _take(self, name: str, cost: float, priority: bool) -> float:
        owed = self._owed.pop(name, 0.0)
        answer: tuple[int, int] | None = await self._ask(TAKE, name, cost, int(priority), owed)
        if answer is None:
            wait_s = self.bucket(name).take(cost, priority=priority)
            self._owed[name] = self._owed.get(name, 0.0) + owed + (cost if wait_s <= 0 else 0.0)
            return wait_s
        wait_us, left = answer
        self._left[name] = (left / 1e6, self.clock.monotonic())
        if wait_us < 0:
            raise RequestRefused(f"a request of {cost} tokens is more than the account's {name} bucket ever has for it")
        return wait_us / 1e6

    async def _ask(self, script: Script, name: str, *values: float | str) -> Any:
        """The script's answer, or None while Redis is away."""
        async with self._turns:
            return await self._ask_now(script, name, *values)

    async def _ask_now(self, script: Script, name: str, *values: float | str) -> Any:
        now = self.clock.monotonic()
        if now < self._away_until:
            return None
        if not self.is_shared:
            # One request asks whether it is back; the others go on alone meanwhile.
            self._away_until = now + AWAY_S
        limit = self.limit(write=name != READ)
        key = f"{_PREFIX}:{self._name}:{name}"
        try:
            answer = await self._run(script, key, limit.capacity, limit.refill_per_s, *values)
        except (RedisError, OSError) as error:
            self._lost(error)
            return None
        if not self.is_shared:
            self._found()
        return answer

    async def _run(self, script: Script, key: str, *values: float | str) -> Any:
        try:
            return await self._client.evalsha(script.sha, 1, key, *values)
        except NoScriptError:
            return await self._client.eval(script.text, 1, key, *values)

    def _lost(self, error: Exception) -> None:
        self._away_until = self.clock.monotonic() + AWAY_S
        if self.is_shared:
            self.is_shared = False
            self.fallbacks += 1
            self._buckets.clear()
            _log.warning("the token account does not answer (%s): on our own share", type(error).__name__)

    def _found(self) -> None:
        self.is_shared = True
        self._away_until = 0.0
        _log.info("the token account answers again")
