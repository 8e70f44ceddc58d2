"""The whole platform with parts killed under it: whatever dies, cash ties out and nothing is left resting or unknown.

Real processes, real signals: the same `deploy/up --check` that people run, on its own ports and database.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 45
# What is killed, and how many seconds after the one before it.
KILLED = (("trading worker", "-Q trading", 10), ("redis", "redis-server", 8), ("exchange", "run_exchange", 8))


def children_of(pid: int) -> Iterator[tuple[int, str]]:
    """Every process below `pid` with its command line."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    below = {str(pid)}
    for _ in rows:
        found = {child for child, parent, _ in rows if parent in below} - below
        if not found:
            break
        below |= found
    yield from ((int(child), command) for child, _, command in rows if child in below and child != str(pid))


def kill(launcher: int, pattern: str) -> None:
    victims = [child for child, command in children_of(launcher) if pattern in command]
    assert victims, f"no process has {pattern!r} in its command"
    os.kill(victims[0], signal.SIGKILL)


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_cash_ties_out_whatever_is_killed() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KALSHI", "DJANGO"))}
    command = [sys.executable, "-m", "deploy.launcher.up", "--check", str(SECONDS)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = lines_while_parts_die(process)
        assert process.wait(timeout=120) == 1, "parts that died must not go unnoticed"
    summary: dict[str, Any] = json.loads(lines[-1])
    assert summary["cash_drift"] == "0.000000", "".join(lines[-30:])
    assert (summary["resting_at_end"], summary["open_unknown"]) == (0, 0)
    assert summary["fills"] > 0
    for name, _, _ in KILLED:
        assert any(f"{name.split()[0]} ended unexpectedly" in line for line in lines), name


def lines_while_parts_die(process: subprocess.Popen[str]) -> list[str]:
    """Everything the launcher said; the parts are killed one after the other once the session runs."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "trading session" in line:
            break
    for _, pattern, pause in KILLED:
        time.sleep(pause)
        kill(process.pid, pattern)
    return lines + process.stdout.readlines()
