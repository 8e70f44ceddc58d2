"""Four eyes: one person asks, others sign, and the last signature and the change are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted
from apps.core.permissions import require
from apps.core.stepup import FreshFactor, require_fresh
from apps.governance.choices import ApprovalPath, ApprovalStatus, Direction, Permission, Severity, Vote
from apps.governance.evidence import EvidenceLink
from apps.governance.exceptions import (
    AlreadySigned,
    ApprovalClosed,
    ApproverIsEditor,
    ApproverIsRequester,
    RequestAltered,
    RevisionMoved,
)
from apps.governance.handlers import handler_for
from apps.governance.models import ApprovalRequest, ApprovalVote
from apps.governance.signatures import require_intact, require_on_record, signature_make
from apps.governance.standing import Standing, barred_from, signers, standing_of

from .at_once import change_lower_now
from .drafts import (
    EXPIRES_IN,
    checked_reason,
    close,
    request_audit,
    request_new,
    require_current,
    require_reachable,
    revision_store,
    store_open,
    word,
)
from .records import system_event_record
from .terms import terms_require

APPROVE = Permission.APPROVE_CHANGE.full


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
    evidence: Sequence[EvidenceLink] = (),
    apply_after: datetime | None = None,
) -> ApprovalRequest:
    """Stores what would be applied, what it would replace and why; changes nothing else, unless it only lowers risk:

    such a change is applied at once (`change_lower_now`), since lowering takes one person. Raises `UnknownAction`,
    `NotPermitted`, `ReasonTooShort`, the handler's own `Refused`, `NoApprover` when the people there are could not sign
    it, and `OpenRequestExists` while the same change of the same target waits.
    """
    require(actor, handler_for(action).propose_permission)
    request = request_new(
        action=action,
        target_type=target_type,
        target_id=target_id,
        reason=reason,
        actor=actor,
        now=now,
        path=ApprovalPath.SIGNED,
    )
    with transaction.atomic():
        links = word(
            request, payload=payload, evidence=evidence, apply_after=apply_after, expires_in=expires_in, now=now
        )
        if request.risk == Direction.LOWERS and apply_after is None:
            return change_lower_now(request, links, now)
        require_reachable(request)
        store_open(request)
        revision_store(request, links, reason=request.reason, now=now)
        after = {"change": action, "payload": payload, "digest": request.digest}
        request_audit(request, "approval.request", actor, now, request.reason, after=after)
    return request


def approval_vote(
    *, request_id: int, revision: int, vote: str, reason: str, actor: User, factor: FreshFactor | None, now: datetime
) -> ApprovalRequest:
    """Records one person's decision on the revision that they saw. The signature that completes the needed ones applies

    the change in the same transaction, unless it is set to a later time; one rejection closes the request. Raises
    `NotPermitted`, `TermsNotAcknowledged`, `StepUpNeeded`, `ReasonTooShort`, `ApproverIsRequester`, `AlreadySigned`,
    `ApproverIsEditor`, `ApprovalClosed`, `RevisionMoved`, `TargetChanged`, or the handler's own error; then nothing has
    changed and no signature is stored. `RequestAltered` makes the request void.
    """
    decided, reason = Vote(vote), checked_reason(reason)
    require(actor, APPROVE)
    terms_require(actor, now=now)
    shown = require_fresh(factor, actor=actor, now=now)
    try:
        with transaction.atomic():
            request = locked_open(request_id, now)
            require_revision(request, revision)
            _require_other_person(request, actor)
            require_on_record(request)
            votes = require_intact(request)
            if decided is Vote.REJECT:
                return _reject(request, reason, actor, shown.method, now)
            return _sign(request, votes, reason, actor, shown.method, now)
    except RequestAltered as error:
        approval_void(request_id=request_id, why=error.message, now=now)
        raise


def _sign(
    request: ApprovalRequest, votes: list[ApprovalVote], reason: str, actor: User, method: str, now: datetime
) -> ApprovalRequest:
    if any(vote.voter_id == actor.pk for vote in votes):
        raise AlreadySigned("You have signed this already")
    require_current(request)
    if actor.pk not in {signer.user_id for signer in standing_of(request, votes).able}:
        raise NotPermitted("Your role does not sign this change; see who is still needed")
    mine = signature_make(
        request, signer=actor, roles=_roles(actor), vote=Vote.APPROVE, reason=reason, factor=method, now=now
    )
    found = standing_of(request, [*votes, mine])
    after = {"digest": request.digest, "signature": mine.digest, "missing": found.missing}
    request_audit(request, "approval.approve", actor, now, reason, after=after)
    if found.is_complete and (request.apply_after is None or request.apply_after <= now):
        apply_signed(request, actor, found, now)
    return request


def apply_signed(request: ApprovalRequest, actor: User | None, found: Standing, now: datetime) -> None:
    """The one place where a signed change takes effect. The caller holds the row and has found it intact."""
    if not found.is_complete:
        raise NotPermitted("Signatures are missing")
    handler = require_current(request)
    last = actor or User.objects.get(pk=found.signed[-1].user_id)
    handler.apply(request.target_id, request.payload, last, now, request)
    close(request, ApprovalStatus.APPLIED, now)
    after = {"status": ApprovalStatus.APPLIED, "digest": request.digest, "signed": [s.name for s in found.signed]}
    request_audit(request, "approval.apply", actor, now, request.reason, after=after)


def _reject(request: ApprovalRequest, reason: str, actor: User, method: str, now: datetime) -> ApprovalRequest:
    if ApprovalVote.objects.filter(request=request, revision=request.revision, voter=actor).exists():
        raise AlreadySigned("You have signed this already")
    signature_make(request, signer=actor, roles=_roles(actor), vote=Vote.REJECT, reason=reason, factor=method, now=now)
    close(request, ApprovalStatus.REJECTED, now)
    after = {"status": ApprovalStatus.REJECTED, "digest": request.digest}
    request_audit(request, "approval.reject", actor, now, reason, after=after)
    return request


def approval_withdraw(*, request_id: int, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """The requester takes the request back; nobody else can. `RequestAltered` makes the request void."""
    try:
        with transaction.atomic():
            request = locked_open(request_id, now)
            if request.requester_id != actor.pk:
                raise NotPermitted("Only the person who made a request can withdraw it")
            reason = checked_reason(reason)
            require_on_record(request)
            close(request, ApprovalStatus.WITHDRAWN, now)
            request_audit(request, "approval.withdraw", actor, now, reason, after={"status": request.status})
    except RequestAltered as error:
        approval_void(request_id=request_id, why=error.message, now=now)
        raise
    return request


def approval_void(*, request_id: int, why: str, now: datetime) -> None:
    """Closes a request that was altered by other means than these services, and says so."""
    with transaction.atomic():
        request = ApprovalRequest.objects.select_for_update().filter(pk=request_id).first()
        if request is not None and request.status == ApprovalStatus.OPEN:
            close(request, ApprovalStatus.VOID, now)
            request_audit(request, "approval.void", None, now, why, after={"status": ApprovalStatus.VOID})
        system_event_record(
            code="APPROVAL_ALTERED",
            severity=Severity.CRITICAL,
            source="governance",
            message=why,
            details={"request_id": request_id},
            now=now,
        )


def locked_open(request_id: int, now: datetime) -> ApprovalRequest:
    """The request with its row held; raises `ApprovalClosed`."""
    request = ApprovalRequest.objects.select_for_update().filter(pk=request_id).first()
    if request is None:
        raise ApprovalClosed(f"There is no request {request_id}")
    if request.status != ApprovalStatus.OPEN:
        raise ApprovalClosed(f"This request is closed: {request.get_status_display().lower()}")
    if request.expires_at <= now:
        raise ApprovalClosed("This request has expired")
    return request


def require_revision(request: ApprovalRequest, revision: int) -> None:
    """Raises `RevisionMoved` unless the person saw the present revision."""
    if request.revision != revision:
        raise RevisionMoved("The request was edited since you looked at it; read it again first")


def _require_other_person(request: ApprovalRequest, actor: User) -> None:
    if request.requester_id == actor.pk:
        raise ApproverIsRequester("Another person must decide on your request")
    if actor.pk in barred_from(request):
        raise ApproverIsEditor("You were the last to edit this request; another person must decide on it")


def _roles(actor: User) -> frozenset[str]:
    return signers(raising=False)[actor.pk].roles
