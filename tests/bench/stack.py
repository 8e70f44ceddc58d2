"""What a session stands on, as real processes, for benches: Redis, PostgreSQL or SQLite, the exchange, the guardian.

The trading session itself runs by production's own `run_session` in a process that also writes down what it sees of
itself (`tests/bench/session_process.py`).
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from deploy.launcher import postgres, redis_server, signing_key  # noqa: E402
from deploy.launcher.network import LOOPBACK, accepts, free_port, redis_answers  # noqa: E402
from deploy.launcher.registry import Registry  # noqa: E402
from deploy.launcher.screen import Screen  # noqa: E402
from deploy.launcher.signals import StopWish  # noqa: E402
from deploy.launcher.supervisor import Program, Supervisor  # noqa: E402

KEY_ID = ACCOUNT = "bench"
SESSION, GUARDIAN, EXCHANGE = "session", "guardian", "exchange"
_STAGES = {SESSION: 0, GUARDIAN: 1, EXCHANGE: 2, "redis": 3}
_DROPPED = ("DATABASE_URL", "REDIS_URL", "KALSHI_KILL_KEY_ID", "KALSHI_KILL_PRIVATE_KEY_FILE")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`rate`: book events per second over all markets. `tier`: the account's at the exchange.

    `thresholds` of switches that differ from the catalogue's, by key and name.
    """

    markets: int = 1_000
    rate: float = 500.0
    tier: str = "advanced"
    is_postgres: bool = True
    round_trip_ms: float = 0.0
    thresholds: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Platform:
    """Made by `standing`; every process of it has ended when that block ends."""

    supervisor: Supervisor
    environment: dict[str, str]
    folder: Path
    port: int

    def stats(self) -> dict[str, Any]:
        """What the exchange knows of the bench's account."""
        line = http.client.HTTPConnection(LOOPBACK, self.port, timeout=30)
        try:
            line.request("GET", "/sim/stats")
            account: dict[str, Any] = json.loads(line.getresponse().read())["keys"][KEY_ID]
        finally:
            line.close()
        return account

    def manage(self, *arguments: str) -> str:
        """What a management command printed. Raises `RuntimeError` when it failed."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def start_guardian(self) -> None:
        self._start(GUARDIAN, [str(ROOT / "manage.py"), "run_guardian"], "guardian watches")

    def start_session(self, *arguments: str) -> None:
        self._start(SESSION, [str(ROOT / "tests/bench/session_process.py"), *arguments], "session runs", 240.0)

    def pid(self, name: str) -> int:
        return next(p.pid for p in self.supervisor.registry.read_processes() if p.name == name)

    def is_alive(self, name: str) -> bool:
        try:
            return (Path("/proc") / str(self.pid(name)) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def resident_mb(self, name: str) -> float:
        """A process's resident memory."""
        pages = int((Path("/proc") / str(self.pid(name)) / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def tail(self, name: str) -> str:
        return self.supervisor.log_of(name).read_text(errors="replace")[-2000:]

    def _start(self, name: str, arguments: list[str], says: str, timeout_s: float = 60.0) -> None:
        program = Program(
            name, [sys.executable, *arguments], _STAGES[name], lambda log: says in log.read_text(errors="replace"),
            ready_timeout_s=timeout_s, stop_timeout_s=40.0,
        )  # fmt: skip
        self.supervisor.start(program)


@contextmanager
def standing(wanted: Wanted) -> Iterator[Platform]:
    """The platform with an armed strategy on every market, drills made; guardian and session are not started yet."""
    with tempfile.TemporaryDirectory(prefix="kops-bench-") as name, ExitStack() as stack:
        folder, port, redis_port = Path(name), free_port(), free_port()
        private, public = folder / "key.pem", folder / "key.pub.pem"
        signing_key.ensure_pair(private, public)
        environment = _environment(folder, port, redis_port, private)
        registry = Registry(folder)
        registry.acquire()
        stack.callback(registry.release)
        supervisor = stack.enter_context(Supervisor(registry, environment, ROOT, Screen(sys.stderr), StopWish()))
        programs = [
            Program("redis", redis_server.command(redis_port, folder), _STAGES["redis"],
                    lambda _: redis_answers(redis_port)),
            Program(EXCHANGE, _exchange(wanted, port, public), _STAGES[EXCHANGE], lambda _: accepts(port)),
        ]  # fmt: skip
        for program in programs:
            supervisor.start(program)
        if wanted.is_postgres:
            environment["DATABASE_URL"] = stack.enter_context(postgres.cluster(supervisor))
        platform = Platform(supervisor, environment, folder, port)
        platform.manage("migrate", "--verbosity", "0")
        _prepared(platform, wanted)
        platform.manage("switch_drill")
        yield platform


def _environment(folder: Path, port: int, redis_port: int, key: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "kalshiops.settings",
        "KALSHIOPS_RUN_DIR": str(folder),
        "REDIS_URL": f"redis://{LOOPBACK}:{redis_port}/0",
        "KALSHI_API_URL": f"http://{LOOPBACK}:{port}/trade-api/v2",
        "KALSHI_WS_URL": f"ws://{LOOPBACK}:{port}/trade-api/ws/v2",
        "KALSHI_KEY_ID": KEY_ID,
        "KALSHI_PRIVATE_KEY_FILE": str(key),
        "KALSHI_ENVIRONMENT": "simulated",
        "LOG_LEVEL": kept.get("LOG_LEVEL", "WARNING"),
        "PYTHONUNBUFFERED": "1",
    }


def _exchange(wanted: Wanted, port: int, public: Path) -> list[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "run_exchange", "--port", str(port), "--tier", wanted.tier]
    command += ["--key-id", KEY_ID, "--public-key", str(public), "--cash", "10000000", "--control", "--seed", "7"]
    command += ["--markets", str(wanted.markets), "--rate", str(wanted.rate)]
    return [*command, "--latency-ms", str(wanted.round_trip_ms)]


def _prepared(platform: Platform, wanted: Wanted) -> None:
    thresholds = {key: dict(values) for key, values in wanted.thresholds.items()}
    command = [sys.executable, __file__, str(wanted.markets), json.dumps(thresholds)]
    done = subprocess.run(command, cwd=ROOT, env=platform.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])


def _set_thresholds(thresholds: Mapping[str, Mapping[str, int]]) -> None:
    from django.utils import timezone

    from apps.risk.models import SwitchSetting

    for key, values in thresholds.items():
        SwitchSetting.objects.create(key=key, values=values, updated_at=timezone.now())


async def _arm(markets: int) -> None:
    from apps.gateway.clock import SystemClock
    from apps.marketdata.connection import kalshi_rest
    from tests.bench.bench_setup import prepare

    rest = kalshi_rest(clock=SystemClock())
    await rest.load_budget()
    await prepare(rest, markets)
    await rest.aclose()


if __name__ == "__main__":
    import django

    django.setup()
    asyncio.run(_arm(int(sys.argv[1])))
    _set_thresholds(json.loads(sys.argv[2]))
