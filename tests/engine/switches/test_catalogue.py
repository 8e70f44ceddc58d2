"""What holds for every switch: nothing untrusted passes as ok, every one has its cases, every one can be drilled."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import pytest

from apps.engine.errors import BadNumber
from apps.engine.switches.base import Action, SwitchState, thresholds_problem
from apps.engine.switches.catalogue import SWITCHES, drill

from . import test_health, test_money, test_orders, test_quality, test_truth
from .cases import INF, KINDS, NAN, NOW

KEYS = [f"K{number}" for number in range(1, 20)] + ["KM"]
TABLES = (test_money.CASES, test_quality.CASES, test_health.CASES, test_truth.CASES, test_orders.CASES)


def calm(key: str) -> Any:
    switch = SWITCHES[key]
    return switch.calm_case(switch.thresholds, NOW)


def test_the_catalogue_is_complete() -> None:
    assert list(SWITCHES) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_no_switch_lacks_one_of_the_five_cases(key: str) -> None:
    found = {case.kind: case.state for cases in TABLES for case in cases if case.key == key}
    assert found.keys() >= KINDS
    assert (found["trips"], found["control"]) == (SwitchState.TRIPPED, SwitchState.OK)
    assert (found["nan"], found["missing"]) == (SwitchState.TRIPPED, SwitchState.NO_INPUT)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("bad", [NAN, INF, -INF, 1.0, object()], ids=["nan", "inf", "-inf", "float", "object"])
def test_no_field_takes_a_number_that_cannot_be(key: str, bad: object) -> None:
    switch, inputs = SWITCHES[key], calm(key)
    for name in (f.name for f in fields(inputs)):
        verdict = switch.evaluate(replace(inputs, **{name: bad}), NOW)
        assert (verdict.state, verdict.action) == (SwitchState.TRIPPED, switch.action), name


@pytest.mark.parametrize("key", KEYS)
def test_no_field_may_be_missing_unless_absence_means_something(key: str) -> None:
    inputs = calm(key)
    for f in fields(inputs):
        verdict = SWITCHES[key].evaluate(replace(inputs, **{f.name: None}), NOW)
        if not f.metadata.get("optional"):
            assert verdict.state is SwitchState.NO_INPUT, f.name


@pytest.mark.parametrize("key", KEYS)
def test_no_input_at_all_is_no_input_and_refuses(key: str) -> None:
    verdict = SWITCHES[key].evaluate(None, NOW)
    assert (verdict.state, verdict.action) == (SwitchState.NO_INPUT, Action.REFUSE)
    assert SWITCHES[key].producer in verdict.reason


@pytest.mark.parametrize("key", KEYS)
def test_inputs_are_live_up_to_their_age_and_not_beyond(key: str) -> None:
    switch = SWITCHES[key]
    age = switch.thresholds.max_age_ms
    states = [switch.evaluate(replace(calm(key), at_ms=NOW - a), NOW).state for a in (age, -age, age + 1, -age - 1)]
    assert states == [SwitchState.OK] * 2 + [SwitchState.NO_INPUT] * 2


@pytest.mark.parametrize("key", KEYS)
def test_inputs_of_another_switch_trip(key: str) -> None:
    other = calm("K2" if key != "K2" else "K3")
    assert SWITCHES[key].evaluate(other, NOW).is_tripped


@pytest.mark.parametrize("key", KEYS)
def test_thresholds_that_cannot_be_used_trip(key: str) -> None:
    switch = SWITCHES[key]
    for f in fields(switch.thresholds):
        for bad in (NAN, INF, None, -1, "5"):
            broken = replace(switch.thresholds, **{f.name: bad})
            assert switch.evaluate(calm(key), NOW, broken).is_tripped, f.name


@pytest.mark.parametrize("key", KEYS)
def test_a_time_that_is_not_an_integer_trips(key: str) -> None:
    assert SWITCHES[key].evaluate(calm(key), NAN).is_tripped  # type: ignore[arg-type]


@pytest.mark.parametrize("key", KEYS)
def test_every_switch_passes_its_drill(key: str) -> None:
    done = drill(SWITCHES[key], NOW)
    assert done.passed, done


def test_a_switch_that_cannot_trip_fails_its_drill() -> None:
    dull = replace(SWITCHES["K2"], judge=lambda i, t, now_ms: SWITCHES["K2"].evaluate(calm("K2"), NOW))
    assert not drill(dull, NOW).passed


def test_a_switch_that_always_trips_fails_its_drill() -> None:
    nervous = SWITCHES["K3"].thresholds_from({"warn_bps": 0, "trip_bps": 0, "min_fills": 0})
    assert drill(SWITCHES["K3"], NOW, nervous).passed
    always = replace(SWITCHES["K3"], calm_case=SWITCHES["K3"].trip_case)
    assert not drill(always, NOW).passed


@pytest.mark.parametrize("key", KEYS)
def test_every_switch_says_what_a_person_must_know(key: str) -> None:
    switch = SWITCHES[key]
    assert switch.code.startswith(f"{key}_")
    assert all((switch.title, switch.producer, switch.trips_when, switch.window, switch.minimum_sample))
    assert all(f.metadata["unit"] in ("ms", "bps", "count", "money") for f in fields(switch.thresholds))


def test_thresholds_are_taken_over_by_name_and_checked() -> None:
    k1 = SWITCHES["K1"]
    assert k1.thresholds_from({"trip_bps": 700}).trip_bps == 700
    for values in ({"trip_bps": NAN}, {"trip_bps": 7.5}, {"trip_bps": "700"}, {"limit": 1}, {"trip_bps": 499}):
        with pytest.raises(BadNumber):
            k1.thresholds_from(values)


def test_a_warning_never_lies_beyond_its_trip() -> None:
    for switch in SWITCHES.values():
        assert thresholds_problem(switch.thresholds) is None, switch.key


def test_actions_are_ordered_from_mild_to_strict() -> None:
    order = list(Action)
    for mild, strict in pairwise(
        (Action.NONE, Action.PULL_QUOTES, Action.REFUSE, Action.PAUSE_STRATEGY, Action.REDUCE, Action.HALT)
    ):
        assert order.index(mild) < order.index(strict)
