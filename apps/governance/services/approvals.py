"""Four eyes: one person asks, another decides, and the decision and the change are one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import NotPermitted
from apps.core.permissions import holders, is_holder, require
from apps.governance.choices import ApprovalStatus, Permission, Severity, Vote
from apps.governance.digest import digest_of, request_digest
from apps.governance.exceptions import (
    ApprovalClosed,
    ApproverIsRequester,
    NoApprover,
    OpenRequestExists,
    ReasonTooShort,
    RequestAltered,
    TargetChanged,
)
from apps.governance.handlers import handler_for, raises_risk
from apps.governance.models import ApprovalRequest, ApprovalVote

from .records import audit_record, system_event_record

APPROVE = Permission.APPROVE_CHANGE.full
APPROVE_RAISE = Permission.APPROVE_RISK_RAISE.full
MIN_REASON = 10
EXPIRES_IN = timedelta(hours=24)
_LABEL = ApprovalRequest._meta.label


def approval_request(
    *,
    action: str,
    target_type: str,
    target_id: object,
    payload: dict[str, Any],
    reason: str,
    actor: User,
    now: datetime,
    expires_in: timedelta = EXPIRES_IN,
) -> ApprovalRequest:
    """Stores what would be applied, what it would replace, and a digest of both; changes nothing else.

    Raises `UnknownAction`, `NotPermitted`, `ReasonTooShort`, the handler's own `Refused`, `NoApprover` when nobody
    else could approve, and `OpenRequestExists` while the same change of the same target waits.
    """
    handler = handler_for(action)
    if target_type != handler.target_type:
        raise ValueError(f"{action} changes {handler.target_type}, not {target_type}")
    require(actor, handler.propose_permission)
    reason = checked_reason(reason)
    target = str(target_id)
    with transaction.atomic():
        handler.lock(target)
        handler.validate(target, payload)
        current = handler.current(target)
        _require_reachable(actor, raises=raises_risk(handler.describe(target, payload, current)))
        expires_at = now + expires_in
        digest = request_digest(
            action=action,
            target_type=target_type,
            target_id=target,
            payload=payload,
            current=current,
            requester_id=actor.pk,
            expires_at=expires_at,
        )
        request = _create_open(
            action=action,
            target_type=target_type,
            target_id=target,
            payload=payload,
            current=current,
            digest=digest,
            reason=reason,
            requester=actor,
            requested_at=now,
            expires_at=expires_at,
        )
        _audit(request, "approval.request", actor, now, reason, after={"change": action, "payload": payload})
    return request


def approval_vote(*, request_id: int, vote: str, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """Records one person's decision. Approving applies the change in the same transaction; rejecting closes it.

    Raises `NotPermitted`, `ApproverIsRequester`, `ReasonTooShort`, `ApprovalClosed` (decided, withdrawn, expired),
    `RequestAltered`, `TargetChanged`, or the handler's own error; then nothing has changed and no vote is stored.
    """
    try:
        with transaction.atomic():
            return _vote(request_id, Vote(vote), checked_reason(reason), require(actor, APPROVE), now)
    except RequestAltered as error:
        system_event_record(
            code="APPROVAL_ALTERED",
            severity=Severity.CRITICAL,
            source="governance",
            message=error.message,
            details={"request_id": request_id},
            now=now,
        )
        raise


def _vote(request_id: int, vote: Vote, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    request = _locked_open(request_id, now)
    if request.requester_id == actor.pk:
        raise ApproverIsRequester("Another person must decide on your request")
    if digest_of(request) != request.digest:
        raise RequestAltered(f"Request {request.pk} was altered after it was made; withdraw it and ask again")
    if vote is Vote.APPROVE:
        _apply(request, actor, now)
    ApprovalVote.objects.create(
        request=request,
        requester=request.requester,
        voter=actor,
        vote=vote,
        digest=request.digest,
        reason=reason,
        voted_at=now,
    )
    status = ApprovalStatus.APPLIED if vote is Vote.APPROVE else ApprovalStatus.REJECTED
    _close(request, status, now)
    _audit(request, f"approval.{vote}", actor, now, reason, after={"status": status, "digest": request.digest})
    return request


def _apply(request: ApprovalRequest, actor: User, now: datetime) -> None:
    handler = handler_for(request.action)
    rows = handler.describe(request.target_id, request.payload, request.current)
    if raises_risk(rows) and not _may_approve_raise(actor, request.requester):
        raise NotPermitted("This change raises risk; it needs a person who may approve that")
    handler.lock(request.target_id)
    if handler.current(request.target_id) != request.current:
        raise TargetChanged("The target has changed since this was proposed; withdraw it and ask again")
    handler.validate(request.target_id, request.payload)
    handler.apply(request.target_id, request.payload, actor, now, request)


def approval_withdraw(*, request_id: int, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """The requester takes the request back; nobody else can."""
    with transaction.atomic():
        request = _locked_open(request_id, now)
        if request.requester_id != actor.pk:
            raise NotPermitted("Only the person who made a request can withdraw it")
        reason = checked_reason(reason)
        _close(request, ApprovalStatus.WITHDRAWN, now)
        _audit(request, "approval.withdraw", actor, now, reason, after={"status": ApprovalStatus.WITHDRAWN})
    return request


def approval_expire_due(*, now: datetime) -> int:
    """Closes every open request past its expiry; returns how many."""
    with transaction.atomic():
        due = list(
            ApprovalRequest.objects.select_for_update()
            .filter(status=ApprovalStatus.OPEN, expires_at__lte=now)
            .order_by("id")
        )
        for request in due:
            _close(request, ApprovalStatus.EXPIRED, now)
            _audit(request, "approval.expire", None, now, "", after={"status": ApprovalStatus.EXPIRED})
    return len(due)


def checked_reason(reason: str) -> str:
    """A reason without its surrounding space; raises `ReasonTooShort`."""
    reason = reason.strip()
    if len(reason) < MIN_REASON:
        raise ReasonTooShort(f"Give a reason of at least {MIN_REASON} characters")
    return reason


def _may_approve_raise(actor: User, requester: User) -> bool:
    """Those who may approve a raise cannot approve their own; then any other approver stands in for them."""
    return is_holder(actor, APPROVE_RAISE) or is_holder(requester, APPROVE_RAISE)


def _require_reachable(requester: User, *, raises: bool) -> None:
    if not raises or is_holder(requester, APPROVE_RAISE):
        able = holders(APPROVE)
    else:
        able = holders(APPROVE).filter(pk__in=holders(APPROVE_RAISE).values("pk"))
    if not able.exclude(pk=requester.pk).exists():
        raise NoApprover("Nobody else may approve this; a second approver must be appointed first")


def _create_open(**fields: Any) -> ApprovalRequest:
    try:
        with transaction.atomic():
            return ApprovalRequest.objects.create(**fields)
    except IntegrityError:
        raise OpenRequestExists("A request for the same change is already waiting") from None


def _locked_open(request_id: int, now: datetime) -> ApprovalRequest:
    request = ApprovalRequest.objects.select_for_update().filter(pk=request_id).first()
    if request is None:
        raise ApprovalClosed(f"There is no request {request_id}")
    if request.status != ApprovalStatus.OPEN:
        raise ApprovalClosed(f"This request is closed: {request.get_status_display().lower()}")
    if request.expires_at <= now:
        raise ApprovalClosed("This request has expired")
    return request


def _close(request: ApprovalRequest, status: ApprovalStatus, now: datetime) -> None:
    request.status = status
    request.closed_at = now
    request.save(update_fields=["status", "closed_at"])


def _audit(
    request: ApprovalRequest, action: str, actor: User | None, now: datetime, reason: str, *, after: dict[str, Any]
) -> None:
    audit_record(
        actor=actor,
        actor_label=None if actor else "system:approvals",
        action=action,
        obj_type=_LABEL,
        obj_id=request.pk,
        before={"status": ApprovalStatus.OPEN} if action != "approval.request" else None,
        after=after,
        reason=reason,
        now=now,
    )
