"""Asking an exchange until it answers: hedged, within its rate limit, never waiting for anybody else's tokens.

Only for requests that do no harm when they arrive twice: reads, cancels, group triggers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from apps.gateway.errors import (
    BudgetExhausted,
    ExchangePaused,
    GatewayError,
    GroupNotFound,
    GroupTriggered,
    NotFound,
    RateLimited,
)

T = TypeVar("T")

# Kalshi docs: rate limits. The lowest tier, for as long as nobody has read the account's own.
BASIC_READ_PER_S, BASIC_WRITE_PER_S = 200.0, 100.0
# Asking again cannot change these answers, or not soon.
FINAL = (NotFound, GroupNotFound, GroupTriggered, ExchangePaused)
READ_COST, TRIGGER_COST, CANCEL_COST = 10, 10, 2


class GaveUp(GatewayError):
    """No answer within the time allowed; says what the last try met."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `hedge_s`: the same request goes out again while no answer has come for so long.

    Reads are cheaper and go out again sooner: after twice what the newest answer took, from `read_hedge_s` to `hedge_s`
    """

    hedge_s: float = 0.25
    read_hedge_s: float = 0.1
    in_flight: int = 6
    back_off_s: float = 0.1
    back_off_max_s: float = 1.0
    look_pause_s: float = 0.02
    round_pause_s: float = 0.1
    pause_pause_s: float = 1.0
    trigger_grace_s: float = 3.0
    trigger_limit_s: float = 10.0
    confirm_s: float = 1.0
    limit_s: float = 30.0


class TokenEstimate:
    """What is left in one of the exchange's buckets, as far as its refusals tell.

    Unlimited until the first 429; from then on empty when the refused request was sent and refilling, so that requests
    go out one by one as fast as the bucket allows instead of knocking in vain. Times are those of sending, since the
    way there takes the next request as long as it took the refused one.
    """

    def __init__(self, refill_per_s: float, capacity: float | None = None) -> None:
        self.refill_per_s = refill_per_s
        self.capacity = capacity or refill_per_s
        self._tokens: float | None = None
        self._at = 0.0
        self._refused_at = float("-inf")

    def take(self, cost: float, now: float) -> float:
        """0 when the tokens were taken, else the seconds until they will be there."""
        if self._tokens is None:
            return 0.0
        self._refill(now)
        missing = min(cost, self.capacity) - self._tokens
        if missing > 0:
            return max(missing / self.refill_per_s, 0.001)
        self._tokens -= cost
        return 0.0

    def refused(self, sent_at: float) -> None:
        """The exchange said 429 to a request of that time; one sent no later than another refused one is no news."""
        if sent_at > self._refused_at:
            self._tokens, self._at, self._refused_at = 0.0, sent_at, sent_at

    def _refill(self, now: float) -> None:
        assert self._tokens is not None
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.refill_per_s)
        self._at = now


@dataclass(slots=True)
class Tokens:
    """The two buckets of an account."""

    read: TokenEstimate
    write: TokenEstimate

    @classmethod
    def basic(cls) -> Tokens:
        return cls(TokenEstimate(BASIC_READ_PER_S), TokenEstimate(BASIC_WRITE_PER_S))


class Asker:
    """Sends requests until one copy is answered. Close it at the end: copies without an answer may still run."""

    def __init__(self, timing: Timing, tokens: Tokens, rng: Random) -> None:
        self.timing = timing
        self.tokens = tokens
        self._rng = rng
        self._copies: set[asyncio.Task[Any]] = set()
        self._trip_s = 0.0

    async def read(self, call: Callable[[], Awaitable[T]], *, until: float) -> T:
        return await self._ask(call, self.tokens.read, READ_COST, until)

    async def write(self, call: Callable[[], Awaitable[T]], *, cost: float, until: float) -> T:
        return await self._ask(call, self.tokens.write, cost, until)

    async def aclose(self) -> None:
        for copy in self._copies:
            copy.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    async def _ask(self, call: Callable[[], Awaitable[T]], bucket: TokenEstimate, cost: float, until: float) -> T:
        """The first answer of any copy. Raises `GaveUp` at `until` (loop time), and `FINAL` errors as they come.

        A copy that lost is left to end by itself: cutting it off would cost a connection the next request needs.
        """
        loop = asyncio.get_running_loop()
        open_copies: dict[asyncio.Task[T], float] = {}
        failures, next_at, last = 0, loop.time(), "no answer"
        while (now := loop.time()) < until:
            if now >= next_at and len(open_copies) < self.timing.in_flight:
                wait_s = bucket.take(cost, now)
                if wait_s == 0:
                    open_copies[self._send(call)] = now
                next_at = now + (wait_s or self._hedge_s(bucket))
            for copy in await self._wait(open_copies, next_at, until):
                sent_at = open_copies.pop(copy)
                error = copy.exception()
                if error is None:
                    self._trip_s = loop.time() - sent_at
                    return copy.result()
                if not isinstance(error, GatewayError) or isinstance(error, FINAL):
                    raise error
                failures, last = failures + 1, str(error)
                if isinstance(error, RateLimited | BudgetExhausted):
                    bucket.refused(sent_at)
                if not open_copies:
                    next_at = loop.time() + self._back_off_s(failures)
        raise GaveUp(last)

    def _hedge_s(self, bucket: TokenEstimate) -> float:
        if bucket is self.tokens.write:
            return self.timing.hedge_s
        return min(max(2 * self._trip_s, self.timing.read_hedge_s), self.timing.hedge_s)

    def _send(self, call: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        async def once() -> T:
            return await call()

        copy = asyncio.create_task(once())
        self._copies.add(copy)
        copy.add_done_callback(self._forget)
        return copy

    def _forget(self, copy: asyncio.Task[Any]) -> None:
        self._copies.discard(copy)
        if not copy.cancelled():
            copy.exception()  # a late failure of a copy that lost is no news

    async def _wait(self, copies: Collection[asyncio.Task[T]], next_at: float, until: float) -> set[asyncio.Task[T]]:
        now = asyncio.get_running_loop().time()
        at = until if len(copies) >= self.timing.in_flight else min(next_at, until)
        delay = max(at - now, 0.001)
        if not copies:
            await asyncio.sleep(delay)
            return set()
        done, _ = await asyncio.wait(copies, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
        return done

    def _back_off_s(self, failures: int) -> float:
        """min(1000, 100·2ⁿ) ms, of which a random half to the whole."""
        base = min(self.timing.back_off_max_s, self.timing.back_off_s * float(1 << min(failures - 1, 10)))
        return base * (0.5 + self._rng.random() / 2)
