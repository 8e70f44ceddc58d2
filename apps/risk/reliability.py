"""The reliability goals this platform is measured by, and what benches and tests have measured of them.

Figures come from JSON files: those shipped with the platform (`figures.json` beside this module) and those that runs
on this machine left in `<run directory>/figures/`; of the same figure the newer one counts. A goal without a figure is
not measured, and nothing stands in for the number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).with_name("figures.json")
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked, and the command that measures it."""

    key: str
    title: str
    asked: str
    command: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `passed` is None where the goal sets no bound for it. `at` has a time zone."""

    goal: str
    figure: str
    value: str
    passed: bool | None
    n: int
    command: str
    at: datetime
    release: str

    @property
    def verdict(self) -> str:
        return {True: "met", False: "MISSED", None: "-"}[self.passed]


@dataclass(frozen=True, slots=True)
class Row:
    """A goal with its figures in order of their names, none when nothing was measured."""

    goal: Goal
    figures: tuple[Figure, ...]


class FiguresUnreadable(Exception):
    """A file of figures is not what the benches write."""


_BENCH, _TESTS = "python tests/bench/", "python tests/bench/bench_suites.py --goals "

GOALS = (
    Goal(
        "G1",
        "Local block",
        "no order leaves more than 50 ms after a block, p99; 250 ms at worst, push lost",
        _BENCH + "bench_block.py",
    ),
    Goal(
        "G2",
        "Kill, last acknowledgement",
        "1,000 orders in 10 groups, 50 ms trip: p95 150 ms, at most 500 ms",
        _BENCH + "bench_kill.py --cases basic_full",
    ),
    Goal(
        "G3",
        "Kill, proved zero",
        "p95 250 ms; 5 % faults 500 ms; 30 % faults 1.5 s; 660 ms trip 2.5 s; empty bucket at Basic 1.5 s",
        _BENCH + "bench_kill.py",
    ),
    Goal(
        "G4", "Kill paths", "works with any of Celery, Redis, database and web down; all 16 combinations", _TESTS + "G4"
    ),
    Goal(
        "G5",
        "Faults",
        "100,000 seeded episodes: 0 lost, 0 duplicate, 0 limit breaches, cash exact",
        "manage.py simulate --episodes 100000 --seed 1",
    ),
    Goal(
        "G6",
        "Fuzz",
        "10 million frames and replies: 0 crashes, 0 above 100 ms, 0 wrong books",
        _BENCH + "bench_fuzz.py",
    ),
    Goal(
        "G7",
        "Crash matrix",
        "kill -9 at every persisted step: same end state, 0 duplicates",
        "python -m tests.crash.run",
    ),
    Goal(
        "G8",
        "Audit",
        "every change, removal, insertion, swap in 10,000 trials; cut tail given the anchor; 100,000 rows/s",
        _BENCH + "bench_audit.py",
    ),
    Goal(
        "G9",
        "Approvals",
        "0 bypasses over all addresses, roles and states and 10,000 random sequences",
        "python -m tests.bench.bench_approvals; " + _TESTS + "G9",
    ),
    Goal(
        "G11",
        "Reconcile",
        "positions exact, cash to the cent, unexplained drift alarmed within 60 s",
        _BENCH + "bench_soak.py",
    ),
    Goal("G13", "Load", "twice the recorded peak, memory growth at most 5 %, no stale flag", _BENCH + "bench_soak.py"),
    Goal("G14", "Dead man", "nothing rests 60 s after a death; groups triggered within 30 s", _TESTS + "G14"),
    Goal(
        "G15",
        "Stale feed",
        "silent socket found within 15 s, quotes pulled within 5 s; quiet market: 0 false halts",
        _TESTS + "G15",
    ),
    Goal("G16", "Book", "after a gap unquotable within one frame; 0 trades on a gapped book", _TESTS + "G16"),
    Goal("G17", "Duplicate control", "the same intent is sent at most once, whatever is repeated", _TESTS + "G17"),
    Goal("G18", "Restart", "start to safe state p95 10 s with 1,000 open orders", _BENCH + "bench_restart.py"),
    Goal("G19", "Rate limit", "0 of our own 429s, reserve never spent by trading", _BENCH + "bench_soak.py"),
    Goal("G20", "Switches", "each: trip, no trip, boundary, NaN, missing input; drill within 30 days", _TESTS + "G20"),
    Goal(
        "G21",
        "Guard mutation",
        "100 % of named guards, at least 95 % of operator mutants found by a test",
        "python -m tests.mutation.run",
    ),
    Goal(
        "G22",
        "Latency, own code",
        "frame in to signed order p99 12 ms; risk check p99 2 ms",
        _BENCH + "bench_session.py",
    ),
    Goal("G23", "Task start", "kill queue start p99 20 ms while other queues are full", "none yet"),
    Goal("G24", "Screen", "change to screen p95 500 ms, 50 clients", "none yet"),
    Goal("G26", "Secrets", "planted canaries in logs, errors, bundles, exports: 0", _TESTS + "G26"),
    Goal("G28", "Version agreement", "mixed release or parameters found within 5 s, nothing armed", _TESTS + "G28"),
    Goal("G29", "Wording", "0 words we avoid in screens, logs, exports, documents", _TESTS + "G29"),
    Goal("G31", "History repeats", "7,822 orders without a fill halt within 200 orders or 10 min", _TESTS + "G31"),
    Goal("G33", "Maintenance", "exchange pause: 0 false halts, says that nothing can be canceled", _TESTS + "G33"),
    Goal(
        "G34", "Schema drift", "unknown or missing field alarms on the first frame; no default number", _TESTS + "G34"
    ),
)


def report(figures: Iterable[Figure]) -> list[Row]:
    """Every goal in its order with what was measured of it."""
    by_goal: dict[str, list[Figure]] = {}
    for figure in figures:
        by_goal.setdefault(figure.goal, []).append(figure)
    return [Row(goal, tuple(sorted(by_goal.get(goal.key, []), key=lambda f: f.figure))) for goal in GOALS]


def figures_read(paths: Iterable[Path]) -> list[Figure]:
    """Figures of all these files; of those with the same goal and name the newest. Raises `FiguresUnreadable`."""
    newest: dict[tuple[str, str], Figure] = {}
    for path in paths:
        for figure in _read(path):
            known = newest.get((figure.goal, figure.figure))
            if known is None or figure.at >= known.at:
                newest[figure.goal, figure.figure] = figure
    return list(newest.values())


def figure_files(run_dir: Path, shipped: Path = SHIPPED) -> list[Path]:
    """The shipped file, where there is one, and what runs have left."""
    return [*([shipped] if shipped.is_file() else []), *sorted((run_dir / "figures").glob("*.json"))]


def figures_write(path: Path, figures: Sequence[Figure]) -> None:
    """One file that holds them all, for shipping; in order of goals and names."""
    order = {goal.key: number for number, goal in enumerate(GOALS)}
    rows = sorted(figures, key=lambda f: (order.get(f.goal, len(order)), f.goal, f.figure))
    text = json.dumps([asdict(row) | {"at": row.at.isoformat()} for row in rows], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def figures_leave(run_dir: Path, name: str, figures: Sequence[Figure]) -> None:
    """What a run of a management command has measured, for the next report on this machine."""
    folder = run_dir / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    figures_write(folder / f"{name}.json", figures)


def _read(path: Path) -> list[Figure]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [_figure(row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FiguresUnreadable(f"{path}: {error}") from error


def _figure(row: dict[str, Any]) -> Figure:
    """Raises `KeyError`, `ValueError` or `TypeError` for anything but what `Figure` says."""
    at = datetime.fromisoformat(row["at"])
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone: {row['at']}")
    passed, n = row["passed"], row["n"]
    if passed not in (True, False, None) or type(n) is not int:
        raise ValueError(f"passed {passed!r}, n {n!r}")
    texts = [row[name] for name in ("goal", "figure", "value", "command", "release")]
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"texts are missing: {texts}")
    goal, figure, value, command, release = texts
    return Figure(goal, figure, value, passed, n, command, at, release)
