"""Faults a test can order: errors and silences before or after the effect, and latency."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """`ERROR_*` answers 503, `SILENCE_*` never answers; `BEFORE` without effect, `AFTER` once it happened."""

    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    SILENCE_BEFORE = "silence_before"
    SILENCE_AFTER = "silence_after"


@dataclass(frozen=True, slots=True)
class Fault:
    """Hits the next request of this method whose path starts so."""

    kind: FaultKind
    method: str
    path: str


@dataclass(slots=True)
class Faults:
    planned: deque[Fault] = field(default_factory=deque)

    def plan(self, kind: FaultKind, method: str, path: str) -> None:
        self.planned.append(Fault(kind, method, path))

    def take(self, method: str, path: str) -> FaultKind | None:
        """The fault for this request, used up; None when none was planned for it."""
        for fault in self.planned:
            if fault.method == method and path.startswith(fault.path):
                self.planned.remove(fault)
                return fault.kind
        return None
