"""Draws the faults of an episode and brings them about, each at its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from .acts_desk import DeskActs
from .acts_exchange import ExchangeActs
from .acts_people import PeopleActs
from .acts_process import ProcessActs
from .acts_wire import WireActs
from .faults import FaultKind
from .world import Runner, World

GUARDED = frozenset(
    {
        FaultKind.KILL_SWITCH,
        FaultKind.KILL_TWICE,
        FaultKind.PROCESS_KILLED,
        FaultKind.GUARDIAN_KILLED,
        FaultKind.GUARDIAN_AWAY,
    }
)
Act = Callable[[FaultKind], None]


class Director:
    """`plan` draws what happens when; `run` lets it happen; `calm` takes back whatever still lasts."""

    def __init__(self, world: World, runner: Runner, guardian: Runner, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._parts = (
            WireActs(world, rng),
            ProcessActs(world, runner, guardian, rng),
            ExchangeActs(world, rng),
            PeopleActs(world, rng),
            DeskActs(world, rng),
        )
        self._acts: dict[FaultKind, Act] = {}
        for part in self._parts:
            for kind in part.kinds:
                self._acts[kind] = part.act
        self.planned: list[tuple[float, FaultKind]] = []

    @property
    def kinds(self) -> list[FaultKind]:
        return sorted(self._acts)

    def plan(self, until_s: float) -> None:
        """None in one episode of ten, else up to twelve, anywhere from the start on."""
        count = 0 if self._rng.random() < 0.1 else self._rng.randint(1, 12)
        drawn = [(self._rng.uniform(0.0, until_s), self._rng.choice(self.kinds)) for _ in range(count)]
        self.planned = sorted(drawn)

    @property
    def needs_guardian(self) -> bool:
        """Whether the real guardian has something to do."""
        return any(kind in GUARDED for _, kind in self.planned)

    async def run(self) -> None:
        for at_s, kind in self.planned:
            await asyncio.sleep(max(0.0, at_s - self._world.loop.time()))
            self._world.trace.note("fault", kind)
            self._acts[kind](kind)

    def calm(self) -> None:
        """From now on nothing goes wrong; what people and the exchange have decided stays decided."""
        self._world.faults.clear()
        self._world.arrivals.clear()
        for part in self._parts:
            part.calm()
