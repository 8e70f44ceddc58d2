"""A slow middle of others' best prices: what a market was worth lately, to hold a sudden price against."""

from __future__ import annotations

from dataclasses import dataclass

from .types import Level, Price

# Parts of $0.0001 that the running mean is kept in, so that many small steps are not all rounded away.
FINE = 1 << 20


@dataclass(slots=True)
class SlowMid:
    """A running mean over time, in integers. `observe` at every look at the book; one object per market.

    Each middle weighs for as long as it stood. Without both sides nothing is known: the mean is dropped and
    starts again.
    """

    _mean: int | None = None
    _middle: int = 0
    _since_ms: int = 0
    _at_ms: int = 0

    def observe(self, bid: Level | None, ask: Level | None, now_ms: int, span_ms: int) -> Price | None:
        """The mean of what stood before this look, rounded to $0.0001; None until it covers `span_ms`.

        `bid`, `ask`: best levels of others now, None where not known. `now_ms`: Unix milliseconds; a clock that
        goes back starts the mean again.
        """
        if bid is None or ask is None or now_ms < self._at_ms:
            self._mean, self._at_ms = None, now_ms
            return None
        middle = (bid[0] + ask[0]) * FINE // 2
        if self._mean is None:
            self._mean, self._since_ms = middle, now_ms
        else:
            stood_ms = now_ms - self._at_ms
            self._mean += (self._middle - self._mean) * stood_ms // (span_ms + stood_ms)
        self._middle, self._at_ms = middle, now_ms
        if now_ms - self._since_ms < span_ms:
            return None
        return (self._mean + FINE // 2) // FINE
