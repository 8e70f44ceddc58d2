"""Breaking the glass: one person changes something at once, everybody is told, and two others sign afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.permissions import require
from apps.core.stepup import FreshFactor, require_fresh
from apps.governance.choices import ApprovalPath, ApprovalStatus, Permission, Severity, Vote
from apps.governance.exceptions import AlreadySigned, ApprovalClosed, ApproverIsRequester, RequestAltered
from apps.governance.handlers import handler_for
from apps.governance.models import ApprovalRequest
from apps.governance.selectors import break_glass_outstanding
from apps.governance.signatures import require_intact, require_on_record, signature_make
from apps.governance.standing import signers

from .approvals import approval_void, locked_open, require_revision
from .at_once import apply_at_once
from .drafts import EXPIRES_IN, checked_reason, close, request_audit, request_new, require_current, word
from .records import system_event_record
from .terms import terms_require

SIGN_WITHIN = timedelta(hours=24)


def change_break_glass(
    *,
    action: str,
    target_type: str,
    target_id: object,
    payload: dict[str, Any],
    reason: str,
    actor: User,
    factor: FreshFactor | None,
    now: datetime,
) -> ApprovalRequest:
    """Makes a change at once, even one that raises risk, with BREAK_GLASS raised; arming waits for two others.

    Raises `NotPermitted` without the right to it, `StepUpNeeded`, `ReasonTooShort`, `Refused` for a change that no
    emergency allows, and the handler's own.
    """
    require(actor, Permission.BREAK_GLASS.full)
    reason = checked_reason(reason)
    require_fresh(factor, actor=actor, now=now)
    if not handler_for(action).allows_emergency:
        raise Refused("No emergency allows this change; it needs its signatures first", code="no_emergency")
    request = request_new(
        action=action,
        target_type=target_type,
        target_id=target_id,
        reason=reason,
        actor=actor,
        now=now,
        path=ApprovalPath.BREAK_GLASS,
    )
    request.countersign_by = now + SIGN_WITHIN
    with transaction.atomic():
        links = word(request, payload=payload, evidence=(), apply_after=None, expires_in=EXPIRES_IN, now=now)
        apply_at_once(request, links, now)
        after = {"change": action, "payload": payload, "digest": request.digest}
        request_audit(request, "approval.break_glass", actor, now, reason, after=after)
        _alarm(
            "BREAK_GLASS",
            f"{actor.get_username()} changed {action} {request.target_id} alone in an emergency: {reason}",
            request,
            now,
        )
    return request


def break_glass_instead(
    *, request_id: int, revision: int, reason: str, actor: User, factor: FreshFactor | None, now: datetime
) -> ApprovalRequest:
    """Makes at once what an open request waits for, as an emergency change of its own, and closes the request.

    Raises what `change_break_glass` does, `ApprovalClosed`, `RevisionMoved`, `TargetChanged`; `RequestAltered` makes
    the request void.
    """
    require(actor, Permission.BREAK_GLASS.full)
    try:
        with transaction.atomic():
            request = locked_open(request_id, now)
            require_revision(request, revision)
            require_on_record(request)
            require_intact(request)
            require_current(request)
            made = change_break_glass(
                action=request.action,
                target_type=request.target_type,
                target_id=request.target_id,
                payload=request.payload,
                reason=reason,
                actor=actor,
                factor=factor,
                now=now,
            )
            close(request, ApprovalStatus.WITHDRAWN, now)
            words = f"Made at once by emergency change {made.pk}: {made.reason}"
            request_audit(request, "approval.withdraw", actor, now, words, after={"status": request.status})
    except RequestAltered as error:
        approval_void(request_id=request_id, why=error.message, now=now)
        raise
    return made


def break_glass_countersign(
    *, request_id: int, reason: str, actor: User, factor: FreshFactor | None, now: datetime
) -> ApprovalRequest:
    """One of the two people who look at an emergency change afterwards signs that they have.

    Whoever disagrees proposes the opposite; signing says only that it was seen. Raises `NotPermitted`, `StepUpNeeded`,
    `ReasonTooShort`, `ApproverIsRequester`, `AlreadySigned`, `ApprovalClosed`, `RequestAltered`.
    """
    reason = checked_reason(reason)
    require(actor, Permission.APPROVE_CHANGE.full)
    terms_require(actor, now=now)
    shown = require_fresh(factor, actor=actor, now=now)
    try:
        with transaction.atomic():
            found = ApprovalRequest.objects.select_for_update().filter(pk=request_id, path=ApprovalPath.BREAK_GLASS)
            request = found.first()
            if request is None:
                raise ApprovalClosed(f"There is no emergency change {request_id}")
            if request.requester_id == actor.pk:
                raise ApproverIsRequester("Two other people must sign what you changed alone")
            if any(vote.voter_id == actor.pk for vote in require_intact(request)):
                raise AlreadySigned("You have signed this already")
            person = signers(raising=False).get(actor.pk)
            if person is None:
                raise NotPermitted("You may not sign this")
            made = signature_make(
                request,
                signer=actor,
                roles=person.roles,
                vote=Vote.APPROVE,
                reason=reason,
                factor=shown.method,
                now=now,
            )
            after = {"digest": request.digest, "signature": made.digest}
            request_audit(request, "approval.countersign", actor, now, reason, after=after)
    except RequestAltered as error:
        approval_void(request_id=request_id, why=error.message, now=now)
        raise
    return request


def break_glass_tell_overdue(*, now: datetime) -> int:
    """Raises BREAK_GLASS_OVERDUE once for each emergency change that two people have not signed in time."""
    late = [r for r in break_glass_outstanding() if r.overdue_told_at is None and (r.countersign_by or now) <= now]
    for request in late:
        with transaction.atomic():
            request.overdue_told_at = now
            request.save(update_fields=["overdue_told_at"])
            _alarm("BREAK_GLASS_OVERDUE", f"Two people have not signed emergency change {request.pk}", request, now)
    return len(late)


def _alarm(code: str, message: str, request: ApprovalRequest, now: datetime) -> None:
    system_event_record(
        code=code,
        severity=Severity.CRITICAL,
        source="governance",
        message=message,
        details={"request_id": request.pk, "action": request.action, "target": request.target_id},
        now=now,
    )
