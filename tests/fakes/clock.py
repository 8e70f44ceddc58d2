"""A clock that moves only when a test says so."""

from __future__ import annotations


class FakeClock:
    def __init__(self, now_ms: int = 1_795_176_000_000) -> None:
        self.ms = now_ms
        self.seconds = 1_000.0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)
        self.seconds += seconds
