"""A process that takes tokens from the shared account as fast as it can; also the load of `bench_tokens`."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import redis.asyncio

from apps.gateway.clock import SystemClock
from apps.gateway.errors import BudgetExhausted
from apps.gateway.shared_budget import SharedBudget
from apps.gateway.throttle import WRITE, Limit


class Haul(NamedTuple):
    """Tokens taken by trading, the fewest ever left in the account after a take, and when (monotonic s)."""

    taken: int
    lowest: float
    start: float
    end: float


def together(hauls: list[Haul]) -> Haul:
    """What several processes took, from the first start to the last end."""
    return Haul(
        sum(h.taken for h in hauls),
        min(h.lowest for h in hauls),
        min(h.start for h in hauls),
        max(h.end for h in hauls),
    )


def hammer(url: str, name: str, seconds: float) -> Haul:
    """Raises `RuntimeError` when the account was lost on the way."""
    return asyncio.run(_hammer(url, name, seconds))


async def _hammer(url: str, name: str, seconds: float) -> Haul:
    clock = SystemClock()
    # A patient client: what is counted here is the account, not how busy the machine is.
    budget = SharedBudget(
        redis.asyncio.Redis.from_url(url), name, Limit(200, 200), Limit(100, 100), clock, max_wait_s=0.0
    )
    taken, lowest = 0, float("inf")
    start = clock.monotonic()
    while clock.monotonic() < start + seconds:
        try:
            await budget.acquire(1, write=True)
        except BudgetExhausted:
            await asyncio.sleep(0.0005)
        else:
            taken += 1
            lowest = min(lowest, budget.left(WRITE) or 0.0)
    end, is_shared = clock.monotonic(), budget.is_shared
    await budget.aclose()
    if not is_shared:
        raise RuntimeError("the account was lost on the way: what was taken proves nothing")
    return Haul(taken, lowest, start, end)
