"""Loosening: asked for here, applied by `risk.handlers` once a second person agrees."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request
from apps.risk.choices import LimitRule, State
from apps.risk.exceptions import NotHalted
from apps.risk.models import RiskLimit, TradingState
from apps.risk.scopes import checked_scope, scope_text

RESUME = "risk.resume"
LIMIT_CHANGE = "risk.limit.change"


def resume_request(*, scope: str, scope_id: str = "", reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """Asks to make a halted or reducing scope active again."""
    kind, scope_id = checked_scope(scope, scope_id)
    row = TradingState.objects.filter(scope=kind, scope_id=scope_id).exclude(state=State.ACTIVE).first()
    if row is None:
        raise NotHalted(f"{scope_text(kind, scope_id)} is not halted")
    return approval_request(
        action=RESUME,
        target_type=TradingState._meta.label,
        target_id=row.pk,
        payload={"state": State.ACTIVE.value},
        reason=reason,
        actor=actor,
        now=now,
    )


def limit_change_request(
    *, scope: str, scope_id: str = "", rule: str, value: str, reason: str, actor: User, now: datetime
) -> ApprovalRequest:
    """Asks for a new value of a limit, or for a limit where the scope has none. `value` is a decimal string."""
    kind, scope_id = checked_scope(scope, scope_id)
    return approval_request(
        action=LIMIT_CHANGE,
        target_type=RiskLimit._meta.label,
        target_id=limit_target(kind, scope_id, rule),
        payload={"value": str(value).strip()},
        reason=reason,
        actor=actor,
        now=now,
    )


def limit_target(scope: str, scope_id: str, rule: str) -> str:
    """ "max_order_dollars:account:main"; names a limit whether or not its row exists yet."""
    return f"{LimitRule(rule).value}:{scope}:{scope_id}"
