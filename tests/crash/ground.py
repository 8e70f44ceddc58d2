"""What every run stands on: a database of its own, a key, processes forked from one that has Django loaded.

Forking instead of starting anew makes a run cheap; the one that forks has no thread, no loop and no connection.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from apps.engine.strategies.params import params_from_mapping, params_hash, params_to_mapping
from apps.engine.strategies.registry import STRATEGIES
from apps.risk.models import RiskLimit
from apps.risk.services.switches import switch_drills_run
from apps.simulation.exchange.config import Credential
from tests import factories
from tests.trading import harness

from .market import EVENT, SERIES, Script, ticker

KEY_ID = "crash"
KEY = Ed25519PrivateKey.from_private_bytes(b"crash".ljust(32, b"."))
CREDENTIAL = Credential(KEY_ID, KEY.public_key())
MODULES = "modules"
PR_SET_PDEATHSIG = 1
POLL_S = 0.01


class ProcessFailed(Exception):
    """A process of a run ended otherwise than it should have."""


def fork(work: Callable[[], Any], log: Path) -> int:
    """A child that does `work` and ends; what it says goes to `log`. Returns its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _end_with_parent()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:  # noqa: BLE001  a child has nobody above it to tell but its log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with_parent() -> None:
    """Nothing stays behind when a test is interrupted (Linux; elsewhere it may)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait(pid: int, limit_s: float, meanwhile: Callable[[], None] = lambda: None) -> int:
    """The child's exit status as `os.waitpid` gives it; raises `ProcessFailed` (and kills it) when it takes longer."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        meanwhile()
        time.sleep(POLL_S)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise ProcessFailed(f"not finished after {limit_s:.0f} s")


def note_modules(folder: Path) -> None:
    """Writes down what this process has imported since it was forked and before."""
    with (folder / MODULES).open("a") as file:
        file.write("".join(f"{name}\n" for name in list(sys.modules) if name != "__main__"))


def load_modules(folders: Iterable[Path]) -> None:
    """Imports what the processes of earlier runs had to, so that those to come find it there."""
    files = [folder / MODULES for folder in folders]
    names = {name for file in files if file.exists() for name in file.read_text().splitlines()}
    for name in sorted(names - sys.modules.keys()):
        with contextlib.suppress(ImportError):  # some names are made at run time
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def do(work: Callable[[], Any], log: Path, limit_s: float = 60) -> None:
    """`work` in a child, waited for; raises `ProcessFailed` with the end of its log."""
    if wait(fork(work, log), limit_s):
        raise ProcessFailed(log.read_text(errors="replace")[-2000:])


@dataclass(frozen=True)
class Databases:
    """Copies of one database, as files or as databases of a PostgreSQL server (`url`, for a superuser)."""

    folder: Path
    url: str = ""

    def copy(self, source: str, target: str) -> str:
        """Returns the copy's name for `use`."""
        if not self.url:
            path = self.folder / f"{target}.sqlite3"
            shutil.copyfile(source, path)
            return str(path)
        self._execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
        return target

    def create(self, target: str) -> str:
        if not self.url:
            return str(self.folder / f"{target}.sqlite3")
        self._execute(f'CREATE DATABASE "{target}"')
        return target

    def drop(self, name: str) -> None:
        if self.url:
            self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        else:
            for end in ("", "-wal", "-shm"):
                Path(name + end).unlink(missing_ok=True)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def use(database: str, folder: Path) -> None:
    """Points Django, in a process just forked, to a database and a run directory."""
    connections.settings["default"]["NAME"] = database
    settings.RUN_DIR = folder


def write_key(folder: Path) -> Path:
    path = folder / "key.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return path


def connect(port: int, key: Path) -> None:
    """Points Django to the exchange of this run."""
    settings.KALSHI_API_URL = f"http://127.0.0.1:{port}/trade-api/v2"
    settings.KALSHI_WS_URL = f"ws://127.0.0.1:{port}/trade-api/ws/v2"
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_FILE = KEY_ID, str(key)
    settings.KALSHI_ENVIRONMENT = "simulated"


def migrate() -> None:
    call_command("migrate", verbosity=0)
    connections.close_all()


def arrange(script: Script, params: Mapping[str, str], max_markets: int = 10) -> None:
    """An account with a strategy armed on the script's markets, which are open now."""
    now = timezone.now()
    account = factories.account(created_at=now)
    series = factories.series(SERIES, fee_type=script.fee_type, updated_at=now)
    event = factories.event(EVENT, series=series, updated_at=now)
    day = timedelta(days=1)
    for number in range(1, script.markets + 1):
        factories.market(ticker(number), event=event, open_at=now - day, close_at=now + day, updated_at=now)
    config = factories.config(account, markets=[SERIES], max_markets=max_markets, updated_at=now)
    chosen = params_from_mapping(STRATEGIES[factories.KERNEL].params_type(), params)
    factories.parameters(config, values=params_to_mapping(chosen), params_hash=params_hash(chosen), created_at=now)
    switch_drills_run(by="crash-test", now=now)
    for rule, value in harness.LIMITS.items():
        RiskLimit.objects.create(scope="account", scope_id=account.name, rule=rule, value=value, updated_at=now)
    connections.close_all()
