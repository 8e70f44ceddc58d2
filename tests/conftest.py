"""Shared by every test: no network beyond this machine, a private Redis on demand, one fixed moment."""

from __future__ import annotations

import io
import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection

from apps.core import live, processes
from deploy.launcher import redis_server
from deploy.launcher.network import LOOPBACK, free_port, redis_answers
from deploy.launcher.registry import Registry
from deploy.launcher.screen import Screen
from deploy.launcher.signals import StopWish
from deploy.launcher.supervisor import Program, Supervisor
from tests.record_guards import flush_past_guards

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


class NetworkUsed(Exception):
    """A test tried to leave this machine."""


def _require_local(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        if ipaddress.ip_address(str(name)).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkUsed(f"tests may not reach {name}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _require_local(address[0])
    return _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _require_local(address[0])
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    _require_local(host)
    return _getaddrinfo(host, *args, **kwargs)


def pytest_configure(config: pytest.Config) -> None:
    # How long an example takes says more about the machine than about the code.
    hypothesis.settings.register_profile("kalshiops", parent=hypothesis.settings.default, deadline=None)
    hypothesis.settings.load_profile("kalshiops")
    socket.socket.connect = _guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = _guarded_getaddrinfo
    # A platform that runs on this machine must not be touched; a test that needs Redis asks for `redis_url`.
    django_settings.REDIS_URL = f"redis://{LOOPBACK}:1/0"
    flush_past_guards()
    # The web's entry reports for as long as its process lives; the tests' process is no part of a platform.
    processes.report_always = lambda name: None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Ends what threads of finished tests still hold open, which PostgreSQL would not drop the database under."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(scope="session")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A private Redis for the whole run of this worker; it ends with it, however that ends."""
    run_dir = tmp_path_factory.mktemp("redis")
    port = free_port()
    registry = Registry(run_dir)
    registry.acquire()
    program = Program("redis", redis_server.command(port, run_dir), 0, lambda _: redis_answers(port))
    with Supervisor(registry, dict(os.environ), run_dir, Screen(io.StringIO()), StopWish()) as supervisor:
        supervisor.start(program)
        yield f"redis://{LOOPBACK}:{port}/0"
    registry.release()


@pytest.fixture
def redis_url(redis_address: str, settings: Any) -> Iterator[str]:
    """An empty Redis that `settings.REDIS_URL` and `apps.core.live` point at."""
    with redis.Redis.from_url(redis_address) as client:
        client.flushall()
    settings.REDIS_URL = redis_address
    live._client.cache_clear()
    yield redis_address
    live._client.cache_clear()


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The system's Chromium. Its absence is an error: browser tests are never skipped."""
    for name in _CHROMIUM_NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise FileNotFoundError("no Chromium on PATH; deploy/test installs it, or: apt-get install chromium")


@pytest.fixture(autouse=True, scope="session")
def _signing_in_shows_a_factor() -> None:
    """Late, because the people need the apps to be loaded."""
    from tests.people import connect_factor

    connect_factor()


@pytest.fixture(autouse=True)
def _no_flags() -> Iterator[None]:
    """Stop flags and heartbeats are files: what one test wrote must not halt the next."""
    yield
    for name in ("stop", "heartbeat", "guardian"):
        shutil.rmtree(django_settings.RUN_DIR / name, ignore_errors=True)


@pytest.fixture
def now() -> datetime:
    """One fixed moment for tests that pass time in."""
    return datetime(2026, 5, 13, 14, 0, tzinfo=UTC)
