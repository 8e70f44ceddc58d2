"""Whatever is down, a stop takes every resting order off: all sixteen combinations, with real processes.

A simulator in a process of its own holds a book of resting orders for each combination, on an account of its own.
`manage.py kill` has to prove zero each time, and the simulator itself has to agree. The guardian is tried by each way
in that can be left alone: the database, Redis, the file.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from redis import Redis

from apps.gateway.clock import SystemClock
from apps.risk.blocks import HASH, Block, block_write_file, block_write_redis
from apps.risk.guardian.connection import connection_open
from deploy.launcher.network import LOOPBACK, answers, free_port
from tests.bench.figures import Figure
from tests.risk.guardian.stand import Stand, open_groups, rest_orders, standing

from .parts import begin, leave_figures, manage, outside, running, says, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
ORDERS, GROUPS = 60, 3
NO_REDIS = f"redis://{LOOPBACK}:1/0"
AT_ONCE = 4
PLATFORM = "platform"
TRIP = (
    "from django.utils import timezone; from apps.risk.services import kill_switch_trip;"
    "kill_switch_trip(scope='global', reason='drill', actor=None, actor_label='switch:K8', now=timezone.now())"
)


@dataclass(frozen=True, slots=True)
class Down:
    """What is away while the stop is pressed."""

    celery: bool
    redis: bool
    database: bool
    web: bool

    @property
    def key(self) -> str:
        return "down-" + "".join(name[0] if getattr(self, name) else "_" for name in self.__slots__)


COMBINATIONS = [Down(*bits) for bits in itertools.product((False, True), repeat=4)]
WAYS = ("database", "redis", "file")


@dataclass(frozen=True, slots=True)
class Ground:
    """What all combinations stand on."""

    stand: Stand
    folder: Path
    redis_address: str

    def run_dir(self, key: str) -> Path:
        path = self.folder / key
        path.mkdir(exist_ok=True)
        return path

    def environment(self, key: str, *, has_redis: bool = True, has_database: bool = True) -> dict[str, str]:
        """For one process on one account; with the database of its own, or with one that refuses."""
        database = f"sqlite:///{self.database(key)}" if has_database else f"postgres://nobody@{LOOPBACK}:1/none"
        return outside() | self.stand.environment(key) | {
            "DJANGO_SETTINGS_MODULE": "kalshiops.settings",
            "KALSHIOPS_RUN_DIR": str(self.run_dir(key)),
            "REDIS_URL": self.redis_address if has_redis else NO_REDIS,
            "DATABASE_URL": database,
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def database(self, key: str) -> Path:
        path = self.run_dir(key) / "platform.sqlite3"
        if not path.exists():
            shutil.copy(self.folder / "template.sqlite3", path)
        return path


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, redis_address: str) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("kill-paths")
    keys = ["guarded", *(down.key for down in COMBINATIONS), *WAYS]
    with standing(folder, keys=keys, markets=5) as stand:
        made = Ground(stand, folder, redis_address)
        template = {"DATABASE_URL": f"sqlite:///{folder / 'template.sqlite3'}"}
        environment = made.environment("template", has_database=False) | template
        migrate = begin(manage("migrate", "--noinput", "--verbosity", "0"), environment, folder / "migrate.log")
        yield from _with_books(made, keys[1:], migrate)


def _with_books(made: Ground, keys: list[str], migrate: subprocess.Popen[bytes]) -> Iterator[Ground]:
    from django.conf import settings
    from django.test import override_settings

    async def stock(key: str, tickers: list[str]) -> None:
        environment = made.stand.environment(key)
        wanted = {name: environment[name] for name in environment if hasattr(settings, name)}
        with override_settings(**wanted):
            connection = connection_open(SystemClock(), Random(1))
        try:
            groups = await open_groups(connection.venue, GROUPS)
            await rest_orders(connection.venue, tickers, groups, ORDERS)
        finally:
            await connection.aclose()

    for key in keys:
        asyncio.run(stock(key, made.stand.tickers()))
    assert migrate.wait(60) == 0
    yield made


@contextmanager
def worker(ground: Ground) -> Iterator[None]:
    """A Celery worker of the queues that a stop once depended on."""
    command = [sys.executable, "-m", "celery", "-A", "kalshiops", "worker", "-P", "solo", "-Q", "default", "-l", "INFO"]
    with running(command, ground.environment(PLATFORM), ground.folder / "worker.log", says("ready.")):
        yield


@contextmanager
def web(ground: Ground) -> Iterator[None]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "kalshiops.asgi:application", "--port", str(port), "--lifespan", "off"]

    def is_ready(_: Path) -> bool:
        return answers(port, "/admin/login/")

    with running(command, ground.environment(PLATFORM), ground.folder / "web.log", is_ready):
        yield


def kill(ground: Ground, down: Down) -> dict[str, Any]:
    """What one combination ended in."""
    environment = ground.environment(down.key, has_redis=not down.redis, has_database=not down.database)
    ended = subprocess.run(
        manage("kill", "--json", "--reason", "drill"), env=environment, capture_output=True, text=True, check=False
    )
    told = json.loads(ended.stdout) if ended.stdout else {"stderr": ended.stderr}
    account = ground.stand.stats(down.key)
    return {
        "code": ended.returncode,
        "is_zero": told.get("is_zero", told),
        "resting": account["resting"],
        "triggered": account["triggered_groups"],
        "file": len(list((ground.run_dir(down.key) / "stop").glob("*.json"))),
        "recorded": None if down.database else recorded(ground.database(down.key)),
    }


def recorded(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        return database.execute("SELECT outcome, resting_before FROM risk_killrun").fetchall()


def seconds_to_proof(ground: Ground, down: Down) -> float:
    """From the press to the second list of nothing, by the file that the ladder left."""
    [path] = (ground.run_dir(down.key) / "guardian" / "kills").glob("*.json")
    state = json.loads(path.read_text())
    pressed, proved = state["request"]["at"], state["fields"]["proved_zero_at"]
    return (datetime.fromisoformat(proved) - datetime.fromisoformat(pressed)).total_seconds()


def test_command_proves_zero_whatever_is_down(ground: Ground) -> None:
    found: dict[str, dict[str, Any]] = {}

    def try_all(pool: ThreadPoolExecutor, *, celery: bool, web: bool) -> None:
        chosen = [down for down in COMBINATIONS if (down.celery, down.web) == (not celery, not web)]
        found.update(zip([down.key for down in chosen], pool.map(lambda down: kill(ground, down), chosen), strict=True))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try_all(pool, celery=False, web=False)
        with ExitStack() as up:
            with worker(ground):
                try_all(pool, celery=True, web=False)
                up.enter_context(web(ground))
                try_all(pool, celery=True, web=True)
            try_all(pool, celery=False, web=True)
    expected = {"code": 0, "is_zero": True, "resting": 0, "triggered": GROUPS, "file": 1}
    assert found == {
        down.key: expected | {"recorded": None if down.database else [("proved_zero", ORDERS)]} for down in COMBINATIONS
    }
    with Redis.from_url(ground.redis_address) as client:
        assert client.hexists(HASH, "global:")
    slowest_s, n = max(seconds_to_proof(ground, down) for down in COMBINATIONS), len(found)
    leave_figures(
        "kill_combinations",
        [
            Figure("G4", "combinations of what is down: zero proved", f"{n} of {n}", True, n),
            Figure("G4", "slowest of them, press to proved zero", f"{slowest_s:.2f} s", None, n),
        ],
    )


def test_guardian_proves_zero_by_each_way_in_alone(ground: Ground, settings: Any) -> None:
    with Redis.from_url(ground.redis_address) as client:
        client.flushall()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda way: guarded(ground, way, settings), WAYS))
    of = f"{len(WAYS)} of {len(WAYS)}"
    leave_figures("kill_ways_in", [Figure("G4", "guardian's ways in, each alone: zero proved", of, True, len(WAYS))])


def guarded(ground: Ground, way: str, settings: Any) -> None:
    environment = ground.environment(way, has_redis=way == "redis", has_database=way == "database")
    log = ground.folder / f"guardian-{way}.log"
    with running(manage("run_guardian"), environment, log, says("guardian watches")):
        assert ground.stand.stats(way)["resting"] == ORDERS
        block = Block("global", "", "drill", "craig", datetime.now(UTC), f"press-{way}", "page")
        if way == "database":
            subprocess.run(manage("shell", "--verbosity", "0", "-c", TRIP), env=environment, check=True)
        elif way == "redis":
            settings.REDIS_URL = ground.redis_address
            assert block_write_redis(block) == ""
        else:
            settings.RUN_DIR = ground.run_dir(way)
            assert block_write_file(block) == ""
        wait_until(lambda: ground.stand.stats(way)["resting"] == 0, limit_s=10)
        wait_until(lambda: "ended, zero proved" in log.read_text(), limit_s=10)
    if way == "database":
        assert recorded(ground.database(way)) == [("proved_zero", ORDERS)]
