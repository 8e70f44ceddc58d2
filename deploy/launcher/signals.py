"""The wish to stop: counted by the handler, obeyed by the launcher at safe points."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from .errors import StopRequested

_IMPATIENT = 3


@dataclass
class StopWish:
    """Ctrl-C, SIGTERM and SIGHUP mean the same; a third one while stopping kills what still runs."""

    count: int = 0

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.count += 1

    @property
    def is_set(self) -> bool:
        return self.count > 0

    @property
    def is_impatient(self) -> bool:
        return self.count >= _IMPATIENT

    def check(self) -> None:
        if self.is_set:
            raise StopRequested

    def sleep(self, seconds: float) -> None:
        """Sleeps in short pieces; raises StopRequested within a tenth of a second of the wish."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            time.sleep(min(0.1, left))
        self.check()
