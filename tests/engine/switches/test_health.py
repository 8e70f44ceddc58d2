"""K5, K6, K12, K13 and K15: what we stand on. A quiet market is not a stale feed."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.switches.base import Action
from apps.engine.switches.health import ApiErrorInputs, ClockInputs, DeadManInputs, ExchangeInputs, FeedInputs

from .cases import INF, NAN, NO_INPUT, NOW, OK, TRIPPED, WARN, Case, check, table


def k5(errors: Any, calls: Any = 100, at_ms: Any = NOW) -> ApiErrorInputs:
    return ApiErrorInputs(at_ms=at_ms, calls=calls, errors=errors)


def k6(silent_ms: Any, *, connected: Any = True, at_ms: Any = NOW) -> FeedInputs:
    return FeedInputs(at_ms=at_ms, is_connected=connected, silent_ms=silent_ms)


def k12(skew_ms: Any, at_ms: Any = NOW) -> ClockInputs:
    return ClockInputs(at_ms=at_ms, skew_ms=skew_ms)


def k13(beat: Any = 0, guardian: Any = 0, lease: Any = None, at_ms: Any = NOW) -> DeadManInputs:
    return DeadManInputs(at_ms=at_ms, beat_age_ms=beat, guardian_age_ms=guardian, lease_left_ms=lease)


def k15(exchange: Any = True, trading: Any = True, halted: Any = (), at_ms: Any = NOW) -> ExchangeInputs:
    return ExchangeInputs(at_ms=at_ms, is_exchange_active=exchange, is_trading_active=trading, halted_markets=halted)


CASES = [
    *table("K5", {
        "trips": (k5(30), TRIPPED, Action.REFUSE, "30 of 100 calls failed"),
        "control": (k5(0), OK),
        "boundary": (k5(5), WARN),
        "nan": (k5(NAN), TRIPPED),
        "missing": (k5(None), NO_INPUT),
        "one above": (k5(6), TRIPPED),
        "at the warning": (k5(2), OK),
        "all of too few": (k5(19, 19), OK, None, "too few"),
        "the smallest sample at the threshold": (k5(1, 20), WARN),
        "the smallest sample above it": (k5(2, 20), TRIPPED),
        "more errors than calls": (k5(21, 20), TRIPPED, None, "impossible"),
        "nobody called for half a minute": (k5(0, at_ms=NOW - 30_001), NO_INPUT),
        "infinite calls": (k5(0, INF), TRIPPED),
    }),
    *table("K6", {
        "trips": (k6(20_000), TRIPPED, Action.PULL_QUOTES, "not even a ping"),
        "control": (k6(10_000), OK, Action.NONE),
        "boundary": (k6(15_000), WARN),
        "nan": (k6(NAN), TRIPPED, Action.PULL_QUOTES),
        "missing": (k6(None), NO_INPUT),
        "one above": (k6(15_001), TRIPPED),
        "at the warning": (k6(12_000), OK),
        "not connected": (k6(None, connected=False), TRIPPED, Action.PULL_QUOTES),
        "whether connected is not known": (k6(0, connected=None), NO_INPUT),
        "nobody looked": (k6(0, at_ms=NOW - 5_001), NO_INPUT),
        "one is not true": (k6(0, connected=1), TRIPPED),
    }),
    *table("K12", {
        "trips": (k12(-5_000), TRIPPED, Action.REFUSE, "behind"),
        "control": (k12(400), OK),
        "boundary": (k12(3_000), WARN),
        "nan": (k12(NAN), TRIPPED),
        "missing": (k12(None), NO_INPUT),
        "one above": (k12(3_001), TRIPPED, None, "ahead of"),
        "one above, behind": (k12(-3_001), TRIPPED),
        "no difference": (k12(0), OK),
        "at the warning": (k12(-1_000), OK),
        "above the warning": (k12(-1_001), WARN),
        "stale": (k12(0, NOW - 30_001), NO_INPUT),
    }),
    *table("K13", {
        "trips": (k13(guardian=60_000), TRIPPED, Action.REFUSE, "guardian was last seen"),
        "control": (k13(1_000, 1_000, 25_000), OK),
        "boundary": (k13(10_000, 30_000, 5_000), WARN),
        "nan": (k13(NAN), TRIPPED),
        "missing": (k13(guardian=None), NO_INPUT),
        "only the guardian is late": (k13(0, 15_001), WARN),
        "only the own heartbeat is late": (k13(5_001, 0), WARN),
        "own heartbeat one above": (k13(10_001), TRIPPED, None, "heartbeat"),
        "guardian one above": (k13(0, 30_001), TRIPPED),
        "lease one below": (k13(0, 0, 4_999), TRIPPED, None, "not renewed"),
        "lease run out": (k13(0, 0, -1), TRIPPED),
        "nothing rests": (k13(0, 0, None), OK),
        "a lease that is not a number": (k13(0, 0, NAN), TRIPPED),
        "nobody looked": (k13(at_ms=NOW - 5_001), NO_INPUT),
    }),
    *table("K15", {
        "trips": (k15(exchange=False), TRIPPED, Action.REFUSE, "NO CANCELS"),
        "control": (k15(), OK),
        "boundary": (k15(at_ms=NOW - 60_000), OK),
        "nan": (k15(exchange=NAN), TRIPPED),
        "missing": (k15(trading=None), NO_INPUT),
        "trading paused": (k15(trading=False), TRIPPED, Action.REFUSE, "cancels still work"),
        "one market halted": (k15(halted=("M-1",)), WARN, Action.PULL_QUOTES, "M-1"),
        "a market without a name": (k15(halted=(None,)), NO_INPUT),
        "a market that is a number": (k15(halted=(NAN,)), TRIPPED),
        "stale": (k15(at_ms=NOW - 60_001), NO_INPUT),
    }),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_health_switches(case: Case) -> None:
    check(case)
