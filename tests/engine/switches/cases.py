"""How a table of cases for switches is written: five kinds that no switch may lack, and any number of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.engine.switches.base import Action, Inputs, SwitchState, Thresholds, Verdict
from apps.engine.switches.catalogue import SWITCHES

NOW = 1_795_176_000_000
NAN, INF = float("nan"), float("inf")
KINDS = frozenset({"trips", "control", "boundary", "nan", "missing"})

OK, WARN, TRIPPED, NO_INPUT = SwitchState.OK, SwitchState.WARN, SwitchState.TRIPPED, SwitchState.NO_INPUT


@dataclass(frozen=True, slots=True)
class Case:
    """`kind` is one of `KINDS`, or a sentence of its own. `action` None is not looked at."""

    key: str
    kind: str
    inputs: Inputs | None
    state: SwitchState
    action: Action | None = None
    says: str = ""
    thresholds: Thresholds | None = None

    @property
    def name(self) -> str:
        return f"{self.key}-{self.kind}"


def verdict_of(case: Case) -> Verdict:
    return SWITCHES[case.key].evaluate(case.inputs, NOW, case.thresholds)


def check(case: Case) -> None:
    """A trip always does something, and a missing input always refuses, whether a case says so or not."""
    verdict = verdict_of(case)
    assert verdict.state is case.state, verdict
    if verdict.is_tripped:
        assert verdict.action not in (Action.NONE, Action.SCALE), verdict
    if verdict.state is NO_INPUT:
        assert verdict.action is Action.REFUSE, verdict
    assert case.action is None or verdict.action is case.action, verdict
    assert case.says in verdict.reason


def table(key: str, cases: dict[str, tuple[Any, ...]]) -> Sequence[Case]:
    """`cases`: kind -> (inputs, state[, action[, says[, thresholds]]])."""
    return [Case(key, kind, *rest) for kind, rest in cases.items()]
