"""Tampers with the audit chain in every way, and measures how fast it is verified and written (goal G8).

python tests/bench/bench_audit.py [--trials 10000] [--standalone 1000] [--rows 300000] [--appends 2000]

Every trial takes a fresh piece of chain, changes it as somebody with the whole database could, and asks verification.
The stand-alone verifier of the export bundle judges the same trials. Appends go into the database of
TEST_DATABASE_URL, or SQLite when there is none.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.figures import FOLDER, Figure, judged, write

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshiops.settings_test")
import django

django.setup()
from django.db import connection, transaction  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from apps.governance.audit import verify_audit  # noqa: E402
from apps.governance.audit.chain import Entry, entry_line  # noqa: E402
from apps.governance.audit.verification import Mark, verify  # noqa: E402
from apps.governance.services import audit_record  # noqa: E402
from tests.governance.audit import tampering  # noqa: E402
from tests.governance.audit.tampering import NEED_ANCHOR, WAYS, Tampered  # noqa: E402

SIZE = 40
ENOUGH = 10_000
SPEED = 100_000


def found_by_chain(tampered: Tampered, mark: Mark) -> bool:
    return not verify(tampered.rows, marks=[mark], head=tampered.head).is_intact


def found_by_script(tampered: Tampered, mark: Mark) -> bool:
    """The walk of the verifier that ships in the bundle, with the anchor given from outside."""
    breaks: list[str] = []
    walk = verify_audit.Walk({mark.sequence: {mark.hash}}, breaks.append)
    for row in tampered.rows:
        walk.row(entry_line(row))
    return bool(breaks) or mark.sequence > walk.last


def trials(count: int, seed: int, is_found: Callable[[Tampered, Mark], bool]) -> dict[str, int]:
    """How many of `count` trials of each way were found; a chain left alone must never be."""
    rng = Random(seed)
    found = dict.fromkeys(WAYS, 0)
    chain: list[Entry] = []
    for trial in range(count):
        if trial % 50 == 0:
            chain = tampering.chain_of(SIZE, rng)
            mark = Mark(SIZE, chain[-1].hash, "outside")
            if is_found(Tampered(chain, tampering.head_of(chain), 0), mark):
                raise SystemExit("an untouched chain was called broken")
        for name, way in WAYS.items():
            found[name] += is_found(way(chain, rng), mark)
    return found


def verify_speed(rows: int) -> float:
    """Rows per second of processor time that pure verification takes over one chain in memory; the best of three."""
    chain = tampering.chain_of(rows, Random(1))
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        verdict = verify(chain, head=tampering.head_of(chain))
        best = max(best, rows / (time.process_time() - began))
        if not verdict.is_intact:
            raise SystemExit("an untouched chain was called broken")
    return best


def append_times(count: int) -> list[float]:
    """Milliseconds of each `audit_record` inside a transaction of its own, sorted."""
    spent = []
    after = {"value": "0.0300", "status": "approved", "hash": "f" * 64}
    for number in range(count + 50):
        with transaction.atomic():
            began = time.perf_counter()
            audit_record(
                actor=None,
                actor_label="system:bench",
                action="bench.row.write",
                obj_type="bench.Row",
                obj_id=number,
                before={"value": "0.0200"},
                after=after,
                reason="measured",
                now=timezone.now(),
            )
            spent.append((time.perf_counter() - began) * 1000)
    return sorted(spent[50:])


@contextmanager
def database() -> Iterator[None]:
    kept = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        teardown_databases(kept, verbosity=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=ENOUGH)
    parser.add_argument("--standalone", type=int, default=1_000)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--appends", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = []
    for name, found in trials(options.trials, options.seed, found_by_chain).items():
        how = f"{name}, found{' given the anchor' if name in NEED_ANCHOR else ''}"
        print(f"{how:<60} {found:>7,} of {options.trials:,}")
        passed = judged(found == options.trials, is_enough=options.trials >= ENOUGH)
        figures.append(Figure("G8", how, f"{found:,} of {options.trials:,}", passed, options.trials))
    by_script = trials(options.standalone, options.seed + 1, found_by_script)
    for name, found in by_script.items():
        print(f"stand-alone verifier: {name:<38} {found:>7,} of {options.standalone:,}")
    total, asked = sum(by_script.values()), options.standalone * len(WAYS)
    is_all = total == asked
    figures.append(Figure("G8", "stand-alone verifier, found", f"{total:,} of {asked:,}", is_all, asked))
    speed = verify_speed(options.rows)
    print(f"verification: {speed:,.0f} rows/s over {options.rows:,} rows")
    figures.append(Figure("G8", "pure verification", f"{speed:,.0f} rows/s", speed >= SPEED, options.rows))
    with database():
        spent = append_times(options.appends)
        vendor = connection.vendor
    p50, p99 = spent[len(spent) // 2], spent[len(spent) * 99 // 100]
    print(f"append on {vendor}: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    figures.append(Figure("G8", f"append, {vendor}", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms", None, len(spent)))
    write("audit", figures, folder=FOLDER)
    if not all(figure.passed is not False for figure in figures):
        raise SystemExit("missed")


if __name__ == "__main__":
    main()
