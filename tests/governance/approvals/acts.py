"""What people do with requests, in one line each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User

from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_edit, approval_request, approval_vote, change_break_glass
from tests.factories import NOW, fresh_factor
from tests.governance.conftest import ACTION, TARGET

WHY = "a reason that is long enough"
Team = dict[str, User]


def ask(actor: User, value: Any = 9, *, target: str = "1", now: datetime = NOW, **fields: Any) -> ApprovalRequest:
    """To set number `target` (5 at first) to `value`; a larger one raises risk."""
    defaults: dict[str, Any] = {"action": ACTION, "target_type": TARGET, "payload": {"value": value}, "reason": WHY}
    return approval_request(target_id=target, actor=actor, now=now, **(defaults | fields))


def sign(
    request: ApprovalRequest, actor: User, vote: str = "approve", *, now: datetime = NOW, **fields: Any
) -> ApprovalRequest:
    """Decides on the revision that the caller holds, with a fresh factor unless told otherwise."""
    defaults: dict[str, Any] = {"revision": request.revision, "reason": WHY, "factor": fresh_factor(actor, now)}
    return approval_vote(request_id=request.pk, vote=vote, actor=actor, now=now, **(defaults | fields))


def edit(
    request: ApprovalRequest, actor: User, value: int | None = None, *, now: datetime = NOW, **fields: Any
) -> ApprovalRequest:
    """Without a value it puts the same change on the present base."""
    values = {} if value is None else {"value": str(value)}
    defaults: dict[str, Any] = {"revision": request.revision, "values": values, "reason": WHY}
    return approval_edit(request_id=request.pk, actor=actor, now=now, **(defaults | fields))


def smash(actor: User, value: int = 9, *, now: datetime = NOW, **fields: Any) -> ApprovalRequest:
    """Sets number 1 in an emergency."""
    defaults: dict[str, Any] = {
        "action": ACTION,
        "target_type": TARGET,
        "target_id": "1",
        "payload": {"value": value},
        "reason": WHY,
    }
    defaults["factor"] = fresh_factor(actor, now)
    return change_break_glass(actor=actor, now=now, **(defaults | fields))


def hire(name: str, role: str) -> User:
    person = User.objects.create_user(name, is_staff=True)
    person.groups.add(Group.objects.get(name=role))
    return person
