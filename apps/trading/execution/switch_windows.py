"""What happened lately, in bounded memory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MOST = 20_000


@dataclass(slots=True)
class Window:
    """Times (Unix ms) of one kind of event. Memory is bounded: beyond `MOST` the oldest are forgotten."""

    times: deque[int] = field(default_factory=lambda: deque(maxlen=MOST))

    def add(self, now_ms: int) -> None:
        self.times.append(now_ms)

    def count(self, since_ms: int) -> int:
        """Events after a time; older ones are dropped."""
        while self.times and self.times[0] <= since_ms:
            self.times.popleft()
        return len(self.times)


@dataclass(slots=True)
class Sums:
    """Amounts with their times."""

    items: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MOST))

    def add(self, now_ms: int, amount: int) -> None:
        self.items.append((now_ms, amount))

    def total(self, since_ms: int) -> int:
        while self.items and self.items[0][0] <= since_ms:
            self.items.popleft()
        return sum(amount for _, amount in self.items)
