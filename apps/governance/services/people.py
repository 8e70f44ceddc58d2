"""What a technical admin asks for; somebody else signs it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from apps.governance.models import ApprovalRequest

from .approvals import approval_request

FACTOR_RESET, ROLES_CHANGE = "governance.factor.reset", "governance.roles.change"


def factor_reset_request(*, user: User, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """For somebody who lost factor and recovery codes. Raises as `approval_request`."""
    return approval_request(
        action=FACTOR_RESET,
        target_type=User._meta.label,
        target_id=user.pk,
        payload={},
        reason=reason,
        actor=actor,
        now=now,
    )


def roles_request(*, user: User, roles: list[str], reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """The roles a person shall have. Raises as `approval_request`."""
    return approval_request(
        action=ROLES_CHANGE,
        target_type=User._meta.label,
        target_id=user.pk,
        payload={"roles": sorted(set(roles))},
        reason=reason,
        actor=actor,
        now=now,
    )
