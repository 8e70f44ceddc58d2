"""Alarms about the record itself, raised even when the record takes nothing any more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from apps.governance.audit.errors import AuditBlocked
from apps.governance.choices import Severity
from apps.governance.models import SystemEvent

from .records import system_event_record


def audit_alarm(*, code: str, message: str, details: dict[str, Any], now: datetime) -> None:
    """A critical system event. What follows from one goes on the record; if that is blocked, the event stands alone."""
    event: dict[str, Any] = {
        "code": code,
        "severity": Severity.CRITICAL,
        "source": "audit",
        "message": message,
        "details": details,
    }
    try:
        with transaction.atomic():
            system_event_record(**event, now=now)
    except AuditBlocked:
        SystemEvent.objects.create(**event, created_at=now)
