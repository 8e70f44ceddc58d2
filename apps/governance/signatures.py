"""Whether a stored request and its signatures still say what was signed."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.contrib.auth.models import User

from .choices import Vote
from .digest import digest_of, is_sealed, seal_of, statement_of
from .evidence import evidence_digest, evidence_of
from .exceptions import RequestAltered
from .models import ApprovalRequest, ApprovalRevision, ApprovalVote, AuditEvent

CLOSING = frozenset(
    f"approval.{word}" for word in ("apply", "reject", "withdraw", "expire", "void", "lower", "break_glass")
)


def signature_make(
    request: ApprovalRequest,
    *,
    signer: User,
    roles: frozenset[str],
    vote: Vote,
    reason: str,
    factor: str,
    now: datetime,
) -> ApprovalVote:
    """Stores what this person signs, word for word, with its digest and its seal."""
    made = ApprovalVote(
        request=request,
        revision=request.revision,
        requester_id=request.requester_id,
        last_editor_id=request.editor_id,
        voter=signer,
        roles=" ".join(sorted(roles)),
        vote=vote,
        factor=factor,
        reason=reason,
        voted_at=now,
    )
    made.statement = statement_of(request, made)
    made.digest, made.seal = _sha256(made.statement), seal_of(made.statement)
    made.save()
    return made


def is_genuine(request: ApprovalRequest, vote: ApprovalVote) -> bool:
    """False as soon as anything of the request, or of the signature's own row, is not as it was signed."""
    return (
        vote.requester_id == request.requester_id
        and vote.last_editor_id == request.editor_id
        and vote.statement == statement_of(request, vote)
        and vote.digest == _sha256(vote.statement)
        and is_sealed(vote.statement, vote.seal)
    )


def signatures_of(request: ApprovalRequest) -> list[ApprovalVote]:
    """Those under the present revision; earlier ones are void and stay as history."""
    votes = ApprovalVote.objects.filter(request=request, revision=request.revision, vote=Vote.APPROVE)
    return list(votes.select_related("voter").order_by("id"))


def require_intact(request: ApprovalRequest) -> list[ApprovalVote]:
    """The signatures so far; raises `RequestAltered` when the request, its revision, its evidence or one of them was

    changed by other means than the services.
    """
    votes = signatures_of(request)
    found = ApprovalRevision.objects.filter(request=request, number=request.revision).first()
    is_intact = (
        digest_of(request) == request.digest
        and found is not None
        and found.digest == request.digest
        and found.editor_id == request.editor_id
        and evidence_digest(evidence_of(request)) == request.evidence_digest
        and all(is_genuine(request, vote) for vote in votes)
    )
    if not is_intact:
        raise RequestAltered(f"Request {request.pk} was altered behind our back: it is void, ask again")
    return votes


def require_on_record(request: ApprovalRequest) -> None:
    """Raises `RequestAltered` unless the record says that this request was made and last edited by those it names, in

    this wording, and was never closed: a row written or opened again by other means can look right in itself.
    """
    events = AuditEvent.objects.filter(object_type=ApprovalRequest._meta.label, object_id=str(request.pk))
    told = list(events.order_by("id").values_list("action", "actor_id", "after"))
    made = [actor for action, actor, _ in told if action == "approval.request"]
    worded = [(actor, after) for action, actor, after in told if action in ("approval.request", "approval.edit")]
    is_right = (
        made == [request.requester_id]
        and worded[-1][0] == request.editor_id
        and (worded[-1][1] or {}).get("digest") == request.digest
        and not any(action in CLOSING for action, _, _ in told)
    )
    if not is_right:
        raise RequestAltered(f"Request {request.pk} is not on record as it stands: it is void, ask again")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
