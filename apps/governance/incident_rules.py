"""Which system events open an incident, what it is called, and which of them belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .choices import Severity

_NUMBER = re.compile(r"\s*#?\d+")


@dataclass(frozen=True, slots=True)
class IncidentRule:
    """`by` are names of details that set one cause apart from another, e.g. the account or the switch's scope."""

    title: str
    by: tuple[str, ...] = ()
    from_severity: Severity = Severity.CRITICAL


RULES: dict[str, IncidentRule] = {
    "APPROVAL_ALTERED": IncidentRule("A waiting request was altered in the database", ("request_id",)),
    "AUDIT_BROKEN": IncidentRule("The audit chain does not verify"),
    "BREAK_GLASS": IncidentRule("Break-glass was used"),
    "DEAD_MAN": IncidentRule("A trading session fell silent with orders resting", ("account",)),
    "DESYNC": IncidentRule("Our records and the exchange's differ"),
    "FOREIGN_FILL": IncidentRule("The exchange reports fills of orders that are not ours"),
    "KILL_NO_GUARDIAN": IncidentRule("A stop was pressed and no guardian is running"),
    "KILL_NOT_PROVED": IncidentRule("Resting orders are not proved gone after a stop"),
    "ORDER_GROUP_TRIGGERED": IncidentRule("The exchange's runaway brake stopped an order group"),
    "PLAN_LEFT": IncidentRule("A plan of several legs ended with contracts left"),
    "PRIVATE_FEED_SILENT": IncidentRule("The private feed left fills out"),
    "SETTLEMENT_DIFFERS": IncidentRule("A settlement differs from what was expected", ("ticker",)),
    "SETTLEMENT_UNCLEAR": IncidentRule("A settlement cannot be understood", ("ticker",)),
    "STOP_FLAG_INCOMPLETE": IncidentRule("A flag of a stop could not be written", from_severity=Severity.WARNING),
    "SWITCH_DRILL_FAILED": IncidentRule("A switch failed its drill", ("key",), from_severity=Severity.WARNING),
    "K19_RESTRICTED": IncidentRule("A restricted market was met", ("scope_id",), from_severity=Severity.WARNING),
}
_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
MAX_KEY, MAX_TITLE = 160, 160


def rule_for(code: str, severity: str) -> IncidentRule | None:
    """The rule of an event, None when none is opened. A critical event without a rule of its own opens one, too."""
    rule = RULES.get(code) or IncidentRule(code.replace("_", " ").capitalize())
    return rule if _RANK[Severity(severity)] >= _RANK[rule.from_severity] else None


def group_key(rule: IncidentRule, *, code: str, source: str, details: dict[str, Any]) -> str:
    """Equal for events of one cause. Numbers in the source are left out: a session that starts again is the same."""
    parts = [code, _NUMBER.sub("", source), *(str(details.get(name, "")) for name in rule.by)]
    return "|".join(parts)[:MAX_KEY]
