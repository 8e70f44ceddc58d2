"""What a check of `verify_liquidity` says, and how eight of them make a verdict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

ACCEPTABLE, WITH_WARNINGS, NOT_ACCEPTABLE = 0, 1, 2
"""Exit codes."""

TITLES = {
    1: "Maker implementation present and registered",
    2: "Environment and API keys configured",
    3: "Live order-book access",
    4: "Rate limits as the exchange grants them",
    5: "Minimum spread as approved, and enforced",
    6: "Second source compared every 5 s",
    7: "Batch capability",
    8: "Emergency controls, with a kill drill",
}
"""Seed 001, R109 to R116."""


class Outcome(StrEnum):
    """`NOT_CHECKED` is never a pass: it counts as a warning."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not_checked"


_WORST = (Outcome.OK, Outcome.NOT_CHECKED, Outcome.WARNING, Outcome.ERROR)


@dataclass(slots=True)
class Check:
    """One check as it goes: what was found, and the figures it rests on. Never holds a secret."""

    number: int
    outcome: Outcome = Outcome.OK
    lines: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return TITLES[self.number]

    @property
    def detail(self) -> str:
        return "; ".join(self.lines)

    def ok(self, line: str) -> None:
        self.lines.append(line)

    def add(self, outcome: Outcome, line: str) -> None:
        """The worst outcome of all lines is the check's."""
        self.outcome = max(self.outcome, outcome, key=_WORST.index)
        self.lines.append(line)

    def error(self, line: str) -> None:
        self.add(Outcome.ERROR, line)

    def warn(self, line: str) -> None:
        self.add(Outcome.WARNING, line)

    def not_checked(self, line: str) -> None:
        self.add(Outcome.NOT_CHECKED, line)

    def as_json(self) -> dict[str, Any]:
        row = asdict(self)
        del row["lines"]
        return row | {"outcome": self.outcome.value, "title": self.title, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of a run, in order."""

    checks: tuple[Check, ...]

    def count(self, *outcomes: Outcome) -> int:
        return sum(check.outcome in outcomes for check in self.checks)

    @property
    def errors(self) -> int:
        return self.count(Outcome.ERROR)

    @property
    def warnings(self) -> int:
        return self.count(Outcome.WARNING, Outcome.NOT_CHECKED)

    @property
    def not_checked(self) -> int:
        return self.count(Outcome.NOT_CHECKED)

    @property
    def exit_code(self) -> int:
        if self.errors:
            return NOT_ACCEPTABLE
        return WITH_WARNINGS if self.warnings else ACCEPTABLE


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of them do not exceed; raises `ValueError` for none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
