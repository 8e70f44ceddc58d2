"""Token buckets for the venue's rate limits (Kalshi docs: rate limits and API tiers).

A read and a write bucket per account, and one more write bucket per shard above 0 for single writes addressed to it.
Every request costs tokens, a batch the sum of its items. Part of each bucket is held back for what stops trading
(cancel, trigger, kill), so that trading can never spend what a stop needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from apps.gateway.clock import Clock
from apps.gateway.errors import BudgetExhausted, RequestRefused

DEFAULT_COST = 10
RESERVE = 100.0
READ, WRITE = "read", "write"
CALM_S = 5.0
"""Seconds without a 429 after which the back-off starts again from its shortest pause."""
Sleep = Callable[[float], Awaitable[None]]


def reserve_of(capacity: float) -> float:
    """Tokens of a bucket that only a stop may spend: ten order-group triggers, or half of a small bucket."""
    return min(RESERVE, capacity / 2)


def backoff_s(attempt: int, rng: Random) -> float:
    """Pause before retry `attempt` (from 0): 0.1, 0.2, 0.4 ... at most 1 s, plus up to half of it as jitter."""
    base = min(1.0, 0.1 * float(1 << min(attempt, 10)))
    return base + rng.random() * base / 2


class TokenBucket:
    """Refills steadily up to `capacity`; starts with `tokens`, full unless told.

    `reserve` tokens are only for priority. They may also run the bucket into debt: a batch of cancels dearer than a
    bucket of reduced size still leaves, and what it took is made up by the refill.
    """

    def __init__(self, capacity: float, refill_per_s: float, clock: Clock, *, tokens: float | None = None) -> None:
        if not (capacity > 0 and refill_per_s > 0):
            raise RequestRefused(f"a bucket needs capacity and refill above zero: {capacity}, {refill_per_s}")
        self.capacity = capacity
        self.refill_per_s = refill_per_s
        self.reserve = reserve_of(capacity)
        self._clock = clock
        self._tokens = capacity if tokens is None else min(capacity, tokens)
        self._at = clock.monotonic()
        self._held_until = self._at

    @property
    def tokens(self) -> float:
        now = self._clock.monotonic()
        self._tokens = min(self.capacity, self._tokens + max(0.0, now - self._at) * self.refill_per_s)
        self._at = now
        return self._tokens

    def take(self, cost: float, *, priority: bool = False) -> float:
        """Takes `cost` tokens and returns 0, or takes nothing and returns the seconds to wait, infinite for never."""
        if priority:
            wait_s = (min(cost, self.capacity) - self.tokens) / self.refill_per_s
        elif cost + self.reserve > self.capacity:
            return float("inf")
        else:
            wait_s = max((cost + self.reserve - self.tokens) / self.refill_per_s, self._held_until - self._at)
        if wait_s <= 0:
            self._tokens -= cost
        return max(0.0, wait_s)

    def drain(self, hold_s: float = 0.0) -> None:
        """The venue says that it is empty: believe it, and let trading pause for `hold_s`."""
        self._tokens = min(self.tokens, 0.0)
        self._held_until = self._at + hold_s


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs by (method, path template with `:param`); everything else costs `default`."""

    default: int = DEFAULT_COST
    costs: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def cost(self, method: str, template: str) -> int:
        return self.costs.get((method, template), self.default)


@dataclass(frozen=True, slots=True)
class Limit:
    """What the venue grants: tokens at once and tokens per second. Raises `RequestRefused` unless both are above 0."""

    capacity: int
    refill_per_s: int

    def __post_init__(self) -> None:
        if self.capacity <= 0 or self.refill_per_s <= 0:
            raise RequestRefused(f"a bucket needs capacity and refill above zero: {self}")


def bucket_name(*, write: bool, shard: int = 0) -> str:
    """`read`, `write`, or `write:2` for a write addressed to shard 2. Shard 0 and batches bill the unscoped bucket."""
    if not write:
        return READ
    return f"{WRITE}:{shard}" if shard > 0 else WRITE


class Budget:
    """The buckets of one process and what each request costs.

    A request that would have to wait longer than `max_wait_s` raises `BudgetExhausted`, one that could never be paid
    `RequestRefused`; neither is sent. `is_priority` gives every call of this budget the reserve (the kill process).
    """

    def __init__(
        self,
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
        self.costs = costs or CostTable()
        self.is_priority = is_priority
        self.clock = clock
        self._limits = {READ: read, WRITE: write}
        self._buckets: dict[str, TokenBucket] = {}
        self._max_wait_s = max_wait_s
        self._rng = rng or Random()
        self._sleep = sleep
        self._refusals: dict[str, tuple[int, float]] = {}

    def limit(self, *, write: bool) -> Limit:
        return self._limits[WRITE if write else READ]

    def capacity(self, *, write: bool) -> float:
        """Tokens that can be there at once."""
        return self.limit(write=write).capacity

    def bucket(self, name: str) -> TokenBucket:
        """This process's own bucket of that name."""
        found = self._buckets.get(name)
        if found is None:
            limit = self.limit(write=name != READ)
            found = self._buckets[name] = TokenBucket(limit.capacity, limit.refill_per_s, self.clock)
        return found

    def affordable(self, cost: float, *, priority: bool = False) -> int:
        """How many writes of `cost` one batch may hold."""
        capacity = self.capacity(write=True)
        free = capacity if priority or self.is_priority else capacity - reserve_of(capacity)
        return max(1, int(free // cost))

    async def set_limits(self, read: Limit, write: Limit) -> None:
        """The account's own limits; the buckets start as full as the venue's."""
        self._limits = {READ: read, WRITE: write}
        self._buckets.clear()

    async def acquire(
        self, cost: float, *, write: bool, priority: bool = False, shard: int = 0, max_wait_s: float | None = None
    ) -> None:
        """Take `cost` tokens, waiting for them within the bound. Raises `BudgetExhausted` or `RequestRefused`."""
        bound_s = self._max_wait_s if max_wait_s is None else min(max_wait_s, self._max_wait_s)
        priority = priority or self.is_priority
        self._check_size(cost, write, priority)
        name = bucket_name(write=write, shard=shard)
        waited = 0.0
        while (wait_s := await self._take(name, cost, priority)) > 0:
            if waited + wait_s > bound_s:
                raise BudgetExhausted(f"{cost} {name} tokens would take {waited + wait_s:.1f} s")
            # Never a zero sleep: rounding may leave a sliver of a token missing.
            pause = max(wait_s, 0.001)
            await self._sleep(pause)
            waited += pause

    async def drain(self, *, write: bool, shard: int = 0) -> None:
        """The venue answered 429: its bucket is empty, and trading waits min(1000, 100 x 2^n) ms and some jitter."""
        name = bucket_name(write=write, shard=shard)
        self.bucket(name).drain(self._next_pause(name))

    async def aclose(self) -> None:
        """Nothing to close here."""

    async def _take(self, name: str, cost: float, priority: bool) -> float:
        return self.bucket(name).take(cost, priority=priority)

    def _next_pause(self, name: str) -> float:
        now = self.clock.monotonic()
        attempt, last = self._refusals.get(name, (-1, now))
        attempt = attempt + 1 if now - last < CALM_S else 0
        self._refusals[name] = (attempt, now)
        return backoff_s(attempt, self._rng)

    def _check_size(self, cost: float, write: bool, priority: bool) -> None:
        capacity = self.limit(write=write).capacity
        free = capacity if priority else capacity - reserve_of(capacity)
        if cost > free:
            raise RequestRefused(f"a request of {cost} tokens is too large: of {capacity} it may take {free:.0f}")
