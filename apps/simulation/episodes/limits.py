"""What was allowed when: limits and halts as they were over virtual time, for the checks."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.engine.types import Money, Price, Quantity


@dataclass(frozen=True, slots=True)
class Allowed:
    """The limits of the account, in engine units."""

    order_dollars: Money
    contracts: Quantity
    exposure: Money
    min_price: Price
    max_price: Price


@dataclass(slots=True)
class Rules:
    """`limits` and `halts` in order of time; a halt without an end still lasts."""

    limits: list[tuple[float, Allowed]] = field(default_factory=list)
    halts: list[tuple[float, float | None]] = field(default_factory=list)

    def change(self, at_s: float, allowed: Allowed) -> None:
        self.limits.append((at_s, allowed))

    def halt(self, at_s: float) -> None:
        if not self.is_halted:
            self.halts.append((at_s, None))

    def resume(self, at_s: float) -> None:
        if self.is_halted:
            self.halts[-1] = (self.halts[-1][0], at_s)

    @property
    def is_halted(self) -> bool:
        return bool(self.halts) and self.halts[-1][1] is None

    def loosest(self, from_s: float, until_s: float) -> Allowed:
        """The widest value of each limit that was in force at any time of the interval."""
        found = [a for i, (at_s, a) in enumerate(self.limits) if at_s <= until_s and self._end(i) >= from_s]
        return Allowed(
            order_dollars=max(a.order_dollars for a in found),
            contracts=max(a.contracts for a in found),
            exposure=max(a.exposure for a in found),
            min_price=min(a.min_price for a in found),
            max_price=max(a.max_price for a in found),
        )

    def _end(self, index: int) -> float:
        return self.limits[index + 1][0] if index + 1 < len(self.limits) else float("inf")

    def halted_for(self, at_s: float) -> float | None:
        """Seconds since the halt that holds at this time, None when trading is allowed."""
        for from_s, until_s in self.halts:
            if from_s <= at_s and (until_s is None or at_s < until_s):
                return at_s - from_s
        return None
