"""Token buckets for the venue's rate limits (Kalshi docs: rate limits and API tiers).

Two buckets per account, read and write; every request costs tokens, a batch the sum of its items. Part of the
write bucket is held back for cancels, so that trading can never spend what a stop needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from apps.gateway.clock import Clock
from apps.gateway.errors import BudgetExhausted, RequestRefused

DEFAULT_COST = 10
Sleep = Callable[[float], Awaitable[None]]


class TokenBucket:
    """Refills steadily up to `capacity`; starts full."""

    def __init__(self, capacity: float, refill_per_s: float, clock: Clock) -> None:
        if not (capacity > 0 and refill_per_s > 0):
            raise RequestRefused(f"a bucket needs capacity and refill above zero: {capacity}, {refill_per_s}")
        self.capacity = capacity
        self.refill_per_s = refill_per_s
        self._clock = clock
        self._tokens = capacity
        self._at = clock.monotonic()

    @property
    def tokens(self) -> float:
        now = self._clock.monotonic()
        self._tokens = min(self.capacity, self._tokens + max(0.0, now - self._at) * self.refill_per_s)
        self._at = now
        return self._tokens

    def wait_s(self, cost: float, reserve: float = 0.0) -> float:
        """Seconds until `cost` can be taken and `reserve` still remains; 0 now, infinite never."""
        if cost + reserve > self.capacity:
            return float("inf")
        return max(0.0, (cost + reserve - self.tokens) / self.refill_per_s)

    def try_acquire(self, cost: float, reserve: float = 0.0) -> bool:
        if self.wait_s(cost, reserve) > 0:
            return False
        self._tokens -= cost
        return True

    def drain(self) -> None:
        """The venue says that it is empty: believe it."""
        self._tokens = min(self.tokens, 0.0)


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs by (method, path template with `:param`); everything else costs `default`."""

    default: int = DEFAULT_COST
    costs: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def cost(self, method: str, template: str) -> int:
        return self.costs.get((method, template), self.default)


class Budget:
    """Read and write buckets and what each request costs.

    `reserve` write tokens are only for `priority` requests (cancel, cancel-all, kill). A request that would
    have to wait longer than `max_wait_s` raises `BudgetExhausted` and is not sent.
    """

    def __init__(
        self,
        read: TokenBucket,
        write: TokenBucket,
        *,
        costs: CostTable | None = None,
        reserve: float = 0.0,
        max_wait_s: float = 5.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.read = read
        self.write = write
        self.costs = costs or CostTable()
        self.reserve = reserve
        self._max_wait_s = max_wait_s
        self._sleep = sleep

    def try_acquire(self, cost: float, *, write: bool, priority: bool = False) -> bool:
        bucket, reserve = self._bucket(write, priority)
        return bucket.try_acquire(cost, reserve)

    async def acquire(self, cost: float, *, write: bool, priority: bool = False) -> None:
        """Take `cost` tokens, waiting for them within the bound. Raises `BudgetExhausted`."""
        bucket, reserve = self._bucket(write, priority)
        waited = 0.0
        while not bucket.try_acquire(cost, reserve):
            wait_s = bucket.wait_s(cost, reserve)
            if waited + wait_s > self._max_wait_s:
                raise BudgetExhausted(f"{cost} tokens would take {waited + wait_s:.1f} s")
            # Never a zero sleep: rounding may leave a sliver of a token missing.
            pause = max(wait_s, 0.001)
            await self._sleep(pause)
            waited += pause

    def _bucket(self, write: bool, priority: bool) -> tuple[TokenBucket, float]:
        if not write:
            return self.read, 0.0
        return self.write, 0.0 if priority else self.reserve
