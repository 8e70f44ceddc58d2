"""What time does to requests: those set to a later time are applied, those past their expiry die."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.core.exceptions import ApplicationError
from apps.governance.choices import ApprovalStatus, Severity
from apps.governance.exceptions import RequestAltered
from apps.governance.models import ApprovalRequest, SystemEvent
from apps.governance.signatures import require_intact, require_on_record
from apps.governance.standing import standing_of

from .approvals import apply_signed, approval_void, locked_open
from .drafts import close, request_audit
from .records import system_event_record


def approval_apply_due(*, now: datetime) -> int:
    """Applies what was set to a time that has come, if signatures, people, rules and base still allow it.

    Returns how many were applied. What fails stays open until it expires, and raises APPROVAL_NOT_APPLIED once.
    """
    due = ApprovalRequest.objects.filter(
        status=ApprovalStatus.OPEN, apply_after__lte=now, expires_at__gt=now
    ).values_list("pk", flat=True)
    return sum(_apply_due(request_id, now) for request_id in list(due))


def _apply_due(request_id: int, now: datetime) -> bool:
    try:
        with transaction.atomic():
            request = locked_open(request_id, now)
            require_on_record(request)
            found = standing_of(request, require_intact(request))
            if not found.is_complete:
                return False
            apply_signed(request, None, found, now)
            return True
    except RequestAltered as error:
        approval_void(request_id=request_id, why=error.message, now=now)
    except ApplicationError as error:
        _tell_once(request_id, error.message, now)
    return False


def _tell_once(request_id: int, why: str, now: datetime) -> None:
    details = {"request_id": request_id, "why": why}
    if SystemEvent.objects.filter(code="APPROVAL_NOT_APPLIED", details=details).exists():
        return
    system_event_record(
        code="APPROVAL_NOT_APPLIED",
        severity=Severity.WARNING,
        source="governance",
        message=f"Request {request_id} was due and could not be applied: {why}",
        details=details,
        now=now,
    )


def approval_expire_due(*, now: datetime) -> int:
    """Closes every open request past its expiry; returns how many."""
    with transaction.atomic():
        due = list(
            ApprovalRequest.objects.select_for_update()
            .filter(status=ApprovalStatus.OPEN, expires_at__lte=now)
            .order_by("id")
        )
        for request in due:
            close(request, ApprovalStatus.EXPIRED, now)
            request_audit(request, "approval.expire", None, now, "", after={"status": ApprovalStatus.EXPIRED})
    return len(due)
