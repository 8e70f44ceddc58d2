"""Tries to get something into force that nobody signed for, in random sequences of steps (goal G9).

python -m tests.bench.bench_approvals [--sequences 10000] [--length 15] [--first 0]

Each sequence mixes what people do (ask, sign, reject, edit, withdraw, break the glass, change rules and roles), time,
and what somebody with a connection to the database can do (change columns, forge and copy signatures, open closed
requests again, weaken the table of rules), and is judged by an oracle that shares no code with the platform. Prints
what came of the steps and every bypass. `TEST_DATABASE_URL` chooses another database than SQLite.
"""

from __future__ import annotations

# ruff: noqa: E402  the settings are named before Django is imported
import argparse
import os
import time
from collections import Counter

from tests.bench import figures

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshiops.settings_test")
import django

django.setup()

from django.contrib.auth.models import User
from django.test.utils import setup_databases, teardown_databases

from apps.governance import handlers
from apps.governance.services.roles import roles_sync
from kalshiops.roles import roles
from tests.factories import NOW
from tests.governance.approvals.acts import hire
from tests.governance.approvals.sequences import TEAM, run_sequences
from tests.governance.conftest import ACTION, NumberHandler

GOAL = 10_000
REPORT_EVERY = 250


def team() -> dict[str, User]:
    roles_sync(roles=roles(), now=NOW, actor_label="system:bench")
    people = {name: hire(name, role) for name, role in TEAM.items() if role and name != "root"}
    return people | {"eve": User.objects.create_user("eve"), "root": User.objects.create_superuser("root")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=GOAL)
    parser.add_argument("--length", type=int, default=15)
    parser.add_argument("--first", type=int, default=0, help="seed of the first sequence")
    options = parser.parse_args()
    number, last = NumberHandler(), options.first + options.sequences
    handlers.register(ACTION, number)
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        people, began, found = team(), time.monotonic(), []
        counts = Counter[str]()
        for start in range(options.first, last, REPORT_EVERY):
            seeds = range(start, min(start + REPORT_EVERY, last))
            more, bypasses = run_sequences(number, people, seeds=seeds, length=options.length)
            counts += more
            found += bypasses
            print(*bypasses, sep="\n", end="\n" if bypasses else "")
            print(f"{seeds.stop - options.first} sequences, {len(found)} bypasses, {time.monotonic() - began:.0f} s")
    finally:
        teardown_databases(databases, verbosity=0)
    for name, count in sorted(counts.items()):
        print(f"{name:<24} {count:>8,}")
    _write(options.sequences, options.length, len(found), counts["applied"])
    return 1 if found else 0


def _write(sequences: int, length: int, found: int, applied: int) -> None:
    passed = figures.judged(found == 0, is_enough=sequences >= GOAL)
    what = f"approval bypasses in random sequences of {length} steps"
    figures.write(
        "approvals",
        [
            figures.Figure("G9", what, str(found), passed, sequences),
            figures.Figure("G9", "changes applied by signature, as the oracle allows", str(applied), None, sequences),
        ],
    )


if __name__ == "__main__":
    raise SystemExit(main())
