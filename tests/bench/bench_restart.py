"""Process start to safe state (reconciled, or halted and saying why) with 1,000 orders of a killed session left (G18).

Run: python tests/bench/bench_restart.py [--runs 5] [--orders 1000] [--tier premier] [--json FILE]
Real processes and nothing shortened: a session rests its orders, two in each market, and is killed with SIGKILL. Five
seconds later, when its lease has run out, a new process is started as production starts one, interpreter and imports
included. Timed is from there until its start is over: every old order off the book and its outcome known, cash and
positions compared. Add the lease's five seconds for the time from the kill. On SQLite, or on the PostgreSQL server
of TEST_DATABASE_URL.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, judged, write  # noqa: E402

if TYPE_CHECKING:
    from tests.crash.market import Script

LIMIT_S = 180.0
GOAL_S = 10.0
ASKED_ORDERS = 1_000
LEASE_S = 5.3
SAFE = "safe.json"


def django_ready() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kalshiops.settings_test"
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    import django

    django.setup()
    from django.conf import settings

    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def script_of(orders: int, tier: str) -> Script:
    """A still market for every two orders; done once all of them rest."""
    from tests.crash.market import Script

    stage = (lambda floor: len(floor.account.orders) >= orders and len(floor.open()) >= orders, lambda floor: None)
    return Script((stage,), markets=orders // 2, settings={"tier": tier})


def session(database: str, folder: Path, port: int, began: float) -> None:
    """One trading session with production's own waits; tells in a file when it is safe, then goes on trading."""
    django_ready()
    import asyncio

    from tests.crash import ground
    from tests.crash.worker import SAFE_STATES

    ground.use(database, folder)
    ground.connect(port, folder / "key.pem")
    from apps.trading.execution import launch
    from apps.trading.execution import session as module
    from apps.trading.models import Account

    original = module.open_session

    async def opened(**given: Any) -> Any:
        made = await original(**given)
        assert made is not None, "the lease is still held"
        made.watching = asyncio.create_task(watch(made.context))
        return made

    async def watch(context: Any) -> None:
        while context.state not in SAFE_STATES or "start" in context.gate.blocks:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        found = {
            "safe_s": time.monotonic() - began,
            "open": len(context.blotter.open_orders()),
            "blocks": dict(context.gate.blocks),
        }
        (folder / "safe.part").write_text(json.dumps(found))
        (folder / "safe.part").rename(folder / SAFE)

    launch.open_session = opened  # type: ignore[assignment]
    import threading

    from django.db import connections

    account = Account.objects.get()
    connections.close_all()
    launch.run_session(account=account, stopping=threading.Event())


def start(database: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    (folder / SAFE).unlink(missing_ok=True)
    command = [sys.executable, __file__, "--session", database, str(folder), str(port), repr(time.monotonic())]
    return subprocess.Popen(command, cwd=ROOT, stdout=(folder / "log").open("ab"), stderr=subprocess.STDOUT)


def waited(path: Path, process: subprocess.Popen[bytes] | None, folder: Path) -> None:
    """Until the file is there; the guardian's beat goes on meanwhile, as a session wants it."""
    from apps.risk.guardian import heartbeat

    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        heartbeat.guardian_beat(time.time_ns() // 1_000_000)
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise SystemExit(f"no {path.name}: " + (folder / "log").read_text(errors="replace")[-2000:])
        time.sleep(0.02)


def runs(options: argparse.Namespace, base: Path) -> Iterator[dict[str, Any]]:
    from django.conf import settings

    from tests.crash import ground, market

    databases = ground.Databases(base, os.environ.get("TEST_DATABASE_URL", ""))
    script = script_of(options.orders, options.tier)
    template = databases.create("restart")

    def prepared() -> None:
        ground.use(template, base)
        ground.migrate()
        ground.arrange(script, {"order_quantity": "1.00"}, max_markets=options.orders)

    ground.do(prepared, base / "log", 120)
    for number in range(options.runs):
        folder = base / f"run-{number}"
        folder.mkdir()
        settings.RUN_DIR = folder
        ground.write_key(folder)
        database = databases.copy(template, f"restart-{number}")
        exchange = ground.fork(lambda: market.serve(folder, script, ground.CREDENTIAL), folder / "log")  # noqa: B023
        waited(folder / market.PORT, None, folder)
        port = int((folder / market.PORT).read_text())
        victim = start(database, folder, port)
        waited(folder / market.DONE, victim, folder)
        victim.kill()
        victim.wait()
        time.sleep(LEASE_S)
        successor = start(database, folder, port)
        waited(folder / SAFE, successor, folder)
        successor.kill()
        successor.wait()
        os.kill(exchange, 9)
        os.waitpid(exchange, 0)
        yield json.loads((folder / SAFE).read_text())
        databases.drop(database)
    databases.drop(template)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--orders", type=int, default=1_000)
    parser.add_argument("--tier", default="premier")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    django_ready()
    from tests.crash.run import percentiles

    with tempfile.TemporaryDirectory(prefix="kops-restart-") as name:
        found = []
        for one in runs(options, Path(name)):
            found.append(one)
            print(f"{one['safe_s']:.2f} s to a safe state, {one['open']} orders undecided, {one['blocks']}", flush=True)
    summary = {"orders": options.orders, "tier": options.tier, "runs": len(found)}
    summary |= percentiles(sorted(one["safe_s"] for one in found))
    print(json.dumps(summary))
    if "p95" in summary:
        value = f"p95 {summary['p95']} s, max {summary['max']} s ({options.orders} orders, {options.tier})"
        is_met = judged(summary["p95"] <= GOAL_S, is_enough=options.orders >= ASKED_ORDERS)
        write("restart", [Figure("G18", "start to safe state", value, is_met, len(found))])
    if options.json:
        options.json.write_text(json.dumps(summary))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--session"]:
        session(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
    else:
        main()
