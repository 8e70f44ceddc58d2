"""A venue behind a slow and unreliable line, and a loop whose time jumps, so that a ladder's seconds take none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, TypeVar

from apps.engine.ports import CancelAck, VenueGroup, VenueOrder, VenuePosition
from apps.engine.types import OrderIntent, Side, Ticker
from apps.gateway.errors import RateLimited, ReadFailed, ReplyTimeout, ServerFailed
from apps.risk.guardian.ladder import run_ladder
from apps.risk.guardian.reach import Reach, everything
from apps.risk.guardian.report import LadderReport, Step
from tests.fakes.venue import FakeVenue
from tests.simulation.virtual import LoopClock, VirtualLoop, run_virtually

T = TypeVar("T")
TIMEOUT_S = 1.5
TICKER = "KXTEST-26NOV20-T50"


class FaultyVenue(FakeVenue):
    """Round trip, faults (a third each: 503, lost on the way there, lost on the way back) and a write bucket."""

    def __init__(self, *, trip_s: float = 0.05, faults: float = 0.0, seed: int = 1) -> None:
        super().__init__()
        self.trip_s, self.faults, self.rng = trip_s, faults, Random(seed)
        self.tokens, self.refill_per_s, self.refilled_at = float("inf"), 100.0, 0.0
        self.looks = 0
        self.cleared = 0
        self.refused = 0
        self.before_look: Callable[[int], None] = lambda look: None

    def stock(self, orders: int, groups: int, ticker: str = TICKER) -> list[str]:
        """Rests orders evenly over new groups; 0 groups leaves them without."""
        ids = [f"g-{ticker}-{i}" for i in range(groups)]
        for group_id in ids:
            self.group_rows[group_id] = VenueGroup(group_id, 100, False, 0)
        for i in range(orders):
            group = ids[i % groups] if groups else None
            self.rest(intent(f"{ticker}-c-{i}", ticker, group), f"{ticker}-v-{i}")
        return ids

    async def trigger_group(self, group_id: str) -> None:
        await self._line(lambda: super(FaultyVenue, self).trigger_group(group_id), cost=10)

    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck:
        return await self._line(lambda: super(FaultyVenue, self).cancel(order_id, ticker), cost=2)

    async def cancel_many(self, orders: Sequence[tuple[str, Ticker]]) -> Sequence[CancelAck | Exception]:
        async def all_of_them() -> list[Any]:
            fake = super(FaultyVenue, self)
            return list(await asyncio.gather(*(fake.cancel(*order) for order in orders), return_exceptions=True))

        return await self._line(all_of_them, cost=2 * len(orders))

    async def cancel_all(self) -> None:
        self.cleared += 1
        await self._line(lambda: super(FaultyVenue, self).cancel_all(), cost=2)

    async def open_orders(self) -> Sequence[VenueOrder]:
        async def look() -> Sequence[VenueOrder]:
            self.looks += 1
            self.before_look(self.looks)
            return await super(FaultyVenue, self).open_orders()

        return await self._line(look)

    async def groups(self) -> Sequence[VenueGroup]:
        return await self._line(lambda: super(FaultyVenue, self).groups())

    async def positions(self) -> Sequence[VenuePosition]:
        return await self._line(lambda: super(FaultyVenue, self).positions())

    async def _line(self, effect: Callable[[], Awaitable[T]], *, cost: float = 0.0) -> T:
        await asyncio.sleep(self.trip_s / 2)
        fault = self.rng.randrange(3) if self.rng.random() < self.faults else None
        if fault == 0:
            raise ServerFailed("503") if cost else ReadFailed("503")
        if fault == 1:
            await self._lost(cost)
        self._spend(cost)
        answer = await effect()
        if fault == 2:
            await self._lost(cost)
        await asyncio.sleep(self.trip_s / 2)
        return answer

    async def _lost(self, cost: float) -> None:
        await asyncio.sleep(TIMEOUT_S)
        raise ReplyTimeout("no reply") if cost else ReadFailed("no reply")

    def _spend(self, cost: float) -> None:
        now = asyncio.get_running_loop().time()
        self.tokens = min(
            max(self.tokens, self.refill_per_s), self.tokens + (now - self.refilled_at) * self.refill_per_s
        )
        self.refilled_at = now
        if cost > self.tokens:
            self.refused += 1
            raise RateLimited("too many requests")
        self.tokens -= cost


def intent(name: str, ticker: str = TICKER, group: str | None = None, expires_at_s: int | None = None) -> OrderIntent:
    return OrderIntent(name, ticker, Side.BID, 5000, 100, order_group_id=group, expires_at_s=expires_at_s)


def climb(
    venue: FakeVenue, reach: Reach | None = None, steps: list[Step] | None = None, **options: Any
) -> LadderReport:
    """One ladder from start to end on a loop of its own."""
    loop = VirtualLoop()
    heard = [] if steps is None else steps
    return run_virtually(
        loop,
        run_ladder(
            venue,
            reach or everything("Everything"),
            clock=LoopClock(loop),
            rng=Random(3),
            progress=heard.append,
            **options,
        ),
    )
