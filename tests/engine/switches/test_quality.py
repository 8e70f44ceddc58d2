"""K3 and K8: what our orders achieve. Few orders and quiet markets are not a failure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.switches.base import Action
from apps.engine.switches.quality import K3, K8, FillRateInputs, FillRateThresholds, SlippageInputs, wilson_upper

from .cases import INF, NAN, NO_INPUT, NOW, OK, TRIPPED, WARN, Case, check, table

HOUR = 3_600_000


def k3(adverse: Any, *, fills: Any = 10, notional: Any = 1_000_000, at_ms: Any = NOW) -> SlippageInputs:
    return SlippageInputs(at_ms=at_ms, fills=fills, adverse=adverse, notional=notional)


def k8(
    unfilled: Any, *, since_ms: Any = 60_000, slots: Any = 2, orders: Any = None, filled: Any = 0, at_ms: Any = NOW
) -> FillRateInputs:
    sent = unfilled if orders is None else orders
    return FillRateInputs(at_ms=at_ms, unfilled=unfilled, since_ms=since_ms, slots=slots, orders=sent, filled=filled)


CASES = [
    *table("K3", {
        "trips": (k3(20_000), TRIPPED, Action.PAUSE_STRATEGY, "2.00 %"),
        "control": (k3(1_000), OK),
        "boundary": (k3(10_000), WARN),
        "nan": (k3(NAN), TRIPPED),
        "missing": (k3(None), NO_INPUT),
        "one above": (k3(10_001), TRIPPED),
        "at the warning": (k3(5_000), OK),
        "better than expected": (k3(-50_000), OK),
        "too few fills": (k3(900_000, fills=9), OK),
        "no notional": (k3(1, notional=0), TRIPPED),
        "infinite notional": (k3(1, notional=INF), TRIPPED),
        "fills not confirmed for too long": (k3(0, at_ms=NOW - 30_001), NO_INPUT),
    }),
    *table("K8", {
        "trips": (k8(200), TRIPPED, Action.PAUSE_STRATEGY, "200 orders sent"),
        "control": (k8(2, since_ms=100 * HOUR, orders=0), OK, None, "0 of 0 orders"),
        "boundary": (k8(150), WARN),
        "nan": (k8(NAN, orders=1), TRIPPED),
        "missing": (k8(None, orders=1), NO_INPUT),
        "one above": (k8(151), TRIPPED),
        "few orders, none filled, for a day": (k8(75, since_ms=24 * HOUR, orders=0), OK),
        "a thousand markets quoted at once": (k8(2_000, since_ms=5_000, slots=2_000), OK),
        "a thousand markets without a fill for ten minutes": (k8(2_000, since_ms=600_001, slots=2_000), TRIPPED),
        "a thousand markets, three orders a quote": (k8(6_001, since_ms=5_000, slots=2_000), TRIPPED),
        "a thousand markets, exactly three orders a quote, exactly ten minutes": (
            k8(6_000, since_ms=600_000, slots=2_000, orders=100), OK,
        ),
        "one lucky fill in ten thousand": (k8(10, orders=10_000, filled=1), TRIPPED, None, "with 95 % certainty"),
        "a low rate that may still be above the floor": (k8(10, orders=5_000, filled=1), OK),
        "a normal rate": (k8(10, orders=2_000, filled=80), OK),
        "more filled than sent": (k8(0, orders=1, filled=2), TRIPPED, None, "impossible"),
        "a negative count": (k8(-1, orders=1), TRIPPED, None, "impossible"),
        "fills not confirmed for too long": (k8(0, at_ms=NOW - 30_001), NO_INPUT),
    }),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_quality_switches(case: Case) -> None:
    check(case)


@given(st.integers(151, 100_000), st.integers(0, 10**9), st.integers(0, 50))
def test_no_run_of_unfilled_orders_passes_two_hundred_with_few_quotes(run: int, since_ms: int, slots: int) -> None:
    """G31 holds at any speed of sending, for every strategy of up to 25 markets."""
    assert K8.evaluate(k8(max(run, 200), since_ms=since_ms, slots=slots), NOW).is_tripped


def test_the_floor_applies_from_the_minimum_sample_on() -> None:
    strict = FillRateThresholds(floor_bps=5_000, min_orders=100)
    assert not K8.evaluate(k8(0, orders=99, filled=1), NOW, strict).is_tripped
    assert K8.evaluate(k8(0, orders=100, filled=1), NOW, strict).is_tripped


@pytest.mark.parametrize(
    ("hits", "trials", "upper"), [(0, 0, 1.0), (0, 100, 0.036995), (1, 100, 0.054487), (50, 100, 0.596169)]
)
def test_wilson_bound_equals_published_values(hits: int, trials: int, upper: float) -> None:
    assert wilson_upper(hits, trials) == pytest.approx(upper, abs=5e-5)


def test_the_smallest_notional_is_one() -> None:
    assert K3.evaluate(k3(0, notional=1), NOW).state == OK
    assert K3.evaluate(k3(0, notional=0), NOW).state == TRIPPED
