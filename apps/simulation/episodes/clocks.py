"""Clocks on the loop's virtual time: the exchange's own, and that of our machine, which may go wrong."""

from __future__ import annotations

import asyncio

START_US = 1_795_176_000_000_000
"""When every episode begins: 2026-11-20 12:00 UTC."""


class WorldClock:
    """The exchange's clock, and the one the checks go by."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_us(self) -> int:
        return START_US + round(self._loop.time() * 1_000_000)

    def now_ms(self) -> int:
        return self.now_us() // 1000

    def seconds(self) -> float:
        return self._loop.time()


class HostClock:
    """Our machine's clock: `skew_ms` moves the time of day, never the monotonic time."""

    def __init__(self, world: WorldClock) -> None:
        self._world = world
        self.skew_ms = 0

    def now_ms(self) -> int:
        return self._world.now_ms() + self.skew_ms

    def monotonic(self) -> float:
        return self._world.seconds()
