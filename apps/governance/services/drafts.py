"""The wording of a request: what it would change, against what, with which evidence. Shared by all ways to make one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import Refused
from apps.core.wording import checked_words
from apps.governance.choices import ApprovalStatus
from apps.governance.digest import content_of, digest_of
from apps.governance.evidence import EvidenceLink, checked_evidence, evidence_digest
from apps.governance.exceptions import NoApprover, OpenRequestExists, ReasonTooShort, TargetChanged
from apps.governance.handlers import ApprovalHandler, handler_for, risk_of
from apps.governance.models import ApprovalEvidence, ApprovalRequest, ApprovalRevision
from apps.governance.standing import standing_of

from .records import audit_record

MIN_REASON = 10
EXPIRES_IN = timedelta(hours=24)
LONGEST_WAIT = timedelta(days=7)
LABEL = ApprovalRequest._meta.label


def checked_reason(reason: str) -> str:
    """A reason without its surrounding space; raises `ReasonTooShort`, and `BannedWord` for a word we do not use."""
    reason = reason.strip()
    if len(reason) < MIN_REASON:
        raise ReasonTooShort(f"Give a reason of at least {MIN_REASON} characters")
    return checked_words(reason)


def request_new(
    *, action: str, target_type: str, target_id: object, reason: str, actor: User, now: datetime, path: str
) -> ApprovalRequest:
    """Not stored yet and without wording. Raises `UnknownAction`, `ReasonTooShort`, `ValueError` for a wrong type."""
    handler = handler_for(action)
    if target_type != handler.target_type:
        raise ValueError(f"{action} changes {handler.target_type}, not {target_type}")
    return ApprovalRequest(
        action=action,
        target_type=target_type,
        target_id=str(target_id),
        reason=checked_reason(reason),
        requester=actor,
        editor=actor,
        requested_at=now,
        path=path,
    )


def word(
    request: ApprovalRequest,
    *,
    payload: dict[str, Any],
    evidence: Sequence[EvidenceLink],
    apply_after: datetime | None,
    expires_in: timedelta,
    now: datetime,
) -> list[EvidenceLink]:
    """Puts the wording into the request against the target as it is now, which stays locked; stores nothing.

    Returns the evidence as it is to be stored. Raises the handler's own `Refused`, and `Refused` for a time to apply
    that is past or further away than a week.
    """
    handler = handler_for(request.action)
    handler.lock(request.target_id)
    handler.validate(request.target_id, payload)
    links = checked_evidence(evidence)
    request.payload, request.current = payload, handler.current(request.target_id)
    rows = handler.describe(request.target_id, payload, request.current)
    request.rows, request.risk = _plain(rows), risk_of(rows)
    request.params_hash = handler.params_hash(request.target_id, payload)
    request.base_version = handler.base_version(request.current)
    request.environment = handler.environment(request.target_id)
    request.evidence_digest = evidence_digest(links)
    request.apply_after = _checked_time(apply_after, now)
    request.expires_at = (request.apply_after or now) + expires_in
    request.digest = digest_of(request)
    return links


def revision_store(request: ApprovalRequest, links: Sequence[EvidenceLink], *, reason: str, now: datetime) -> None:
    """Keeps this wording for good, beside those before it."""
    ApprovalRevision.objects.create(
        request=request,
        number=request.revision,
        content=content_of(request),
        digest=request.digest,
        reason=reason,
        editor=request.editor,
        edited_at=now,
    )
    for link in links:
        ApprovalEvidence.objects.create(request=request, revision=request.revision, **link._asdict())


def require_current(request: ApprovalRequest) -> ApprovalHandler:
    """Locks the target; raises `TargetChanged` unless it, and what the change would mean, are as they were worded."""
    handler = handler_for(request.action)
    handler.lock(request.target_id)
    current = handler.current(request.target_id)
    if current != request.current:
        raise TargetChanged(
            "The target has changed since this was proposed; edit the request to put it on the new base"
        )
    if (
        _plain(handler.describe(request.target_id, request.payload, current)) != request.rows
        or handler.params_hash(request.target_id, request.payload) != request.params_hash
        or handler.environment(request.target_id) != request.environment
    ):
        raise TargetChanged("This change no longer means what was proposed; edit the request to word it anew")
    handler.validate(request.target_id, request.payload)
    return handler


def require_reachable(request: ApprovalRequest) -> None:
    """Raises `NoApprover` when the people there are could not sign it."""
    if not standing_of(request, ()).is_reachable:
        raise NoApprover("Too few other people may approve this; another approver must be appointed first")


def store_open(request: ApprovalRequest) -> None:
    """Raises `OpenRequestExists`."""
    try:
        with transaction.atomic():
            request.save()
    except IntegrityError:
        raise OpenRequestExists("A request for the same change is already waiting") from None


def close(request: ApprovalRequest, status: ApprovalStatus, now: datetime) -> None:
    request.status, request.closed_at = status, now
    request.save(update_fields=["status", "closed_at"])


def request_audit(
    request: ApprovalRequest, action: str, actor: User | None, now: datetime, reason: str, *, after: dict[str, Any]
) -> None:
    is_new = action in ("approval.request", "approval.lower", "approval.break_glass")
    audit_record(
        actor=actor,
        actor_label=None if actor else "system:approvals",
        action=action,
        obj_type=LABEL,
        obj_id=request.pk,
        before=None if is_new else {"status": ApprovalStatus.OPEN},
        after=after,
        reason=reason,
        now=now,
    )


def _plain(rows: Sequence[Any]) -> list[dict[str, str]]:
    return [{name: str(value) for name, value in row._asdict().items()} for row in rows]


def _checked_time(apply_after: datetime | None, now: datetime) -> datetime | None:
    if apply_after is not None and not now < apply_after <= now + LONGEST_WAIT:
        words = f"A change can be set to a time within the next {LONGEST_WAIT.days} days"
        raise Refused(words, code="bad_time", extra={"field": "apply_after"})
    return apply_after
