"""Limits and resuming. Loosening is asked for here and applied by `risk.handlers` once a second person agrees;

lowering a limit takes one person, acts at once, and is reviewed by another within a day.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.governance.choices import Direction
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request, audit_record, checked_reason, review_open
from apps.risk.choices import LimitRule, ResumeCheck, Scope, State
from apps.risk.exceptions import BadScope, ChecklistOpen, NotHalted, WouldLoosen
from apps.risk.limit_values import check_band, first_direction, limit_direction, limit_text, limit_value
from apps.risk.models import RiskLimit, TradingState
from apps.risk.scopes import checked_scope, scope_text

RESUME = "risk.resume"
LIMIT_CHANGE = "risk.limit.change"
LIMIT_LOWER = "risk.limit.lower"
NO_REASON = "(no reason given)"


def resume_request(
    *, scope: str, scope_id: str = "", reason: str, checked: Collection[str], actor: User, now: datetime
) -> ApprovalRequest:
    """Asks to make a halted or reducing scope active again.

    `checked` are the lines of the checklist (`ResumeCheck`) that the person confirms; the second person and the audit
    see them. Raises `ChecklistOpen` unless all are.
    """
    if still := [check.label for check in ResumeCheck if check not in checked]:
        raise ChecklistOpen(f"Not confirmed: {'; '.join(still)}")
    reason = f"{checked_reason(reason)}\nChecked: {'; '.join(check.label.lower() for check in ResumeCheck)}."
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


def parse_target(target_id: str) -> tuple[LimitRule, Scope, str]:
    """The opposite of `limit_target`; raises `BadScope`."""
    rule, _, rest = target_id.partition(":")
    scope, _, scope_id = rest.partition(":")
    if rule not in LimitRule.values:
        raise BadScope(f"There is no limit rule {rule!r}")
    return LimitRule(rule), *checked_scope(scope, scope_id)


def limit_lower(
    *, scope: str, scope_id: str = "", rule: str, value: str, reason: str, actor: User, now: datetime
) -> RiskLimit:
    """Tightens a limit, or sets one where the scope has none, at once and without a second person.

    Raises `NotPermitted`, `BadScope`, `Refused` for a value that cannot be, and `WouldLoosen` for one that would allow
    more than is allowed now.
    """
    require(actor, GovernancePermission.PROPOSE_CHANGE.full)
    parsed = parse_target(f"{rule}:{scope}:{scope_id}")
    number = limit_value(parsed[0], str(value).strip())
    with transaction.atomic():
        row = RiskLimit.objects.select_for_update().filter(rule=parsed[0], scope=parsed[1], scope_id=parsed[2]).first()
        _require_tighter(row, *parsed, number)
        check_band(*parsed, number)
        before = {"value": limit_text(row.value) if row else None, "version": row.version if row else 0}
        if row is None:
            row = RiskLimit(rule=parsed[0], scope=parsed[1], scope_id=parsed[2], version=0)
        row.value, row.version, row.updated_at = number, row.version + 1, now
        row.save()
        audit_record(
            actor=actor,
            action=LIMIT_LOWER,
            obj_type=RiskLimit._meta.label,
            obj_id=row.pk,
            before=before,
            after={"value": limit_text(number), "version": row.version},
            reason=reason.strip() or NO_REASON,
            now=now,
        )
        review_open(
            kind="lowered",
            what=f"{parsed[0].label}, {scope_text(parsed[1], parsed[2])}: {limit_text(number)}",
            obj_type=RiskLimit._meta.label,
            obj_id=row.pk,
            actor=actor,
            now=now,
        )
    return row


def _require_tighter(row: RiskLimit | None, rule: LimitRule, scope: Scope, scope_id: str, value: Decimal) -> None:
    direction = first_direction(rule, scope, scope_id) if row is None else limit_direction(rule, row.value, value)
    if direction is Direction.UNCHANGED:
        raise Refused("That is the limit already", code="no_change")
    if direction is not Direction.LOWERS:
        raise WouldLoosen(f"{rule.label} would allow more than now; that takes a proposal and a second person")
