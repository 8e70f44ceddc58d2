"""The promotion ladder: backtest, paper, demo, live at small size, live. Every gate is computed, none is typed.

The simulated environment is the first rung and is free: it asks only that what runs is what was approved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.core.exceptions import Refused
from apps.governance.models import ApprovalRequest
from apps.trading.choices import Environment, Rung
from apps.trading.models import GateWaiver, StrategyConfig, StrategyVersion

from . import ladder_gates as gates
from .ladder_gates import Gate, Ground, ground_of

LADDER_WAIVE = "trading.ladder.waive"
WAIVABLE = {"net_bps": "Net result above zero"}
WAIVED_FOR = timedelta(days=30)
STAGE_DAYS = 7
ENVIRONMENT_OF = {
    Rung.SIMULATED: Environment.SIMULATED,
    Rung.PAPER: Environment.PAPER,
    Rung.DEMO: Environment.DEMO,
    Rung.LIVE_SMALL: Environment.LIVE,
    Rung.LIVE: Environment.LIVE,
}
PREFLIGHT = ("R222", "R223", "R224", "R225", "R226", "R227", "R228", "R229", "R230")


class LadderOpen(Refused):
    """Gates of the ladder do not hold; `extra["missing"]` lists them with what they need."""

    code = "ladder_open"


@dataclass(frozen=True, slots=True)
class RungState:
    """One rung with its own gates. It holds when all that block do."""

    rung: Rung
    gates: tuple[Gate, ...]

    @property
    def holds(self) -> bool:
        return all(gate.passed for gate in self.gates if gate.blocks)


def rungs_of(environment: str) -> list[Rung]:
    """The rungs a config of this environment may be armed for, the lowest first."""
    return [rung for rung, where in ENVIRONMENT_OF.items() if where == environment]


def ladder_states(
    config: StrategyConfig, *, now: datetime, version: StrategyVersion | None = None
) -> tuple[RungState, ...]:
    """Every rung with the gates that stand before it, computed from what is stored at this moment."""
    ground = ground_of(config, version or config.version, now)
    waived = {
        waiver.gate: waiver
        for waiver in GateWaiver.objects.filter(config=config, version=ground.version, expires_at__gt=now).order_by(
            "id"
        )
    }
    return tuple(
        RungState(rung, tuple(_waived(gate, waived) for gate in gates)) for rung, gates in _rungs(ground).items()
    )


def _rungs(g: Ground) -> dict[Rung, list[Gate]]:
    return {
        Rung.SIMULATED: [gates.approved_parameters(g), gates.processes(g)],
        Rung.PAPER: [
            gates.reviewed(g),
            gates.must_set(g),
            gates.limits(g),
            gates.drills(g),
            gates.emergencies(g),
            gates.backtest(g),
        ],
        Rung.DEMO: [
            gates.days_at(g, Environment.PAPER, STAGE_DAYS),
            gates.books_agree(g, Environment.PAPER),
            gates.themes(g),
        ],
        Rung.LIVE_SMALL: [
            gates.days_at(g, Environment.DEMO, STAGE_DAYS),
            gates.books_agree(g, Environment.DEMO),
            gates.net_above_zero(g),
            gates.kill_drill(g),
            gates.incidents(g),
            gates.alerts(g),
            gates.capped(g),
        ],
        Rung.LIVE: [
            gates.days_at(g, Environment.LIVE, g.track_record_days),
            gates.books_agree(g, Environment.LIVE),
            gates.ramp(g),
        ],
    }


def ladder_evaluate(
    config: StrategyConfig, *, now: datetime, rung: Rung | None = None, version: StrategyVersion | None = None
) -> list[Gate]:
    """The gates that stand before a rung: its own and those of every rung below. By default the environment's lowest.

    At full size the cap of the small size no longer binds.
    """
    wanted = rung or rungs_of(config.account.environment)[0]
    order = list(Rung)
    found = [
        gate
        for state in ladder_states(config, now=now, version=version)
        if order.index(state.rung) <= order.index(wanted)
        for gate in state.gates
    ]
    return [replace(gate, blocks=False) if gate.key == "cap" and wanted is Rung.LIVE else gate for gate in found]


def preflight(states: tuple[RungState, ...]) -> list[Gate]:
    """The checklist before real money, in its own order."""
    found = {gate.requirement: gate for state in states for gate in state.gates if gate.requirement}
    return [found[name] for name in PREFLIGHT]


def require_ladder(
    config: StrategyConfig, *, now: datetime, rung: Rung, version: StrategyVersion | None = None
) -> list[Gate]:
    """The gates, all of which hold. Raises `LadderOpen` with the list of what is missing."""
    gates = ladder_evaluate(config, now=now, rung=rung, version=version)
    missing = [gate for gate in gates if gate.blocks and not gate.passed]
    if missing:
        lines = [f"{gate.title}: {gate.value}, needed: {gate.needed}" for gate in missing]
        raise LadderOpen(
            f"{rung.label} is not reached. Missing: {'; '.join(lines)}",
            extra={
                "missing": [
                    {"gate": gate.key, "title": gate.title, "value": gate.value, "needed": gate.needed}
                    for gate in missing
                ]
            },
        )
    return gates


def _waived(gate: Gate, waived: dict[str, GateWaiver]) -> Gate:
    waiver = waived.get(gate.key)
    if waiver is None or gate.passed:
        return gate
    said = f"{gate.value}; waived until {waiver.expires_at:%Y-%m-%d} by request {waiver.approval_id}: {waiver.reason}"
    return replace(gate, passed=True, is_waived=True, value=said)


def waiver_store(*, config: StrategyConfig, gate: str, reason: str, approval: ApprovalRequest, now: datetime) -> None:
    """For the approval handler only."""
    GateWaiver.objects.create(
        config=config,
        version=config.version,
        gate=gate,
        reason=reason,
        approval=approval,
        created_at=now,
        expires_at=now + WAIVED_FOR,
    )
