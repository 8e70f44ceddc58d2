"""K9, K16, K17, K19 and KM: what we send and hold."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.switches.base import Action
from apps.engine.switches.orders import (
    K16,
    BadNumberInputs,
    BreachInputs,
    ManualInputs,
    NodeUse,
    RestrictedInputs,
    RunawayInputs,
)

from .cases import INF, NAN, NO_INPUT, NOW, OK, TRIPPED, WARN, Case, check, table


def k9(
    orders: Any = 0, cancels: Any = 0, repeats: Any = 0, duplicates: Any = 0, slots: Any = 2, at_ms: Any = NOW
) -> RunawayInputs:
    return RunawayInputs(
        at_ms=at_ms, orders=orders, cancels=cancels, repeats=repeats, duplicates=duplicates, slots=slots
    )


def node(used: Any, limit: Any = 1_000, scope: str = "market", scope_id: str = "M-1") -> NodeUse:
    return NodeUse(scope=scope, scope_id=scope_id, rule="contracts", used=used, limit=limit)


def k16(*nodes: Any, at_ms: Any = NOW) -> BreachInputs:
    return BreachInputs(at_ms=at_ms, nodes=nodes)


def k17(count: Any, at_ms: Any = NOW) -> BadNumberInputs:
    return BadNumberInputs(at_ms=at_ms, count=count, example="price nan")


def k19(armed: Any = (), working: Any = (), at_ms: Any = NOW) -> RestrictedInputs:
    return RestrictedInputs(at_ms=at_ms, armed=armed, working=working)


def km(state: Any, at_ms: Any = NOW) -> ManualInputs:
    return ManualInputs(at_ms=at_ms, state=state, reason="drill")


CASES = [
    *table("K9", {
        "trips": (k9(orders=1_000), TRIPPED, Action.PAUSE_STRATEGY, "1000 orders"),
        "control": (k9(20, 20, 5), OK),
        "boundary": (k9(300, 300, 60), WARN),
        "nan": (k9(orders=NAN), TRIPPED),
        "missing": (k9(orders=None), NO_INPUT),
        "one order above": (k9(301), TRIPPED),
        "one cancel above": (k9(0, 301), TRIPPED, None, "301 cancels"),
        "one like order above": (k9(repeats=61), TRIPPED, None, "a loop, not a strategy"),
        "an intent sent twice": (k9(duplicates=1), TRIPPED, None, "second time"),
        "at the warning": (k9(150, 150, 30), OK),
        "above the warning": (k9(151), WARN),
        "a thousand markets at start": (k9(2_000, slots=2_000), OK),
        "a thousand markets, more than two orders a quote": (k9(4_001, slots=2_000), TRIPPED),
        "infinite cancels": (k9(cancels=INF), TRIPPED),
        "nobody looked": (k9(at_ms=NOW - 5_001), NO_INPUT),
    }),
    *table("K16", {
        "trips": (k16(node(2_000)), TRIPPED, Action.REDUCE, "2000 of 1000"),
        "control": (k16(node(500)), OK),
        "boundary": (k16(node(1_000)), WARN),
        "nan": (k16(node(NAN)), TRIPPED),
        "missing": (k16(node(None)), NO_INPUT),
        "a bad number behind a good one": (k16(node(1), node(NAN)), TRIPPED, Action.REDUCE, "bad input"),
        "one above": (k16(node(1_001)), TRIPPED),
        "at the warning": (k16(node(950)), OK),
        "a limit of nothing, used": (k16(node(1, 0)), TRIPPED),
        "a limit of nothing, not used": (k16(node(0, 0)), OK),
        "a limit that is not known": (k16(node(1, None)), NO_INPUT),
        "an infinite limit": (k16(node(1, INF)), TRIPPED),
        "the nodes are not known": (BreachInputs(at_ms=NOW, nodes=None), NO_INPUT),
        "nothing is held": (k16(), OK),
        "nobody looked": (k16(at_ms=NOW - 10_001), NO_INPUT),
    }),
    *table("K17", {
        "trips": (k17(1), TRIPPED, Action.PAUSE_STRATEGY, "price nan"),
        "control": (k17(0), OK),
        "boundary": (k17(0, NOW - 5_000), OK),
        "nan": (k17(NAN), TRIPPED),
        "missing": (k17(None), NO_INPUT),
        "nobody looked": (k17(0, NOW - 5_001), NO_INPUT),
    }),
    *table("K19", {
        "trips": (k19(working=("M-1",)), TRIPPED, Action.HALT, "M-1"),
        "control": (k19(), OK),
        "boundary": (k19(armed=("M-1",)), WARN),
        "nan": (k19(working=(NAN,)), TRIPPED),
        "missing": (k19(armed=None), NO_INPUT),
        "the list was not read for half a minute": (k19(at_ms=NOW - 30_001), NO_INPUT),
    }),
    *table("KM", {
        "trips": (km("halted"), TRIPPED, Action.HALT, "drill"),
        "control": (km("active"), OK),
        "boundary": (km("active", NOW - 1_000), OK),
        "nan": (km(NAN), TRIPPED),
        "missing": (km(None), NO_INPUT),
        "reducing": (km("reducing"), WARN, Action.REDUCE),
        "a word we do not know": (km("paused"), TRIPPED),
        "not read for more than a second": (km("active", NOW - 1_001), NO_INPUT),
    }),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_order_switches(case: Case) -> None:
    check(case)


def test_a_breach_reduces_only_the_nodes_that_are_over() -> None:
    verdict = K16.evaluate(k16(node(2), node(1_001), node(9, 8, "theme", "heat")), NOW)
    assert verdict.targets == (("market", "M-1"), ("theme", "heat"))


def test_of_several_nodes_near_their_limits_the_worst_is_named_with_its_share() -> None:
    verdict = K16.evaluate(k16(node(910, scope_id="M-1"), node(960, scope_id="M-2"), node(930, scope_id="M-3")), NOW)
    assert (verdict.state, verdict.value) == (WARN, "96.00 %")
    assert "M-2" in verdict.reason
    verdict = K16.evaluate(k16(node(96, 100, scope_id="M-1"), node(970, scope_id="M-2")), NOW)
    assert (verdict.value, "M-2" in verdict.reason) == ("97.00 %", True)
