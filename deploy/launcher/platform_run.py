"""One run of the platform on one run directory, from the first process to the last."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from . import plan as planning
from . import session_state, signing_key, stack
from .errors import LauncherError
from .plan import Plan
from .registry import Registry
from .screen import Screen
from .session_state import SessionState
from .signals import StopWish
from .supervisor import Supervisor

_SESSION_TIMEOUT_S = 90.0
_COMMAND_TIMEOUT_S = 180.0


@dataclass
class PlatformRun:
    """The running platform. Made by `started`, which also ends it."""

    plan: Plan
    supervisor: Supervisor
    screen: Screen
    wish: StopWish
    begun_at: datetime
    sign_ins: list[dict[str, str]]

    def wait_for_session(self, timeout_s: float = _SESSION_TIMEOUT_S) -> SessionState | None:
        """The session once it runs; whatever was last known of it when the time is up."""
        state = None
        deadline = time.monotonic() + timeout_s

        def is_running() -> bool:
            nonlocal state
            state = session_state.read(self.plan.environment["REDIS_URL"]) or state
            return state is not None and state.state == "running" and self._is_ours(state)

        self.supervisor.watch(until=lambda: is_running() or time.monotonic() > deadline)
        return state

    def trade_for(self, seconds: float) -> None:
        """Keeps everything running that long. Raises StopRequested or ChildFailed."""
        deadline = time.monotonic() + seconds
        self.supervisor.watch(until=lambda: time.monotonic() > deadline)

    def manage(self, log_name: str, *arguments: str, may_fail: bool = False) -> str:
        """Runs a management command to its end and returns what it printed. Raises LauncherError unless `may_fail`."""
        log = self.supervisor.log_of(log_name)
        with log.open("wb") as errors:
            popen = subprocess.Popen(
                stack.manage(self.plan, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.plan.root,
                env=dict(self.plan.environment),
                start_new_session=True,
                text=True,
            )
            try:
                printed, _ = popen.communicate(timeout=_COMMAND_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                popen.kill()
                printed, _ = popen.communicate()
        self.wish.check()
        if popen.returncode and not may_fail:
            raise LauncherError(f"manage.py {arguments[0]} failed.\n{self.supervisor.tail(log_name)}")
        return printed

    def _is_ours(self, state: SessionState) -> bool:
        return state.started_at is None or state.started_at >= self.begun_at


@contextmanager
def started(
    root: Path,
    run_dir: Path,
    *,
    lasting_dir: Path,
    outside: Mapping[str, str],
    is_check: bool,
    screen: Screen,
    wish: StopWish,
) -> Iterator[PlatformRun]:
    """Everything up and ready inside, everything ended outside. Raises LauncherError or StopRequested."""
    registry = Registry(run_dir)
    registry.acquire()
    try:
        plan = planning.make(root, run_dir, lasting_dir=lasting_dir, outside=outside, is_check=is_check)
        registry.write_owner(address=plan.address)
        supervisor = Supervisor(registry, plan.environment, root, screen, wish)
        run = PlatformRun(plan, supervisor, screen, wish, datetime.now(UTC), [])
        try:
            with supervisor:
                try:
                    _bring_up(run)
                    yield run
                finally:
                    _take_down(run)
        finally:
            (run_dir / "platform.env").unlink(missing_ok=True)
    finally:
        registry.release()


def _bring_up(run: PlatformRun) -> None:
    plan, supervisor = run.plan, run.supervisor
    for stale in plan.run_dir.glob("celerybeat-schedule*"):  # a beat that was killed may leave it unreadable
        stale.unlink()
    if plan.exchange_port is not None:
        signing_key.ensure_pair(plan.private_key, plan.public_key)
    planning.write_platform_env(plan)
    foundations = stack.foundations(plan)
    for program in foundations:  # they come up while the database is prepared
        supervisor.spawn(program)
    _prepare(run)
    for program in foundations:
        with run.screen.step(program.name):
            supervisor.wait_ready(program)
    workers = stack.workers(plan)
    for program in workers:
        supervisor.spawn(program)
    for program in workers:
        with run.screen.step(program.name):
            supervisor.wait_ready(program)


def _prepare(run: PlatformRun) -> None:
    with run.screen.step("database") as step:
        run.manage("migrate", "migrate", "--noinput", "--verbosity", "0")
        step.result = run.plan.database
    with run.screen.step("static files"):
        run.manage("collectstatic", "collectstatic", "--noinput", "--verbosity", "0")
    with run.screen.step("people and roles") as step:
        run.sign_ins = parse_sign_ins(run.manage("seed_demo", "seed_demo", "--json"))
        step.result = ", ".join(row["username"] for row in run.sign_ins) or "as they were"


def parse_sign_ins(printed: str) -> list[dict[str, str]]:
    """The people that `seed_demo --json` made just now, with their one-time passwords; those who existed have none."""
    try:
        people = json.loads(printed.strip().splitlines()[-1])["people"]
        return [
            {name: str(person[name]) for name in ("username", "role", "password")}
            for person in people
            if person["password"] is not None
        ]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise LauncherError("seed_demo did not say which people it made.") from error


def _take_down(run: PlatformRun) -> None:
    with run.screen.step("stopping") as step:
        run.supervisor.stop()
        killed = run.supervisor.killed
        step.result = f"had to kill {', '.join(killed)}" if killed else "everything ended by itself"


def default_run_dir(root: Path) -> Path:
    return Path(os.environ.get("KALSHIOPS_RUN_DIR") or root / ".run").resolve()
