"""Switches every named guard off in turn, then changes operators of the risk code: does a test fail? (G21)

Run: python -m tests.mutation.run [guards|operators|all] [--only WORD …] [--workers 2] [--sample 150] [--seed 1]
     [--json FILE] [--list]
Works on copies of the tree. Exit 1 when a named guard survives or its text has changed, when tests fail without any
mutant, or when fewer than 95 % of the operator mutants are killed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, write  # noqa: E402
from tests.mutation.guards import GuardChanged, all_guards, mutated  # noqa: E402
from tests.mutation.operators import sampled  # noqa: E402
from tests.mutation.trees import Mutant, Outcome, failing_without, in_parallel  # noqa: E402

GOAL = 0.95


def line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def guard_mutants(only: Sequence[str]) -> list[Mutant]:
    """A mutant for each named guard whose name holds one of the words. Raises `SystemExit` for those that changed."""
    found, changed = [], []
    for guard in all_guards():
        if only and not any(word in guard.name for word in only):
            continue
        try:
            found.append(Mutant(guard.name, guard.path, mutated(guard, ROOT), guard.tests))
        except GuardChanged as error:
            changed.append(str(error))
    if changed:
        raise SystemExit("\n".join(changed))
    return found


def tried(title: str, mutants: Sequence[Mutant], workers: int) -> list[Outcome]:
    begun, done = time.monotonic(), 0

    def say(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        word = "killed  " if outcome.is_killed else "SURVIVED"
        line(f"{done:4}/{len(mutants)} {word} {outcome.seconds:5.1f} s  {outcome.name} ({outcome.path})")

    outcomes = in_parallel(mutants, workers, say)
    killed = sum(outcome.is_killed for outcome in outcomes)
    took = time.monotonic() - begun
    line(f"{title}: {killed} of {len(outcomes)} killed ({_share(outcomes):.1%}) in {took:.0f} s")
    for outcome in outcomes:
        if not outcome.is_killed:
            line(f"  survived: {outcome.name} ({outcome.path})")
    return outcomes


def _share(outcomes: Sequence[Outcome]) -> float:
    return sum(outcome.is_killed for outcome in outcomes) / len(outcomes) if outcomes else 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("guards", "operators", "all"), default="all")
    parser.add_argument("--only", nargs="+", default=[], help="names that hold one of these words")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    guards = guard_mutants(options.only) if options.what != "operators" else []
    operators = sampled(ROOT, options.sample, options.seed) if options.what != "guards" else []
    if options.list:
        for mutant in (*guards, *operators):
            line(f"{mutant.name} ({mutant.path}): {' '.join(mutant.tests)}")
        return 0
    if failing := failing_without(test for mutant in (*guards, *operators) for test in mutant.tests):
        raise SystemExit("these fail without any mutant:\n" + "\n".join(failing))
    of_guards = tried("named guards", guards, options.workers) if guards else []
    of_operators = tried("operator mutants", operators, options.workers) if operators else []
    if options.json:
        rows = [asdict(outcome) | {"told": outcome.told[-300:]} for outcome in (*of_guards, *of_operators)]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    figures = []
    if of_guards and not options.only:
        figures.append(_figure("named guards switched off that a test finds", of_guards, 1.0))
    if of_operators:
        figures.append(
            _figure("operator mutants of limits, switches, fees, sizing that a test finds", of_operators, GOAL)
        )
    if figures:
        write("mutation_" + options.what, figures)
    return 0 if _share(of_guards) == 1 and _share(of_operators) >= GOAL else 1


def _figure(text: str, outcomes: Sequence[Outcome], goal: float) -> Figure:
    share = _share(outcomes)
    return Figure("G21", text, f"{share:.1%}", share >= goal, len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
