"""Kills a trading session at every step of every order path, and compares what its successor makes of it.

Run: python -m tests.crash.run [--path NAME] [--json FILE] [--at-once N] [--most N] [--keep FOLDER]
On SQLite, or on the PostgreSQL server of TEST_DATABASE_URL.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.figures import Figure, write

if TYPE_CHECKING:
    from .matrix import Matrix


def summary(matrix: Matrix, took_s: float) -> dict[str, Any]:
    """Totals for the reliability report; times in seconds."""
    killed = [o for o in matrix.outcomes if o.step]
    safe = sorted(o.safe_s for o in killed if o.safe_s is not None and o.reached)
    return {
        "database": "postgresql" if matrix.databases.url else "sqlite",
        "paths": len(matrix.paths),
        "kill_points": len(killed),
        "killed": sum(o.reached for o in killed),
        "not_reached": sorted(f"{o.path}: {o.step}" for o in killed if not o.reached),
        "failures": [{"path": o.path, "step": o.step, "problems": o.problems} for o in matrix.outcomes if o.problems],
        "by_path": {p.name: sum(o.path == p.name for o in killed) for p in matrix.paths},
        "fork_to_safe_s": percentiles(safe),
        "took_s": round(took_s, 1),
    }


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and the largest, in milliseconds' precision; empty without values."""
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return {"p50": round(cuts[9], 3), "p95": round(cuts[18], 3), "max": round(values[-1], 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--at-once", type=int, default=6)
    parser.add_argument("--most", type=int, default=2, help="occurrences of one name that are killed at")
    parser.add_argument("--keep", type=Path, help="where the runs' files stay for a look")
    options = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "kalshiops.settings_test"
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    with tempfile.TemporaryDirectory(prefix="kops-crash-") as name:
        begun = time.monotonic()
        matrix = prepared(Path(options.keep or name), options)
        matrix.run()
    found = summary(matrix, time.monotonic() - begun)
    text = json.dumps(found, indent=1)
    if not options.path:
        leave(found)
    if options.json:
        options.json.write_text(text)
    sys.stdout.write(text + "\n")
    return 1 if found["failures"] else 0


def leave(found: dict[str, Any]) -> None:
    """The figure of a whole run."""
    bad, kills = len(found["failures"]), found["killed"]
    text = f"kill -9 at every persisted step, {found['database']}"
    value = f"{kills} kills of {found['kill_points']} points, {bad} failures"
    write(f"crash_{found['database']}", [Figure("G7", text, value, not bad, kills)])


def prepared(folder: Path, options: argparse.Namespace) -> Matrix:
    """Loads Django once for all processes; nothing here opens a connection or starts a thread."""
    import django

    django.setup()
    from django.conf import settings

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    from . import ground
    from .matrix import Matrix
    from .paths import PATHS

    folder.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("TEST_DATABASE_URL", "")
    chosen = [path for path in PATHS if not options.path or path.name in options.path]
    gc.collect()
    gc.freeze()
    return Matrix(
        chosen,
        folder,
        ground.Databases(folder, url),
        options.at_once,
        options.most,
        say,
    )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
