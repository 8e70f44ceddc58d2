from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import QuerySet

from apps.core.exceptions import ApplicationError
from apps.core.permissions import is_holder

from .choices import ApprovalStatus, Permission
from .handlers import ChangeRow, handler_for
from .models import ApprovalRequest, AuditEvent


def approval_list_open(*, now: datetime) -> QuerySet[ApprovalRequest]:
    """Requests that can still be decided, newest first."""
    return ApprovalRequest.objects.filter(status=ApprovalStatus.OPEN, expires_at__gt=now).select_related("requester")


def approval_rows(request: ApprovalRequest) -> list[ChangeRow]:
    """Old against new, by the app that owns the change; empty when its handler or target is gone."""
    try:
        handler = handler_for(request.action)
        return handler.describe(request.target_id, request.payload, request.current)
    except ApplicationError:
        return []


def approval_can_vote(*, request: ApprovalRequest, user: User, now: datetime) -> bool:
    """Whether to offer the buttons; the service decides again."""
    is_open = request.status == ApprovalStatus.OPEN and request.expires_at > now
    return is_open and request.requester_id != user.pk and is_holder(user, Permission.APPROVE_CHANGE.full)


def audit_trail(*, obj_type: str, obj_id: object) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(object_type=obj_type, object_id=str(obj_id)).select_related("actor")
