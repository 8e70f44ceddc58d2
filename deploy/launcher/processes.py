"""Processes by identity: a number alone may be reused, a number with its start time may not."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """One child, leader of its own process group; `stage` orders the stopping, lowest first."""

    name: str
    pid: int
    born: str
    stage: int
    stop_timeout_s: float


def born(pid: int) -> str | None:
    """The start time of a living process in the system's own form; None once it has ended."""
    if os.path.isdir("/proc/self"):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
                fields = handle.read().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = shown.stdout.strip().partition(" ")
    return started.strip() if state and not state.startswith("Z") else None


def is_alive(process: Process) -> bool:
    return born(process.pid) == process.born


def stop_all(
    processes: Sequence[Process],
    *,
    reap: Callable[[], object] = lambda: None,
    at_once: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Ends `processes` stage by stage and returns the names of those that had to be killed.

    Each gets SIGTERM and its own time to finish, then its whole group gets SIGKILL. `reap` collects ended children
    of the caller; `at_once` cuts the waiting short.
    """
    killed: list[str] = []
    for stage in sorted({process.stage for process in processes}):
        killed += _stop_stage([process for process in processes if process.stage == stage], reap, at_once)
    return killed


def _stop_stage(processes: Sequence[Process], reap: Callable[[], object], at_once: Callable[[], bool]) -> list[str]:
    begun = time.monotonic()
    for process in processes:
        if is_alive(process):
            _signal(process, signal.SIGTERM)
    waiting = list(processes)
    killed: list[str] = []
    while waiting:
        reap()
        for process in list(waiting):
            if not is_alive(process):
                waiting.remove(process)
                end_remains(process)
            elif at_once() or time.monotonic() - begun > process.stop_timeout_s:
                _signal(process, signal.SIGKILL)
                if process.name not in killed:
                    killed.append(process.name)
        if waiting:
            time.sleep(_POLL_S)
    return killed


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def end_remains(process: Process) -> None:
    """What an ended child started itself still carries its group; nothing of it may stay."""
    _signal(process, signal.SIGKILL)
