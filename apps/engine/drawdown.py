"""What a loss from the high-water mark allows: smaller stakes, then only closing, then nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from .errors import BadNumber
from .types import Money

PPM = 1_000_000


class DrawdownStage(StrEnum):
    """Rungs from the top down; `halt` is left only by `rebase`, which is a person's act."""

    FULL = "full"
    SMALL = "small"
    REDUCE_ONLY = "reduce_only"
    HALT = "halt"


_ORDER = tuple(DrawdownStage)


@dataclass(frozen=True, slots=True)
class DrawdownRules:
    """Losses from the high-water mark at which each rung begins, and the Kelly fraction of the upper two; in ppm."""

    small_at: int = 50_000
    reduce_only_at: int = 100_000
    halt_at: int = 150_000
    full_fraction: int = 250_000
    small_fraction: int = 100_000

    def __post_init__(self) -> None:
        numbers = (self.small_at, self.reduce_only_at, self.halt_at, self.full_fraction, self.small_fraction)
        if any(type(number) is not int for number in numbers):
            raise BadNumber(f"draw-down rules are not integers: {numbers!r:.120}")
        if not 0 < self.small_at <= self.reduce_only_at <= self.halt_at <= PPM:
            raise BadNumber(f"draw-down rungs out of order: {self.small_at}, {self.reduce_only_at}, {self.halt_at}")
        if not 0 <= self.small_fraction <= self.full_fraction <= PPM:
            raise BadNumber(f"Kelly fractions out of order: {self.small_fraction}, {self.full_fraction}")


@dataclass(frozen=True, slots=True)
class DrawdownLadder:
    """State machine of net asset value: `after` each valuation gives the next state.

    A rung once reached holds until the whole loss is won back, that is until a new high-water mark; `halt` holds
    even then. `high_water` is in $0.000001 and above zero.
    """

    high_water: Money
    stage: DrawdownStage = DrawdownStage.FULL
    rules: DrawdownRules = DrawdownRules()

    def __post_init__(self) -> None:
        if type(self.high_water) is not int or self.high_water <= 0:
            raise BadNumber(f"high-water mark is not an amount above zero: {self.high_water!r:.40}")

    def after(self, nav: Money) -> DrawdownLadder:
        """The state after a valuation. Raises `BadNumber` for anything but an integer."""
        lost = self.drawdown_ppm(nav)
        if lost <= 0 and self.stage is not DrawdownStage.HALT:
            return DrawdownLadder(max(nav, self.high_water), DrawdownStage.FULL, self.rules)
        stage = max(self.stage, self._rung(lost), key=_ORDER.index)
        return replace(self, stage=stage)

    def drawdown_ppm(self, nav: Money) -> int:
        """Loss from the high-water mark in millionths of it, rounded up; zero or less at or above it."""
        if type(nav) is not int:
            raise BadNumber(f"net asset value is not an integer: {nav!r:.40}")
        return -((nav - self.high_water) * PPM // self.high_water)

    @property
    def fraction_ppm(self) -> int:
        """Kelly fraction that is allowed now; zero where no new risk is."""
        if self.stage is DrawdownStage.FULL:
            return self.rules.full_fraction
        return self.rules.small_fraction if self.stage is DrawdownStage.SMALL else 0

    def moved(self, amount: Money) -> DrawdownLadder:
        """Money put in (positive) or taken out moves the mark with it: neither is profit or loss."""
        if type(amount) is not int:
            raise BadNumber(f"amount is not an integer: {amount!r:.40}")
        return replace(self, high_water=self.high_water + amount)

    def rebase(self, nav: Money) -> DrawdownLadder:
        """Starts over from today's value; only after people agreed to bear the loss."""
        return DrawdownLadder(nav, DrawdownStage.FULL, self.rules)

    def _rung(self, lost: int) -> DrawdownStage:
        if lost >= self.rules.halt_at:
            return DrawdownStage.HALT
        if lost >= self.rules.reduce_only_at:
            return DrawdownStage.REDUCE_ONLY
        return DrawdownStage.SMALL if lost >= self.rules.small_at else DrawdownStage.FULL
