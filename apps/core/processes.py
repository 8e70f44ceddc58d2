"""What every long-lived process runs, told by itself each five seconds, so that a mixture is found.

By file for the processes of this machine and by Redis for those of others; neither needs the database. A process that
ends in order takes its report back; one that was killed is known by its number, or by its silence.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import redis
from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.engine.strategies import registry

from .release import tree_hash

log = logging.getLogger(__name__)

REPORT_S = 5.0
LOOK_S = 1.0
ALIVE_S = 15.0
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """`tree` is the hash of the shipped files, `code` that of every strategy's decision code.

    `parameters`: hash of the set that each strategy config (by its key) runs here; empty where nothing is traded.
    """

    name: str
    host: str
    pid: int
    at_ms: int
    release: str
    tree: str
    code: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.name}-{self.host}-{self.pid}"

    @property
    def build(self) -> tuple[str, str, str]:
        return self.release, self.tree, self.code

    def __str__(self) -> str:
        return f"{self.name} ({self.host}, process {self.pid})"


class Reporter:
    """Reports for this process and looks at what the others say. `known` is the newest look."""

    def __init__(self, name: str, *, parameters: Callable[[], Mapping[str, str]] = dict) -> None:
        self._name = name
        self._parameters = parameters
        self._host = socket.gethostname()
        self._build = (settings.RELEASE, tree_hash(), strategies_hash())
        self._told_ms = 0
        self._told: Mapping[str, str] = {}
        self.known: tuple[ProcessReport, ...] = ()

    def report(self, now_ms: int) -> ProcessReport:
        release, tree, code = self._build
        return ProcessReport(
            self._name, self._host, os.getpid(), now_ms, release, tree, code, dict(self._parameters())
        )  # fmt: skip

    def step(self, now_ms: int) -> None:
        """Tells what is due, at once when other parameters are in force, and looks."""
        mine = self.report(now_ms)
        if now_ms - self._told_ms >= REPORT_S * 1000 or mine.parameters != self._told:
            report_write(mine)
            self._told_ms, self._told = now_ms, mine.parameters
        self.known = reports_read(now_ms)

    def tidy(self) -> None:
        """Removes the files of processes that ended long ago without taking their report back."""
        for path in folder().glob("*.json"):
            if time.time() - path.stat().st_mtime > 3_600:
                path.unlink(missing_ok=True)

    def take_back(self, now_ms: int) -> None:
        report_remove(self.report(now_ms))


_reporters: list[Reporter] = []


@contextmanager
def reporting(name: str, *, parameters: Callable[[], Mapping[str, str]] = dict) -> Iterator[Reporter]:
    """Reports on a thread of its own for as long as the block runs."""
    stop = threading.Event()
    reporter = Reporter(name, parameters=parameters)
    reporter.tidy()
    _step(reporter)
    _reporters.append(reporter)
    thread = threading.Thread(target=_run, args=(reporter, stop), name=f"report-{name}", daemon=True)
    thread.start()
    try:
        yield reporter
    finally:
        stop.set()
        thread.join(timeout=2)
        _reporters.remove(reporter)
        reporter.take_back(_now_ms())


def report_always(name: str) -> None:
    """Reports until the process ends; for entry points that have no block to stand around."""
    stack = ExitStack()
    stack.enter_context(reporting(name))
    atexit.register(stack.close)


def reports_known() -> tuple[ProcessReport, ...]:
    """The newest look of this process's own reporter, without any input or output; empty when none runs."""
    return _reporters[-1].known if _reporters else ()


def disagreements(reports: Iterable[ProcessReport]) -> tuple[str, ...]:
    """What runs, one sentence for each build with its processes; empty when all run the same."""
    builds: dict[tuple[str, str, str], list[str]] = {}
    for report in reports:
        builds.setdefault(report.build, []).append(str(report))
    if len(builds) < 2:
        return ()
    return tuple(f"{_shown(build)} in {_named(names)}" for build, names in sorted(builds.items()))


@cache
def strategies_hash() -> str:
    """SHA-256 (hex) over the code of every strategy in the registry."""
    body = sorted(f"{slug}={known.code_hash}" for slug, known in registry.STRATEGIES.items())
    return hashlib.sha256("\n".join(body).encode()).hexdigest()


def report_write(report: ProcessReport) -> None:
    """To the file and to Redis; what is away is left out, and silence is then found by the others."""
    raw = json.dumps(asdict(report))
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder() / f".{report.key}.new"
        fresh.write_text(raw)
        os.replace(fresh, folder() / f"{report.key}.json")
    except OSError as error:
        log.warning("process report not written: %s", error)
    try:
        client = _client()
        client.hset(_redis_key(), report.key, raw)
        client.expire(_redis_key(), 3_600)
    except redis.RedisError as error:
        log.debug("process report not sent to Redis: %s", error)


def report_remove(report: ProcessReport) -> None:
    (folder() / f"{report.key}.json").unlink(missing_ok=True)
    try:
        _client().hdel(_redis_key(), report.key)
    except redis.RedisError as error:
        log.debug("process report not taken back from Redis: %s", error)


def reports_read(now_ms: int) -> tuple[ProcessReport, ...]:
    """The report of every living process, by name. One that cannot be read as a report is left out."""
    found: dict[str, ProcessReport] = {}
    for raw in (*_from_files(), *_from_redis()):
        report = _decoded(raw)
        if report is not None and (report.key not in found or found[report.key].at_ms < report.at_ms):
            found[report.key] = report
    return tuple(sorted((r for r in found.values() if _is_alive(r, now_ms)), key=lambda r: r.key))


def folder() -> Path:
    return Path(settings.RUN_DIR) / "processes"


def _is_alive(report: ProcessReport, now_ms: int) -> bool:
    if now_ms - report.at_ms > ALIVE_S * 1000:
        return False
    if report.host != socket.gethostname():
        return True
    try:
        os.kill(report.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _from_files() -> list[bytes]:
    try:
        return [path.read_bytes() for path in folder().glob("[!.]*.json")]
    except OSError:
        return []


def _from_redis() -> list[bytes | str]:
    try:
        return list(_client().hgetall(_redis_key()).values())
    except redis.RedisError:
        return []


def _decoded(raw: bytes | str) -> ProcessReport | None:
    try:
        told = json.loads(raw)
        texts = {name: str(told[name]) for name in ("name", "host", "release", "tree", "code")}
        parameters = {str(key): str(value) for key, value in told["parameters"].items()}
        return ProcessReport(pid=int(told["pid"]), at_ms=int(told["at_ms"]), parameters=parameters, **texts)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


@cache
def _redis_key() -> str:
    """One for each installation: another that shares the Redis server has another secret key."""
    return "kalshiops:processes:" + salted_hmac("apps.core.processes", "installation").hexdigest()[:16]


def _run(reporter: Reporter, stop: threading.Event) -> None:
    while not stop.wait(LOOK_S):
        _step(reporter)


def _step(reporter: Reporter) -> None:
    reporter.step(_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _named(names: list[str]) -> str:
    return f"{len(names)} processes" if len(names) > MOST_NAMED else ", ".join(names)


def _shown(build: tuple[str, str, str]) -> str:
    release, tree, code = build
    return f"release {release}, files {tree[:8]}, strategies {code[:8]}"
