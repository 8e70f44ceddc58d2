"""Run seeded episodes of the whole trading path under faults."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.risk.reliability import Figure, figures_leave
from apps.simulation.episodes.batch import new_database, run_all
from apps.simulation.episodes.episode import Result, run_episode
from apps.simulation.episodes.faults import FaultKind

PROGRESS_EVERY = 100
ASKED = 100_000
EVERY_KIND_FROM = 1_000
"""From so many episodes on, a kind of fault that never occurred is a failure: it is not injected any more."""


class Command(BaseCommand):
    help = "Trade in simulated worlds where things go wrong, on virtual time, and check that nothing is lost."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--episodes", type=int, default=100)
        parser.add_argument("--seed", type=int, default=1, help="seed of the first episode; the others follow")
        parser.add_argument("--jobs", type=int, default=1, help="processes to share the episodes")
        parser.add_argument("--replay", type=int, help="run this one seed only")
        parser.add_argument("--trace", action="store_true", help="with --replay: print every event")
        parser.add_argument("--json", type=Path, help="write the figures and failures to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["replay"] is not None:
            self._replay(options["replay"], trace=options["trace"])
            return
        seeds, run_dir = range(options["seed"], options["seed"] + options["episodes"]), Path(settings.RUN_DIR)
        began = time.perf_counter()
        results: list[Result] = []
        for result in run_all(seeds, jobs=options["jobs"]):
            results.append(result)
            for problem in result.problems[:3]:
                self.stdout.write(f"seed {result.seed}: {problem}")
            if len(results) % PROGRESS_EVERY == 0:
                rate = len(results) / (time.perf_counter() - began)
                self.stdout.write(f"{len(results)} of {len(seeds)} episodes, {rate:.1f} per second")
                self.stdout.flush()
        figures = _figures(results, time.perf_counter() - began)
        self._print(figures)
        figures_leave(run_dir, "simulate", [_figure(figures, options["seed"])])
        if options["json"] is not None:
            options["json"].write_text(json.dumps(figures, indent=2) + "\n")
        if figures["failed"]:
            raise CommandError(f"{figures['failed']} of {figures['episodes']} episodes failed", returncode=1)
        if figures["never"] and len(seeds) >= EVERY_KIND_FROM:
            raise CommandError(f"faults that never occurred: {', '.join(figures['never'])}", returncode=1)

    def _replay(self, seed: int, *, trace: bool) -> None:
        result = run_episode(new_database(), seed, keep_trace=trace)
        for line in result.lines or ():
            self.stdout.write(line)
        self.stdout.write(f"seed {seed}: hash {result.digest}, {result.virtual_s:.1f} virtual seconds")
        self.stdout.write(f"{result.orders} orders, {result.fills} fills, sessions: {'; '.join(result.ends)}")
        self.stdout.write(f"faults: {result.faults}")
        for problem in result.problems:
            self.stdout.write(problem)
        if result.problems:
            raise CommandError(f"episode {seed} failed", returncode=1)

    def _print(self, figures: dict[str, Any]) -> None:
        self.stdout.write("faults injected:")
        for kind, count in figures["faults"].items():
            self.stdout.write(f"  {kind:<24}{count:>8}")
        self.stdout.write(
            f"{figures['episodes']} episodes ({figures['fault_kinds']} fault kinds, {figures['orders']} orders, "
            f"{figures['fills']} fills, {figures['virtual_s']:.0f} virtual seconds) in {figures['seconds']:.1f} s: "
            f"{figures['episodes_per_s']:.1f} per second, {figures['failed']} failed"
        )


def _figure(figures: dict[str, Any], seed: int) -> Figure:
    failed, episodes = figures["failed"], figures["episodes"]
    value = f"{failed} failed, {figures['fault_kinds']} fault kinds, {figures['orders']:,} orders"
    command = f"manage.py simulate --episodes {episodes} --seed {seed}"
    # A goal is met only by as many episodes as it asks for; fewer can only show that it is missed.
    passed = None if not failed and episodes < ASKED else not failed
    return Figure("G5", "episodes", value, passed, episodes, command, timezone.now(), settings.RELEASE)


def _figures(results: list[Result], seconds: float) -> dict[str, Any]:
    faults: Counter[str] = Counter()
    for result in results:
        faults.update(result.faults)
    return {
        "episodes": len(results),
        "failed": sum(bool(r.problems) for r in results),
        "failures": {r.seed: r.problems for r in sorted(results, key=lambda r: r.seed) if r.problems},
        "orders": sum(r.orders for r in results),
        "fills": sum(r.fills for r in results),
        "virtual_s": sum(r.virtual_s for r in results),
        "seconds": seconds,
        "episodes_per_s": len(results) / seconds,
        "fault_kinds": len(faults),
        "never": sorted(kind.value for kind in FaultKind if not faults[kind.value]),
        "faults": dict(sorted(faults.items())),
    }
