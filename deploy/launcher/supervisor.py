"""Starts children in order, waits until each is ready, restarts what dies, stops everything in order."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import guard
from .errors import LauncherError
from .processes import Process, born, end_remains, stop_all
from .registry import Registry
from .screen import Screen
from .signals import StopWish

_POLL_S = 0.2
_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_HEALTHY_S = 60.0
_TAIL_LINES = 15


class ChildFailed(LauncherError):
    """A child did not become ready, or died more often than restarting it can help."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and when it counts as ready. `stage` orders the stopping, lowest first."""

    name: str
    command: Sequence[str]
    stage: int
    is_ready: Callable[[Path], bool]
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0


@dataclass
class Child:
    """A program that was started; `restart_at` is set while it waits for its next try."""

    program: Program
    popen: subprocess.Popen[bytes]
    process: Process
    started_at: float
    attempts: int = 0
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Owns the children of one run directory. Use as a context manager: leaving it stops them all."""

    registry: Registry
    environment: Mapping[str, str]
    directory: Path
    screen: Screen
    wish: StopWish
    deaths: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    back_off_s: Sequence[float] = _BACK_OFF_S
    _children: dict[str, Child] = field(default_factory=dict)
    _guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Supervisor:
        self.log_dir.mkdir(mode=0o700, exist_ok=True)
        if left := self.registry.leftovers():
            stop_all(left)
            self.screen.line(f"  ended what an earlier run left: {', '.join(process.name for process in left)}")
        self._guard = guard.start(self.registry.run_dir, self.registry.lock_fd)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()

    @property
    def log_dir(self) -> Path:
        return self.registry.run_dir / "logs"

    def log_of(self, name: str) -> Path:
        return self.log_dir / f"{name}.log"

    def spawn(self, program: Program) -> None:
        """Starts `program` without waiting for it; its output goes to its own log."""
        before = self._children.get(program.name)
        with self.log_of(program.name).open("ab" if before else "wb") as log:
            popen = subprocess.Popen(
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=dict(self.environment),
                start_new_session=True,
            )
        process = Process(program.name, popen.pid, born(popen.pid) or "", program.stage, program.stop_timeout_s)
        child = Child(program, popen, process, time.monotonic(), attempts=before.attempts if before else 0)
        self._children[program.name] = child
        self._record()

    def wait_ready(self, program: Program) -> None:
        """Raises ChildFailed with the end of its log if the child dies or takes too long."""
        child = self._children[program.name]
        deadline = time.monotonic() + program.ready_timeout_s
        while not program.is_ready(self.log_of(program.name)):
            if child.popen.poll() is not None:
                raise ChildFailed(self._obituary(child))
            if time.monotonic() > deadline:
                waited = f"{program.name} was not ready within {program.ready_timeout_s:.0f} s."
                raise ChildFailed(f"{waited}\n{self.tail(program.name)}")
            self.wish.sleep(0.1)

    def start(self, program: Program) -> None:
        with self.screen.step(program.name):
            self.spawn(program)
            self.wait_ready(program)

    def watch(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Keeps the children running until `until()`; raises StopRequested or ChildFailed."""
        while not until():
            self.tend()
            self.wish.sleep(_POLL_S)

    def tend(self) -> None:
        """One look at every child: reports and restarts the dead."""
        now = time.monotonic()
        for child in list(self._children.values()):
            if child.restart_at is not None:
                if now >= child.restart_at:
                    self.spawn(child.program)
            elif child.popen.poll() is not None:
                self._bury(child, now)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Ends the named children, all by default, in the order of their stages."""
        chosen = [child for name, child in self._children.items() if names is None or name in names]
        if not chosen:
            return
        self.killed += stop_all(
            [child.process for child in chosen],
            reap=lambda: [child.popen.poll() for child in chosen],
            at_once=lambda: self.wish.is_impatient,
        )
        for child in chosen:
            child.popen.wait()
            del self._children[child.program.name]
        self._record()

    def tail(self, name: str) -> str:
        """The last lines of a child's log, each marked with its name."""
        lines = self.log_of(name).read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"    {name} | {line}" for line in lines) or f"    {name} wrote nothing"

    def _bury(self, child: Child, now: float) -> None:
        self.deaths.append(child.program.name)
        end_remains(child.process)
        if now - child.started_at > _HEALTHY_S:
            child.attempts = 0
        if child.attempts >= len(self.back_off_s):
            raise ChildFailed(f"{self._obituary(child)}\nIt was restarted {child.attempts} times; giving up.")
        pause = self.back_off_s[child.attempts]
        self.screen.line(self._obituary(child))
        self.screen.line(f"  restarting {child.program.name} in {pause:.0f} s")
        child.attempts += 1
        child.restart_at = now + pause

    def _obituary(self, child: Child) -> str:
        code = child.popen.returncode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return f"{child.program.name} {how} unexpectedly.\n{self.tail(child.program.name)}"

    def _record(self) -> None:
        self.registry.write_processes([child.process for child in self._children.values()])
