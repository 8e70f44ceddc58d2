"""What the pages of strategies show, put together from selectors and the ladder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from apps.trading.choices import Rung
from apps.trading.models import ParameterSet, StrategyConfig
from apps.trading.services.ladder import ENVIRONMENT_OF, RungState, ladder_states, preflight
from apps.trading.services.ladder_gates import Gate
from apps.trading.services.parameters import NoParameters, parameters_in_force
from apps.trading.services.strategies import fallback_of
from apps.trading.strategy_selectors import (
    Agreement,
    ParameterLine,
    RunningSet,
    parameter_lines,
    running_sets,
    strategy_configs,
)

# Where a person sees what a gate was computed from.
_EVIDENCE = {
    "parameters": "console:parameters",
    "processes": "console:strategies",
    "limits": "console:risk",
    "drills": "console:switches",
    "kill": "console:kill",
    "emergencies": "console:approvals",
    "incidents": "console:incidents",
    "themes": "console:risk",
    "cap": "console:risk",
    "ramp": "console:risk",
    "net_bps": "console:fills",
    "paper_drift": "console:positions",
    "demo_drift": "console:positions",
    "live_drift": "console:positions",
}


@dataclass(frozen=True, slots=True)
class GateLine:
    gate: Gate
    evidence: str

    @property
    def mark(self) -> str:
        if self.gate.passed:
            return "wait" if self.gate.is_waived else "ok"
        return "stop" if self.gate.blocks else "warn"

    @property
    def word(self) -> str:
        if self.gate.passed:
            return "Waived" if self.gate.is_waived else "Holds"
        return "Missing" if self.gate.blocks else "Should"


@dataclass(frozen=True, slots=True)
class RungLine:
    """One rung: whether it can be armed for, and what stands before it."""

    rung: Rung
    lines: tuple[GateLine, ...]
    is_open: bool
    is_here: bool

    @property
    def missing(self) -> int:
        return sum(line.mark == "stop" for line in self.lines)


@dataclass(frozen=True, slots=True)
class StrategyRow:
    config: StrategyConfig
    in_force: ParameterSet | None
    reached: Rung | None
    missing: int


@dataclass(frozen=True, slots=True)
class ConfigPart:
    """One config of a strategy's page."""

    config: StrategyConfig
    in_force: ParameterSet | None
    lines: tuple[ParameterLine, ...]
    fallback: ParameterSet | None
    running: list[RunningSet]
    rungs: tuple[RungLine, ...]
    preflight: tuple[GateLine, ...]

    @property
    def overridden(self) -> list[ParameterLine]:
        return [line for line in self.lines if line.overrides]


def strategy_rows(*, now: datetime) -> list[StrategyRow]:
    rows = []
    for config in strategy_configs():
        rungs = _rungs(config, ladder_states(config, now=now))
        open_rungs = [line.rung for line in rungs if line.is_open]
        own = [line for line in rungs if ENVIRONMENT_OF[line.rung] == config.account.environment]
        missing = sum(line.missing for line in rungs[: rungs.index(own[0]) + 1])
        rows.append(StrategyRow(config, _in_force(config), open_rungs[-1] if open_rungs else None, missing))
    return rows


def config_part(config: StrategyConfig, found: Agreement, *, now: datetime) -> ConfigPart:
    in_force, states = _in_force(config), ladder_states(config, now=now)
    return ConfigPart(
        config=config,
        in_force=in_force,
        lines=tuple(parameter_lines(config.version.strategy.kernel, in_force)) if in_force else (),
        fallback=fallback_of(config),
        running=running_sets(config, in_force, found),
        rungs=tuple(_rungs(config, states)),
        preflight=tuple(_lines(preflight(states))),
    )


def _rungs(config: StrategyConfig, states: Iterable[RungState]) -> list[RungLine]:
    """A rung is open when its own gates and those of every rung below hold."""
    rungs, is_open = [], True
    for state in states:
        is_open = is_open and state.holds
        is_here = config.is_enabled and config.rung == state.rung
        rungs.append(RungLine(state.rung, tuple(_lines(state.gates)), is_open, is_here))
    return rungs


def _lines(gates: Iterable[Gate]) -> list[GateLine]:
    return [GateLine(gate, reverse(_EVIDENCE[gate.key]) if gate.key in _EVIDENCE else "") for gate in gates]


def _in_force(config: StrategyConfig) -> ParameterSet | None:
    try:
        return parameters_in_force(config)
    except NoParameters:
        return None
