"""The ladder after a stop: trigger the order groups, sweep what still rests, prove zero twice, report.

New orders are blocked before it starts; that is the caller's. Everything here may arrive twice without harm, so every
request is hedged, and two ladders at once only cost tokens.

What counts as proof: two looks in a row without an order of the scope, both begun after every group had answered its
trigger. A triggered group refuses orders that were still on their way, so nothing can turn up in it later. Orders that
stand in no group could: a third look, later than the exchange's reads lag behind its engine, must find nothing either.
It does not hold the report of the proof up, but what it finds reopens the run.

A scope narrower than the account is swept only: markets share groups, and a trigger would hit the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from apps.engine.ports import Venue, VenueOrder
from apps.gateway.clock import Clock
from apps.gateway.errors import ExchangePaused, GatewayError, GroupNotFound, GroupTriggered, NotFound

from .asking import TRIGGER_COST, Asker, Timing, Tokens
from .reach import Reach
from .report import LadderReport, Left, Progress, Step
from .sweep import Sweep

EXTRA_S = 10.0
POSITIONS_S = 2.0


PrivateFeed = Callable[[int], int | None]
"""Open orders by the private feeds of sessions that told since a time (Unix ms); None when none did."""


def nobody_tells(_: int) -> None:
    """No session to ask."""


def unheard(_: Step) -> None:
    """Progress that nobody follows."""


async def run_ladder(
    venue: Venue,
    reach: Reach,
    *,
    clock: Clock,
    rng: Random,
    progress: Progress = unheard,
    timing: Timing | None = None,
    tokens: Tokens | None = None,
    known_groups: Sequence[str] = (),
    may_cancel_all: bool = True,
    private_feed: PrivateFeed = nobody_tells,
) -> LadderReport:
    """Never raises for what the exchange does: the report says what could not be done.

    `known_groups` are triggered at once, without waiting for the exchange's list. `may_cancel_all` allows the
    exchange's own cancel-all for whole accounts; it may take orders of the following minute too. `private_feed` is
    asked after the proof of a whole account what else the feeds of its sessions still show.
    """
    asker = Asker(timing or Timing(), tokens or Tokens.basic(), rng)
    run = _Run(venue, reach, clock, asker, progress, may_cancel_all, private_feed)
    try:
        await run.climb(known_groups)
    finally:
        await asker.aclose()
    return run.report


class _Run:
    """One run of the ladder: what it has seen so far, and the report it is writing."""

    def __init__(
        self,
        venue: Venue,
        reach: Reach,
        clock: Clock,
        asker: Asker,
        progress: Progress,
        may_cancel_all: bool,
        private_feed: PrivateFeed,
    ) -> None:
        self._venue, self._reach, self._clock, self._asker = venue, reach, clock, asker
        self._progress, self._private_feed = progress, private_feed
        self._timing = asker.timing
        self._begun = asyncio.get_running_loop().time()
        self._until = self._begun + self._timing.limit_s
        self._seen: set[str] = set()
        self._groups: dict[str, asyncio.Task[None]] = {}
        self.report = LadderReport(clock.now_ms())
        may_cancel_all = may_cancel_all and reach.is_everything
        self._sweep = Sweep(venue, asker, clock, self.report, self._say, may_cancel_all=may_cancel_all)

    async def climb(self, known_groups: Sequence[str]) -> None:
        self._say("begun", f"ladder begun for {self._reach.text}")
        if self._reach.note:
            self.report.problems.append(self._reach.note)
        # The look is sent first, so that it shows what rested before the triggers take effect.
        before = asyncio.create_task(self._look())
        triggering = asyncio.create_task(self._trigger(known_groups)) if self._reach.is_everything else None
        found = await before
        self.report.resting_before = None if found is None else len(found)
        if triggering is not None:
            await asyncio.wait({triggering}, timeout=self._timing.trigger_grace_s)
        elif found:
            await self._sweep.cancel(found, self._until)
        await self._until_proved(triggering)
        while self.report.is_zero and not await self._confirmed():
            await self._until_proved(triggering)
        await self._end(triggering)

    async def _until_proved(self, triggering: asyncio.Task[None] | None) -> None:
        """Looks and cancels until two looks in a row find nothing, or the time is up."""
        loop = asyncio.get_running_loop()
        while loop.time() < self._until:
            is_settled = triggering is None or triggering.done()
            found = await self._look_twice()
            if found is None:
                return
            if found:
                await self._sweep.cancel(found, self._until)
                await asyncio.sleep(self._timing.pause_pause_s if self.report.is_paused else self._timing.round_pause_s)
            elif triggering is not None and not is_settled:
                await asyncio.wait({triggering}, timeout=self._timing.round_pause_s)
            else:
                self.report.proved_ms, self.report.is_paused = self._clock.now_ms(), False
                self._until = max(self._until, loop.time() + EXTRA_S)
                self._say("proved_zero", "zero resting orders, seen twice")
                return

    async def _look_twice(self) -> list[VenueOrder] | None:
        """What either of two looks found, the second sent a moment after the first; None when one was not answered."""
        first = asyncio.create_task(self._look())
        await asyncio.sleep(self._timing.look_pause_s)
        second = await self._look()
        before = await first
        if before is None or second is None:
            return None
        return list({order.order_id: order for order in (*before, *second)}.values())

    async def _confirmed(self) -> bool:
        """The third look; False reopens the run. Meanwhile the positions are read."""
        positions = asyncio.create_task(self._positions())
        await asyncio.sleep(self._timing.confirm_s)
        found = await self._look()
        await positions
        if not found:
            self.report.is_confirmed = found is not None
            if found is None:
                self.report.problems.append("the exchange did not answer the third look")
            await self._hear_private_feed()
            return True
        self.report.proved_ms = None
        self._say("reopened", f"{len(found)} orders turned up after the proof", resting=len(found))
        return False

    async def _hear_private_feed(self) -> None:
        """A session beats about once a second; one that is dead tells nothing, which the report says."""
        proved_ms = self.report.proved_ms
        if proved_ms is None or not self._reach.is_everything:
            return
        self.report.private_feed = self._private_feed(proved_ms)
        if self.report.private_feed is None or self.report.private_feed > 0:
            await asyncio.sleep(self._timing.confirm_s)
            self.report.private_feed = self._private_feed(proved_ms)
        if self.report.private_feed:
            self.report.problems.append(f"the private feed still shows {self.report.private_feed} open orders")

    async def _look(self) -> list[VenueOrder] | None:
        """The scope's resting orders; None when the exchange would not tell until the time was up."""
        try:
            orders = await self._asker.read(self._venue.open_orders, until=self._until)
        except GatewayError as error:
            self.report.problems.append(f"resting orders could not be listed: {error}")
            return None
        found = [order for order in orders if self._reach.covers(order)]
        self._seen.update(order.order_id for order in found)
        self.report.canceled = len(self._seen) - len(found)
        self.report.left = tuple(Left(o, self._sweep.reasons.get(o.order_id, "not canceled yet")) for o in found)
        self._say("look", f"{len(found)} orders rest", resting=len(found))
        return found

    async def _trigger(self, known: Sequence[str]) -> None:
        """Every group at once, those not known beforehand as soon as the exchange has listed them."""
        for group_id in known:
            self._groups[group_id] = asyncio.create_task(self._trigger_one(group_id))
        until = self._begun + self._timing.trigger_limit_s
        try:
            listed = await self._asker.read(self._venue.groups, until=until)
        except GatewayError as error:
            self.report.problems.append(f"order groups could not be listed: {error}")
            listed = ()
        for group in listed:
            if group.group_id not in self._groups:
                self._groups[group.group_id] = asyncio.create_task(self._trigger_one(group.group_id))
        self.report.groups_total = len(self._groups)
        await asyncio.gather(*self._groups.values())
        self.report.triggered_ms = self._clock.now_ms()
        done, total = self.report.groups_triggered, self.report.groups_total
        self._say("triggered", f"{done} of {total} order groups triggered", groups=total, triggered=done)

    async def _trigger_one(self, group_id: str) -> None:
        until, loop = self._begun + self._timing.trigger_limit_s, asyncio.get_running_loop()
        while True:
            try:
                await self._asker.write(lambda: self._venue.trigger_group(group_id), cost=TRIGGER_COST, until=until)
                break
            except (NotFound, GroupNotFound, GroupTriggered):
                break  # nothing can rest in it any more
            except ExchangePaused as error:
                problem, self.report.is_paused = str(error), True
            except GatewayError as error:
                problem = str(error)
            if loop.time() + self._timing.pause_pause_s >= until:
                self.report.problems.append(f"order group {group_id} not triggered: {problem}")
                return
            await asyncio.sleep(self._timing.pause_pause_s)
        self.report.groups_triggered += 1
        self.report.is_paused = False
        self.report.last_ack_ms = self._clock.now_ms()

    async def _positions(self) -> None:
        until = asyncio.get_running_loop().time() + POSITIONS_S
        try:
            rows = await self._asker.read(self._venue.positions, until=until)
        except GatewayError as error:
            self.report.problems.append(f"positions could not be read: {error}")
            return
        self.report.positions = tuple((row.ticker, row.quantity) for row in rows if row.quantity)

    async def _end(self, triggering: asyncio.Task[None] | None) -> None:
        if triggering is not None and not triggering.done():
            await triggering
        if not self.report.is_zero:
            await self._positions()
            self._explain_left()
        self.report.ended_ms = self._clock.now_ms()
        text = "ended, zero proved" if self.report.is_zero else "ended without proof of zero"
        self._say("ended", text, is_zero=self.report.is_zero)

    def _explain_left(self) -> None:
        self.report.left = tuple(
            Left(left.order, self._sweep.reasons.get(left.order.order_id, left.reason)) for left in self.report.left
        )

    def _say(self, name: str, text: str, **detail: Any) -> None:
        self._progress(Step(self._clock.now_ms(), name, text, detail))
