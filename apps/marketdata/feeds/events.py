"""System events of a feed, at most one of a kind per interval: a broken wire must not flood the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.governance.choices import Severity

SOURCE = "marketdata"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """A system event waiting to be stored."""

    code: str
    severity: Severity
    message: str
    at: datetime
    details: dict[str, Any] = field(default_factory=dict)


class EventLimiter:
    """Lets one event of each code pass per `every_s`; the next one says how many were held back."""

    def __init__(self, every_s: float = 60.0) -> None:
        self._every = timedelta(seconds=every_s)
        self._passed_at: dict[str, datetime] = {}
        self._held: dict[str, int] = {}

    def admit(
        self, code: str, severity: Severity, message: str, *, at: datetime, details: dict[str, Any] | None = None
    ) -> EventDraft | None:
        last = self._passed_at.get(code)
        if last is not None and at - last < self._every:
            self._held[code] = self._held.get(code, 0) + 1
            return None
        self._passed_at[code] = at
        held = self._held.pop(code, 0)
        return EventDraft(code, severity, message, at, {**(details or {}), "held_back_before": held})
