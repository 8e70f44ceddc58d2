"""Progress on the terminal: one line per step, with what came of it and how long it took."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from .errors import StopRequested

_NAME_WIDTH = 20


@dataclass
class Step:
    """What a running step wants to say when it is done."""

    result: str = "ready"


@dataclass
class Screen:
    """Writes to one stream; a terminal sees a step when it begins, a log file only when it ends."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)

    def line(self, text: str = "") -> None:
        self._write(text + "\n")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        started = time.monotonic()
        if self.stream.isatty():
            self._write(f"  {name:<{_NAME_WIDTH}} …\r")
        step = Step()
        try:
            yield step
        except StopRequested:
            self._close(name, "interrupted", started)
            raise
        except BaseException:
            self._close(name, "failed", started)
            raise
        self._close(name, step.result, started)

    def _close(self, name: str, result: str, started: float) -> None:
        self.line(f"  {name:<{_NAME_WIDTH}} {result:<52} {time.monotonic() - started:6.1f} s")

    def _write(self, text: str) -> None:
        """A terminal that was closed, or a pipe nobody reads, must not keep anything from being stopped in order."""
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:
            self.stream = io.StringIO()
