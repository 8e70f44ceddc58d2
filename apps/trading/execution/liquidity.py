"""How much we rested and how much narrower the book was for it, as time-weighted means over short stretches."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.core.rows import Values
from apps.engine.types import Money, Price
from apps.trading.mapping import from_ms

MAX_STRETCH_MS = 5_000


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds in one market until the next change. Spreads are None where a side is empty."""

    bid_dollars: Money
    ask_dollars: Money
    spread_with: Price | None
    spread_without: Price | None

    @property
    def is_resting(self) -> bool:
        return bool(self.bid_dollars or self.ask_dollars)

    @property
    def has_spreads(self) -> bool:
        return self.spread_with is not None and self.spread_without is not None


class LiquidityMeter:
    """Integrates one market's standing over time; `observe` returns a finished stretch when one ends."""

    def __init__(self, market_id: int) -> None:
        self.market_id = market_id
        self._standing: Standing | None = None
        self._since_ms = 0
        self._start_ms = 0
        self._sums = [0, 0, 0, 0]

    def observe(self, standing: Standing, now_ms: int, session_id: int) -> Values | None:
        """The standing from `now_ms` on. Times must not go backward; an earlier one counts as the latest."""
        last = self._standing
        now_ms = max(now_ms, self._since_ms)
        done: Values | None = None
        if last is not None and last.is_resting:
            self._add(last, now_ms - self._since_ms)
            changes_kind = standing.has_spreads != last.has_spreads or not standing.is_resting
            if changes_kind or now_ms - self._start_ms >= MAX_STRETCH_MS:
                done = self._finish(last, now_ms, session_id)
        if standing.is_resting and (done is not None or last is None or not last.is_resting):
            self._start_ms, self._sums = now_ms, [0, 0, 0, 0]
        self._standing, self._since_ms = standing, now_ms
        return done

    def _add(self, standing: Standing, elapsed_ms: int) -> None:
        for i, value in enumerate(
            (standing.bid_dollars, standing.ask_dollars, standing.spread_with, standing.spread_without)
        ):
            self._sums[i] += (value or 0) * elapsed_ms

    def _finish(self, last: Standing, now_ms: int, session_id: int) -> Values | None:
        elapsed = now_ms - self._start_ms
        if elapsed <= 0:
            return None
        bid, ask, spread_with, spread_without = (Decimal(s) / elapsed for s in self._sums)
        return {
            "session_id": session_id,
            "market_id": self.market_id,
            "started_at": from_ms(self._start_ms),
            "ended_at": from_ms(now_ms),
            "bid_dollars": round(bid.scaleb(-6), 6),
            "ask_dollars": round(ask.scaleb(-6), 6),
            "spread_with": round(spread_with.scaleb(-4), 8) if last.has_spreads else None,
            "spread_without": round(spread_without.scaleb(-4), 8) if last.has_spreads else None,
        }
