"""When to ask for a book again: at once after a gap, then ever more rarely while it stays unusable."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

FIRST_WAIT_S = 5.0
MAX_WAIT_S = 60.0


@dataclass(slots=True)
class _Asked:
    at: float
    wait_s: float = FIRST_WAIT_S
    times: int = 1


@dataclass(slots=True)
class ResyncPlanner:
    """Times are monotonic seconds."""

    _asked: dict[str, _Asked] = field(default_factory=dict)

    def subscribed(self, tickers: Collection[str], monotonic: float) -> None:
        """Subscribing asks for the first snapshot by itself."""
        for ticker in tickers:
            self._asked[ticker] = _Asked(monotonic)

    def due(self, stale: Collection[str], monotonic: float) -> list[str]:
        """Which of the books without a good snapshot to ask for now."""
        for ticker in set(self._asked).difference(stale):
            del self._asked[ticker]
        ready = []
        for ticker in stale:
            asked = self._asked.get(ticker)
            if asked is None:
                self._asked[ticker] = _Asked(monotonic)
            elif monotonic - asked.at >= asked.wait_s:
                self._asked[ticker] = _Asked(monotonic, min(MAX_WAIT_S, asked.wait_s * 2), asked.times + 1)
            else:
                continue
            ready.append(ticker)
        return ready

    def most_asked(self) -> int:
        """How often the most stubborn book has been asked for."""
        return max((a.times for a in self._asked.values()), default=0)

    def clear(self) -> None:
        self._asked.clear()
