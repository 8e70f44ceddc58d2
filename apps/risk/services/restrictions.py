"""Restricted markets: one person bars a market at once, lifting it takes two."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request, audit_record
from apps.risk.choices import Permission, Scope
from apps.risk.exceptions import BadScope
from apps.risk.models import RestrictedMarket
from apps.risk.scopes import EACH, checked_scope, scope_text

RESTRICTION_ADD = "risk.restriction.add"
RESTRICTION_LIFT = "risk.restriction.lift"
RESTRICTABLE = (Scope.CATEGORY, Scope.THEME, Scope.SERIES, Scope.EVENT, Scope.MARKET)


def restriction_add(
    *, scope: str, scope_id: str, user: User | None, reason: str, actor: User, now: datetime
) -> RestrictedMarket:
    """Bars the firm (`user` None) or one person from what the scope covers; orders are denied from the next second on.

    Asks for the right everybody has who may stop trading. Raises `NotPermitted`, `BadScope`, and `Refused` without a
    reason or when the same restriction stands already.
    """
    require(actor, Permission.TRIP_KILL_SWITCH.full)
    kind, scope_id = checked_scope(scope, scope_id)
    if kind not in RESTRICTABLE or scope_id == EACH:
        raise BadScope("A restriction names one category, theme, series, event or market")
    reason = reason.strip()
    if not reason:
        raise Refused("A restriction says why", code="no_reason", extra={"field": "reason"})
    with transaction.atomic():
        if RestrictedMarket.objects.filter(scope=kind, scope_id=scope_id, user=user, lifted_at=None).exists():
            raise Refused(f"{scope_text(kind, scope_id)} is restricted already", code="no_change")
        row = RestrictedMarket.objects.create(
            scope=kind, scope_id=scope_id, user=user, reason=reason, added_by=actor, added_at=now
        )
        audit_record(
            actor=actor,
            action=RESTRICTION_ADD,
            obj_type=RestrictedMarket._meta.label,
            obj_id=row.pk,
            after={"scope": kind, "scope_id": scope_id, "for": user.get_username() if user else "firm"},
            reason=reason,
            now=now,
        )
    return row


def restriction_lift_request(*, restriction_id: int, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """Asks to let a restricted market be traded again; applied when another person agrees."""
    return approval_request(
        action=RESTRICTION_LIFT,
        target_type=RestrictedMarket._meta.label,
        target_id=restriction_id,
        payload={"lift": True},
        reason=reason,
        actor=actor,
        now=now,
    )
