"""What every change of a redesign proposal has in common: lock, revision, record, and the voided request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from apps.core.exceptions import Conflict, Refused
from apps.core.permissions import require
from apps.governance.choices import ApprovalStatus, ProposalPermission, ProposalStatus
from apps.governance.models import ApprovalRequest, RedesignProposal

from .drafts import close, request_audit
from .records import audit_record

LABEL = RedesignProposal._meta.label
CHOOSE_DIRECTION = "governance.direction.choose"
OPEN_GROUND = (ProposalStatus.DRAFT, ProposalStatus.EVIDENCE, ProposalStatus.DECISION)


class ProposalLocked(Refused):
    """The proposal is past the point where this may be done."""

    code = "proposal_locked"


class ProposalMoved(Conflict):
    """Somebody changed the proposal after this page was read."""

    code = "proposal_moved"


def writer(actor: User) -> User:
    return require(actor, ProposalPermission.WRITE.full)


def proposal_lock(proposal_id: int) -> RedesignProposal:
    """Locks the proposal until the transaction ends, after its open request: a signature locks in the same order."""
    list(open_requests(proposal_id).select_for_update())
    found = RedesignProposal.objects.select_for_update().filter(pk=proposal_id).first()
    if found is None:
        raise Refused(f"There is no proposal {proposal_id}", code="no_target")
    return found


def open_requests(proposal_id: int) -> Any:
    return ApprovalRequest.objects.filter(
        action=CHOOSE_DIRECTION, target_type=LABEL, target_id=str(proposal_id), status=ApprovalStatus.OPEN
    )


def require_status(proposal: RedesignProposal, allowed: Iterable[str], what: str) -> None:
    if proposal.status not in allowed:
        raise ProposalLocked(f"{what} is not possible while the proposal is: {proposal.get_status_display().lower()}")


def require_revision(proposal: RedesignProposal, revision: int) -> None:
    if proposal.revision != revision:
        raise ProposalMoved("Somebody has changed this proposal meanwhile; look at it again", extra={"field": None})


def ground_moved(
    proposal: RedesignProposal, *, actor: User | None, editor: User | None, why: str, now: datetime
) -> None:
    """Counts a change of what a decision would rest on; an open request for one is void.

    `editor` is the person who changed words or options, and who therefore may not decide; None for new evidence.
    """
    proposal.revision += 1
    proposal.updated_at = now
    proposal.last_editor = editor or proposal.last_editor
    if proposal.status == ProposalStatus.DECISION:
        proposal.status = ProposalStatus.EVIDENCE
        void_open(proposal, actor=actor, why=why, now=now)
    proposal.save(update_fields=["revision", "updated_at", "last_editor", "status"])


def proposal_audit(
    proposal: RedesignProposal,
    action: str,
    *,
    actor: User | None,
    now: datetime,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    actor_label: str | None = None,
) -> None:
    audit_record(
        actor=actor,
        actor_label=actor_label,
        action=action,
        obj_type=LABEL,
        obj_id=proposal.pk,
        before=before,
        after=after,
        reason=reason,
        now=now,
    )


def void_open(proposal: RedesignProposal, *, actor: User | None, why: str, now: datetime) -> None:
    """Closes what waits for a signature on words that no longer stand."""
    for request in open_requests(proposal.pk).select_for_update():
        close(request, ApprovalStatus.WITHDRAWN, now)
        request_audit(request, "approval.void", actor, now, why, after={"status": request.status})
