"""K1, K2, K4 and K14: what a loss is measured against, where it begins to count, and that deposits never count."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.switches.base import Action
from apps.engine.switches.money import (
    DailyLossInputs,
    DrawdownInputs,
    DrawdownThresholds,
    FloorInputs,
    FloorThresholds,
    StreakInputs,
    StreakThresholds,
)

from .cases import INF, NAN, NO_INPUT, NOW, OK, TRIPPED, WARN, Case, check, table

NAV = 10_000_000_000


def k1(nav: Any, *, put_in: Any = 0, opening: Any = NAV, at_ms: Any = NOW) -> DailyLossInputs:
    return DailyLossInputs(at_ms=at_ms, opening_nav=opening, nav=nav, put_in=put_in)


def k4(nav: Any, *, peak: Any = NAV, stage: Any = "full", at_ms: Any = NOW) -> DrawdownInputs:
    return DrawdownInputs(at_ms=at_ms, high_water=peak, stage=stage, nav=nav)


def k2(losses: Any, at_ms: Any = NOW) -> StreakInputs:
    return StreakInputs(at_ms=at_ms, losses=losses)


def k14(nav: Any, at_ms: Any = NOW) -> FloorInputs:
    return FloorInputs(at_ms=at_ms, nav=nav)


CASES = [
    *table("K1", {
        "trips": (k1(8_500_000_000), TRIPPED, Action.HALT, "15.00 %"),
        "control": (k1(9_600_000_000), OK, Action.NONE),
        "boundary": (k1(9_000_000_000), TRIPPED, Action.HALT, "10.00 %"),
        "nan": (k1(NAN), TRIPPED, Action.HALT, "bad input"),
        "missing": (k1(None), NO_INPUT),
        "one millionth short of the halt warns": (k1(9_000_000_001), WARN),
        "exactly at the warning warns": (k1(9_500_000_000), WARN),
        "one millionth short of the warning": (k1(9_500_000_001), OK),
        "a deposit hides no loss": (k1(9_000_000_000 + NAV, put_in=NAV), TRIPPED),
        "a withdrawal is no loss": (k1(5_000_000_000, put_in=-5_000_000_000), OK),
        "a profit is no loss": (k1(2 * NAV), OK),
        "nothing to measure against": (k1(0, opening=0), TRIPPED, Action.HALT),
        "infinite opening": (k1(NAV, opening=INF), TRIPPED),
        "a minute old is live": (k1(NAV, at_ms=NOW - 60_000), OK),
        "older is no input": (k1(NAV, at_ms=NOW - 60_001), NO_INPUT, Action.REFUSE, "old"),
        "from the future is no input": (k1(NAV, at_ms=NOW + 60_001), NO_INPUT),
    }),
    *table("K2", {
        "trips": (k2(9), TRIPPED, Action.PAUSE_STRATEGY),
        "control": (k2(4), OK),
        "boundary": (k2(8), TRIPPED),
        "nan": (k2(NAN), TRIPPED),
        "missing": (k2(None), NO_INPUT),
        "one fewer warns": (k2(7), WARN),
        "at the warning": (k2(5), WARN),
        "stale": (k2(0, NOW - 30_001), NO_INPUT),
        "a tighter threshold": (k2(3), TRIPPED, None, "", StreakThresholds(warn_losses=1, trip_losses=3)),
    }),
    *table("K4", {
        "trips": (k4(8_000_000_000), TRIPPED, Action.HALT),
        "control": (k4(9_800_000_000), OK),
        "boundary": (k4(8_500_000_000), TRIPPED, Action.HALT, "15.00 %"),
        "nan": (k4(NAN), TRIPPED, Action.HALT),
        "missing": (k4(NAV, peak=None), NO_INPUT),
        "just short of the halt only reduces": (k4(8_500_010_000), TRIPPED, Action.REDUCE),
        "at the second rung reduces": (k4(9_000_000_000), TRIPPED, Action.REDUCE),
        "just short of it sizes smaller": (k4(9_000_010_000), WARN, Action.SCALE),
        "at the first rung sizes smaller": (k4(9_500_000_000), WARN, Action.SCALE),
        "just short of it": (k4(9_500_010_000), OK, Action.NONE),
        "no peak": (k4(NAV, peak=0), TRIPPED),
        "half won back still reduces": (k4(9_800_000_000, stage="reduce_only"), TRIPPED, Action.REDUCE),
        "all won back": (k4(NAV, stage="reduce_only"), OK),
        "all won back after the halt": (k4(NAV, stage="halt"), TRIPPED, Action.HALT),
        "a rung we do not know": (k4(NAV, stage="cellar"), TRIPPED, Action.HALT),
        "rungs out of order": (k4(NAV), TRIPPED, Action.HALT, "out of order", DrawdownThresholds(scale_bps=2_000)),
        "stale": (k4(NAV, at_ms=NOW - 60_001), NO_INPUT),
    }),
    *table("K14", {
        "trips": (k14(900_000_000), TRIPPED, Action.HALT, "below the floor"),
        "control": (k14(NAV), OK),
        "boundary": (k14(1_000_000_000), WARN),
        "nan": (k14(NAN), TRIPPED),
        "missing": (k14(None), NO_INPUT),
        "one millionth below": (k14(999_999_999), TRIPPED),
        "at the warning": (k14(1_500_000_000), OK),
        "a debt": (k14(-1), TRIPPED),
        "stale": (k14(NAV, NOW - 60_001), NO_INPUT),
        "a higher floor": (k14(NAV), TRIPPED, None, "", FloorThresholds(floor=NAV + 1)),
    }),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_money_switches(case: Case) -> None:
    check(case)
