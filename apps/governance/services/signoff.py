"""The table of needed signatures: changed only by requests that carry the signatures it asks for itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.contrib.auth.models import User

from apps.governance.choices import Severity
from apps.governance.models import ApprovalRequest, SignoffRule, SystemEvent
from apps.governance.selectors import signoff_is_as_signed
from apps.governance.standing import SIGNOFF_CHANGE

from .approvals import approval_request
from .records import system_event_record

TELL_AGAIN_AFTER = timedelta(hours=1)


def signoff_change_request(
    *,
    action: str,
    environment: str,
    direction: str,
    needs: Mapping[str, int] | None,
    reason: str,
    actor: User,
    now: datetime,
) -> ApprovalRequest:
    """Asks for a rule, for other needs of one, or with `needs` None to retire it; always takes signatures.

    `action` is an action or a pattern of them ("risk.limit.*"); an empty environment or direction is every one.
    """
    return approval_request(
        action=SIGNOFF_CHANGE,
        target_type=SignoffRule._meta.label,
        target_id=f"{action.strip()}:{environment}:{direction}",
        payload={"needs": None if needs is None else dict(needs)},
        reason=reason,
        actor=actor,
        now=now,
    )


def signoff_verify(*, now: datetime) -> bool:
    """Whether the table says what the signed requests add up to; raises SIGNOFF_ALTERED, at most hourly, when not."""
    if signoff_is_as_signed():
        return True
    told = SystemEvent.objects.filter(code="SIGNOFF_ALTERED", created_at__gt=now - TELL_AGAIN_AFTER)
    if not told.exists():
        system_event_record(
            code="SIGNOFF_ALTERED",
            severity=Severity.CRITICAL,
            source="governance",
            message="The table of needed signatures is not as it was signed; the stricter of both holds",
            now=now,
        )
    return False
