"""Faults of our own processes and of the machine they run on."""

from __future__ import annotations

from random import Random

from .faults import FaultKind
from .world import Runner, World


class ProcessActs:
    kinds = (
        FaultKind.PROCESS_KILLED,
        FaultKind.PROCESS_FROZEN,
        FaultKind.SECOND_RUNNER,
        FaultKind.CLOCK_SKEWED,
        FaultKind.GUARDIAN_KILLED,
        FaultKind.GUARDIAN_AWAY,
    )

    def __init__(self, world: World, runner: Runner, guardian: Runner, rng: Random) -> None:
        self._world = world
        self._runner = runner
        self._guardian = guardian
        self._rng = rng
        self._rivals: list[Runner] = []

    def act(self, kind: FaultKind) -> None:
        process = self._runner.process
        if kind is FaultKind.PROCESS_KILLED and process is not None:
            # Not now but some steps on, so that the kill lands between any two of them.
            self._runner.kill(self._rng.randint(1, 400))
            self._world.faults.count(kind)
        elif kind is FaultKind.PROCESS_FROZEN and process is not None and not process.is_frozen:
            self._world.faults.count(kind)
            process.freeze()
            self._world.loop.call_later(self._rng.choice((0.5, 3.0, 6.0, 9.0)), process.thaw)
        elif kind is FaultKind.SECOND_RUNNER:
            self._world.faults.count(kind)
            rival = Runner(self._world, "rival")
            self._rivals.append(rival)
            self._world.spawn(rival.run())
            self._world.loop.call_later(self._rng.choice((3.0, 12.0)), rival.retire)
        elif kind is FaultKind.CLOCK_SKEWED:
            self._world.faults.count(kind)
            self._world.host.skew_ms += self._rng.choice((-20_000, -4_000, -900, 700, 3_000, 20_000))
            self._world.loop.call_later(self._rng.uniform(1.0, 8.0), self._correct_clock)
        elif kind in (FaultKind.GUARDIAN_KILLED, FaultKind.GUARDIAN_AWAY) and self._guardian.process is not None:
            self._world.faults.count(kind)
            away_s = 0.0 if kind is FaultKind.GUARDIAN_KILLED else self._rng.uniform(4.0, 10.0)
            self._guardian.kill(self._rng.randint(1, 60), away_s)

    def calm(self) -> None:
        """Frozen processes go on, rivals end, the clock is right again."""
        self._correct_clock()
        for process in self._world.processes:
            if process.is_frozen:
                process.thaw()
            process.kill_at_step = None
        self._guardian.come_back()
        for rival in self._rivals:
            rival.retire()

    def _correct_clock(self) -> None:
        self._world.host.skew_ms = 0
