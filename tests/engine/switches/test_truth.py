"""K7, K10, K11 and K18: whether our records, fees and versions are what we think they are."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.switches.base import Action
from apps.engine.switches.truth import K7, BooksInputs, DesyncInputs, FeeInputs, VersionInputs

from .cases import INF, NAN, NO_INPUT, NOW, OK, TRIPPED, WARN, Case, check, table


def k7(out: Any = (), markets: Any = 0, gaps: Any = 0, mismatches: Any = 0, at_ms: Any = NOW) -> DesyncInputs:
    return DesyncInputs(at_ms=at_ms, out_of_step=out, markets=markets, gaps=gaps, mismatches=mismatches)


def k10(orders: Any = 0, positions: Any = 0, drift: Any = 0, confirmed: Any = True, at_ms: Any = NOW) -> BooksInputs:
    return BooksInputs(
        at_ms=at_ms, order_differences=orders, position_differences=positions, cash_drift=drift, is_confirmed=confirmed
    )


def k11(difference: Any = 0, unpredicted: Any = 0, drift: Any = 0, for_ms: Any = 0, at_ms: Any = NOW) -> FeeInputs:
    return FeeInputs(at_ms=at_ms, difference=difference, unpredicted=unpredicted, drift=drift, drift_ms=for_ms)


def k18(disagreements: Any = (), since_ms: Any = 0, at_ms: Any = NOW) -> VersionInputs:
    return VersionInputs(at_ms=at_ms, disagreements=disagreements, since_ms=since_ms)


CASES = [
    *table("K7", {
        "trips": (k7(mismatches=1), TRIPPED, Action.HALT, "DESYNC"),
        "control": (k7(), OK, Action.NONE),
        "boundary": (k7(markets=3, gaps=5), OK),
        "nan": (k7(markets=NAN), TRIPPED, Action.HALT),
        "missing": (k7(out=None), NO_INPUT),
        "one market above": (k7(markets=4), TRIPPED, Action.HALT, "contradicted"),
        "one gap above": (k7(gaps=6), TRIPPED, Action.HALT, "gaps"),
        "one gap that took five hundred books": (k7(tuple(f"M-{n}" for n in range(500)), gaps=1), WARN),
        "one bad book loses its own quotes": (k7(("M-1",), 1), WARN, Action.PULL_QUOTES, "M-1"),
        "a market that is not text": (k7((7.5,)), TRIPPED),
        "nobody looked": (k7(at_ms=NOW - 5_001), NO_INPUT),
    }),
    *table("K10", {
        "trips": (k10(positions=1), TRIPPED, Action.HALT, "1 positions differ"),
        "control": (k10(), OK),
        "boundary": (k10(drift=1), TRIPPED),
        "nan": (k10(drift=NAN), TRIPPED),
        "missing": (k10(drift=None), NO_INPUT),
        "an order that is not ours": (k10(orders=1), TRIPPED),
        "cash short": (k10(drift=-5_000_000), TRIPPED, None, "-$5.00"),
        "not confirmed yet": (k10(orders=1, confirmed=False), WARN),
        "the exchange was not asked for half a minute": (k10(at_ms=NOW - 30_001), NO_INPUT),
        "infinite cash": (k10(drift=-INF), TRIPPED),
    }),
    *table("K11", {
        "trips": (k11(50_000), TRIPPED, Action.HALT, "0.050000"),
        "control": (k11(), OK),
        "boundary": (k11(10_000), WARN),
        "nan": (k11(NAN), TRIPPED),
        "missing": (k11(drift=None), NO_INPUT),
        "one above": (k11(10_001), TRIPPED),
        "the smallest difference warns": (k11(1), WARN),
        "fees we cannot predict": (k11(unpredicted=6), TRIPPED, None, "could not be predicted"),
        "a few of them": (k11(unpredicted=5), WARN),
        "cash unexplained for long": (k11(drift=-1, for_ms=5_001), TRIPPED, None, "unexplained"),
        "no drift, however long": (k11(drift=0, for_ms=10**6), OK),
        "cash unexplained just now": (k11(drift=-1, for_ms=5_000), WARN),
        "stale": (k11(at_ms=NOW - 30_001), NO_INPUT),
    }),
    *table("K18", {
        "trips": (k18(("maker: old hash",), 60_000), TRIPPED, Action.HALT, "old hash"),
        "control": (k18(), OK),
        "boundary": (k18(("taking up what was approved",), 3_000), WARN),
        "nan": (k18(("x",), NAN), TRIPPED),
        "missing": (k18(None), NO_INPUT),
        "one above": (k18(("x",), 3_001), TRIPPED),
        "a hash that is missing": (k18((None,)), NO_INPUT),
        "not read for half a minute": (k18(at_ms=NOW - 30_001), NO_INPUT),
    }),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_truth_switches(case: Case) -> None:
    check(case)


def test_a_bad_book_names_the_markets_whose_quotes_go() -> None:
    assert K7.evaluate(k7(("M-1", "M-2")), NOW).targets == (("market", "M-1"), ("market", "M-2"))
