"""System events of a session: stored as facts, the same one not more than once in ten seconds."""

from __future__ import annotations

import logging
from typing import Any

from apps.governance.choices import Severity
from apps.governance.services import system_event_record

from .context import SessionContext

log = logging.getLogger(__name__)

REPEAT_MS = 10_000


class Incidents:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._last: dict[str, int] = {}

    def raise_event(self, code: str, severity: Severity, message: str, details: dict[str, Any] | None = None) -> None:
        """Records an event; a critical one also counts as an error of the session."""
        context, now_ms = self._context, self._context.clock.now_ms()
        if severity is Severity.CRITICAL:
            context.counters.errors += 1
        if now_ms - self._last.get(code, -REPEAT_MS) < REPEAT_MS:
            return
        self._last[code] = now_ms
        log.warning("%s: %s", code, message)
        context.journal.post(
            system_event_record,
            code=code,
            severity=severity,
            source=f"trading session {context.session.pk}",
            message=message,
            details=details or {},
            now=context.now(),
        )
