"""Parts of the platform as processes of their own, for tests that take them away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figures import Figure, write

ROOT = Path(__file__).resolve().parents[2]
FIGURES = "KALSHIOPS_FIGURES"
STOP_S = 20.0
LOOK_S = 0.05


class TooLate(AssertionError):
    """What should have happened has not."""


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def outside() -> dict[str, str]:
    """This process's environment without anything that would lead to a platform that runs here."""
    dropped = ("KALSHI", "DJANGO", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


def begin(command: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)


def end(process: subprocess.Popen[bytes]) -> int:
    """Asks it to stop, if it still runs, and kills it when it does not; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], log: Path, is_ready: Callable[[Path], bool]
) -> Iterator[Path]:
    """A part that is ready inside and has ended in good order outside; its log."""
    process = begin(command, environment, log)
    try:
        wait_until(lambda: process.poll() is not None or is_ready(log))
        assert process.poll() is None, log.read_text()
        yield log
    finally:
        code = end(process)
    assert code in (0, -signal.SIGTERM), log.read_text()


def says(text: str) -> Callable[[Path], bool]:
    return lambda log: text in log.read_text(errors="replace")


def wait_until(is_so: Callable[[], bool], limit_s: float = 40.0, what: Callable[[], str] = lambda: "") -> float:
    """Seconds it took. Raises `TooLate` with what `what` then tells."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > limit_s:
            raise TooLate(f"not within {limit_s:.0f} s: {what()}")
        time.sleep(LOOK_S)
    return time.monotonic() - begun


def leave_figures(name: str, figures: Iterable[Figure]) -> None:
    """For `manage.py reliability_report`, in the folder that KALSHIOPS_FIGURES names; tests leave none otherwise."""
    if folder := os.environ.get(FIGURES):
        write(name, figures, folder=Path(folder))
