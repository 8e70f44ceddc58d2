"""What every automatic switch has in common: its verdict, its two stages, and inputs that cannot be trusted.

A switch is a pure function of inputs, thresholds and the time. Whatever the switch, inputs decide before its own rule
does: a number that is not an integer (NaN and infinity are floats) trips it, a value that is missing or too old is
`no_input`, and neither is ever `ok`. Numbers are integers: money in $0.000001, shares in basis points, times in ms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar

from apps.engine.errors import BadNumber

BPS = 10_000


class SwitchState(StrEnum):
    OK = "ok"
    WARN = "warn"
    TRIPPED = "tripped"
    NO_INPUT = "no_input"


class Action(StrEnum):
    """What a verdict asks for, mildest first. `scale` trades smaller, `refuse` sends nothing new while it lasts."""

    NONE = "none"
    SCALE = "scale"
    PULL_QUOTES = "pull_quotes"
    REFUSE = "refuse"
    PAUSE_STRATEGY = "pause_strategy"
    REDUCE = "reduce"
    HALT = "halt"


class Reset(StrEnum):
    """`manual` needs an approved resume; `automatic` ends when its input has been good for a while."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` and `threshold` are texts with their units. `targets` (scope, id) narrow the action; empty: all of it."""

    state: SwitchState
    action: Action
    reason: str
    value: str = ""
    threshold: str = ""
    targets: tuple[tuple[str, str], ...] = ()

    @property
    def is_tripped(self) -> bool:
        return self.state is SwitchState.TRIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """`at_ms` is when the data was true (Unix ms), not when it was looked at; None when there never was any."""

    at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """`max_age_ms`: inputs older than this are no input. A `warn_x` never lies beyond its `trip_x`."""

    max_age_ms: int = field(default=30_000, metadata={"unit": "ms"})


# A field that may be None without that being a gap in what is known.
OPTIONAL: dict[str, bool] = {"optional": True}

I = TypeVar("I", bound=Inputs)  # noqa: E741
T = TypeVar("T", bound=Thresholds)


def threshold(default: int, unit: str) -> Any:
    """A threshold with its unit: bps, ms, count or money ($0.000001)."""
    return field(default=default, metadata={"unit": unit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Generic[I, T]):
    """One switch: what a person must know of it, its thresholds, its rule, and a case for each side of its drill."""

    key: str
    title: str
    code: str
    scope: str
    producer: str
    trips_when: str
    window: str
    minimum_sample: str
    action: Action
    reset: Reset
    reset_after_ms: int = 0
    inputs_type: type[I]
    thresholds: T
    judge: Callable[[I, T, int], Verdict]
    trip_case: Callable[[T, int], I]
    calm_case: Callable[[T, int], I]

    def evaluate(self, inputs: I | None, now_ms: int, thresholds: T | None = None) -> Verdict:
        """Never raises and never gives `ok` for inputs or thresholds that cannot be trusted."""
        limits = self.thresholds if thresholds is None else thresholds
        problem = thresholds_problem(limits)
        if problem is not None:
            return Verdict(SwitchState.TRIPPED, self.action, f"thresholds cannot be used: {problem}")
        if type(now_ms) is not int:
            return Verdict(SwitchState.TRIPPED, self.action, f"the time is not an integer: {now_ms!r}")
        if inputs is None:
            return Verdict(SwitchState.NO_INPUT, Action.REFUSE, f"nothing delivers its input: {self.producer}")
        bad = _bad_value(inputs, self.inputs_type)
        if bad is not None:
            return Verdict(SwitchState.TRIPPED, self.action, f"bad input: {bad}")
        gap = _gap(inputs, now_ms, limits.max_age_ms)
        if gap is not None:
            return Verdict(SwitchState.NO_INPUT, Action.REFUSE, gap)
        return self.judge(inputs, limits, now_ms)

    def thresholds_from(self, values: Mapping[str, object]) -> T:
        """The catalogue's thresholds, replaced where `values` has them. Raises `BadNumber` for any it cannot use."""
        known = {f.name for f in fields(self.thresholds)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise BadNumber(f"{self.key} has no threshold {', '.join(unknown)}")
        changed: T = replace(self.thresholds, **dict(values))  # type: ignore[arg-type]
        problem = thresholds_problem(changed)
        if problem is not None:
            raise BadNumber(f"{self.key}: {problem}")
        return changed


def thresholds_problem(thresholds: Thresholds) -> str | None:
    """Why these thresholds may not be used, or None: integers of zero or more, no warning beyond its trip."""
    for f in fields(thresholds):
        value = getattr(thresholds, f.name)
        if type(value) is not int:
            return f"{f.name} is not an integer: {value!r}"
        if value < 0:
            return f"{f.name} is below zero: {value}"
        if f.name.startswith("warn_"):
            trip = getattr(thresholds, f"trip_{f.name[5:]}", value)
            if type(trip) is int and value > trip:
                return f"{f.name} {value} lies beyond trip_{f.name[5:]} {trip}"
    return None


_KINDS: dict[str, type] = {"int": int, "Money": int, "bool": bool, "str": str, "tuple": tuple}


@cache
def _specs(kind: type) -> tuple[tuple[str, type, bool], ...]:
    """Name, type and whether it may be missing, of every field of inputs or of one of their items."""
    return tuple(
        (f.name, _KINDS[str(f.type).split(" ")[0].split("[")[0]], bool(f.metadata.get("optional")))
        for f in fields(kind)
    )


def _specs_of(values: object) -> tuple[tuple[str, type, bool], ...]:
    kind: Any = type(values)
    return _specs(kind)


def _bad_value(inputs: object, expected: type) -> str | None:
    """The first value of a wrong type. None is not wrong, it is missing."""
    if type(inputs) is not expected:
        return f"{type(inputs).__name__} instead of {expected.__name__}"
    for name, kind, _ in _specs_of(inputs):
        value = getattr(inputs, name)
        if value is None:
            continue
        if type(value) is not kind:
            return f"{name} is {value!r}"
        problem = _bad_item(value) if isinstance(value, tuple) else None
        if problem is not None:
            return f"{name}: {problem}"
    return None


def _bad_item(items: tuple[object, ...]) -> str | None:
    """Items are texts, or dataclasses of texts and integers."""
    for item in items:
        if is_dataclass(item) and not isinstance(item, type):
            problem = _bad_value(item, type(item))
            if problem is not None:
                return problem
        elif type(item) is not str and item is not None:
            return repr(item)
    return None


def _gap(inputs: Inputs, now_ms: int, max_age_ms: int) -> str | None:
    """What is missing or too old. Exactly at the age limit is live; data from the future is no data either."""
    for name, _, is_optional in _specs_of(inputs):
        value = getattr(inputs, name)
        if value is None and not is_optional:
            return f"{name} is not known"
        if type(value) is tuple and any(_has_gap(item) for item in value):
            return f"part of {name} is not known"
    age_ms = now_ms - (inputs.at_ms or 0)
    if age_ms > max_age_ms:
        return f"its input is {ms(age_ms)} old, more than {ms(max_age_ms)}"
    if age_ms < -max_age_ms:
        return f"its input is {ms(-age_ms)} ahead of the clock"
    return None


def _has_gap(item: object) -> bool:
    if item is None:
        return True
    return is_dataclass(item) and any(getattr(item, name) is None for name, _, _ in _specs_of(item))


def ok(reason: str, value: str = "", limit: str = "") -> Verdict:
    return Verdict(SwitchState.OK, Action.NONE, reason, value, limit)


def warn(reason: str, value: str = "", limit: str = "", action: Action = Action.NONE) -> Verdict:
    return Verdict(SwitchState.WARN, action, reason, value, limit)


def trip(action: Action, reason: str, value: str = "", limit: str = "") -> Verdict:
    return Verdict(SwitchState.TRIPPED, action, reason, value, limit)


def ms(value: int) -> str:
    """ "1.5 s"."""
    return f"{value / 1000:.1f} s"


def percent(bps: int) -> str:
    """ "5.00 %"."""
    return f"{bps / 100:.2f} %"


def share_bps(part: int, whole: int) -> int:
    """Part of a positive whole in basis points, rounded towards zero; for showing, never for comparing."""
    return part * BPS // whole if part >= 0 else -(-part * BPS // whole)


def dollars(money: int) -> str:
    """ "$12.34", rounded towards zero to the cent; for showing."""
    cents = abs(money) // 10_000
    return f"{'-' if money < 0 else ''}${cents // 100:,}.{cents % 100:02d}"
