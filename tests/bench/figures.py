"""Measured figures of the reliability goals, left where `manage.py reliability_report` finds them.

Each bench writes one file, `<run directory>/figures/<name>.json`, a list of objects: goal ("G2"), figure (what was
measured), value (with its unit), passed (true, false, or null where the goal sets no bound for it), n (sample size),
command, at (ISO, UTC), release. A later run of the same bench replaces the file.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Taken when a bench begins: many of them point the variable to a directory of their own later on.
FOLDER = Path(os.environ.get("KALSHIOPS_RUN_DIR", str(ROOT / ".run"))).resolve() / "figures"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `passed` is None where the goal sets no bound for it."""

    goal: str
    figure: str
    value: str
    passed: bool | None
    n: int


def judged(is_good: bool, *, is_enough: bool) -> bool | None:
    """A goal is met only by a run as large as it asks for; a smaller one can only show that it is missed."""
    return is_good if is_enough or not is_good else None


def write(name: str, figures: Iterable[Figure], *, folder: Path | None = None) -> Path:
    """Leaves the figures of one run; says on stderr where."""
    folder = folder or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    about = {"command": _command(), "at": datetime.now(UTC).isoformat(timespec="seconds"), "release": release()}
    path = folder / f"{name}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps([asdict(figure) | about for figure in figures], indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    print(f"figures: {path}", file=sys.stderr)
    return path


def release() -> str:
    """The release as deployed, else the commit, with a plus where files differ from it."""
    if told := os.environ.get("KALSHIOPS_RELEASE"):
        return told
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}{'+' if _git('status', '--porcelain', '-uno') else ''}" if commit else "unknown"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _command() -> str:
    first = Path(sys.argv[0]).resolve()
    shown = str(first.relative_to(ROOT)) if first.is_relative_to(ROOT) else first.name
    return shlex.join(["python", shown, *_without_files(sys.argv[1:])])


def _without_files(arguments: list[str]) -> list[str]:
    """Where somebody wanted a copy is no part of how it was measured."""
    kept = arguments[:]
    while "--json" in kept:
        at = kept.index("--json")
        del kept[at : at + 2]
    return kept
