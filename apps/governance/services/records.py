"""The record: who did what, and what the platform noticed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from apps.core.redaction import redacted, redacted_value
from apps.core.request_ids import current_request_id
from apps.governance.audit.covering import stored_text, stored_value
from apps.governance.choices import Severity
from apps.governance.models import AuditEvent, SystemEvent

from .audit_chain import audit_append

_ACTION = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")
_CODE = re.compile(r"[A-Z][A-Z0-9_]*")
_followers: list[Callable[[SystemEvent], object]] = []


def _plain(value: dict[str, Any] | None) -> Any:
    """Decimals and times become strings, so that what is stored is what was meant."""
    return None if value is None else json.loads(json.dumps(value, cls=DjangoJSONEncoder))


def audit_record(
    *,
    actor: User | None,
    action: str,
    obj_type: str,
    obj_id: object,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    actor_label: str | None = None,
    request_id: str = "",
) -> AuditEvent:
    """Adds a link to the audit chain; call it inside the transaction of the change itself, as late as can be.

    Whoever else records something waits from here until that transaction ends.

    `action` is dotted ("risk.kill_switch.trip"), `obj_type` a model label ("risk.TradingState"). Without an actor
    `actor_label` names what acted, e.g. "system:trading-session". Raises `ValueError` for a missing label, a naive
    time or an action that is not dotted.
    """
    if not _ACTION.fullmatch(action):
        raise ValueError(f"audit action must be dotted lower case: {action!r}")
    label = actor_label or (actor.get_username() if actor is not None else "")
    if not label:
        raise ValueError("an audit event without an actor needs actor_label")
    return audit_append(
        at=_aware(now),
        actor=actor,
        actor_label=label,
        action=action,
        object_type=obj_type,
        object_id=str(obj_id),
        before=stored_value(before),
        after=stored_value(after),
        reason=stored_text(reason),
        request_id=request_id or current_request_id(),
        release=settings.RELEASE,
    )


def system_event_record(
    *,
    code: str,
    severity: str,
    source: str,
    message: str,
    now: datetime,
    details: dict[str, Any] | None = None,
) -> SystemEvent:
    """`code` is stable upper case ("DESYNC"). Raises `ValueError` for a malformed code or unknown severity."""
    if not _CODE.fullmatch(code):
        raise ValueError(f"system event code must be upper case: {code!r}")
    with transaction.atomic():
        event = SystemEvent.objects.create(
            created_at=_aware(now),
            code=code,
            severity=Severity(severity),
            source=source,
            message=redacted(message),
            details=redacted_value(_plain(details) or {}),
        )
        for follow in _followers:
            follow(event)
    return event


def system_event_follow(callback: Callable[[SystemEvent], object]) -> None:
    """`callback` is called with each event from now on, in the transaction that stores it; twice is once."""
    if callback not in _followers:
        _followers.append(callback)


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError("a record needs an aware time")
    return now
