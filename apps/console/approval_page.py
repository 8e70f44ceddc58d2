"""What the page of one request shows: built here, so that the template asks nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from apps.core.permissions import is_holder
from apps.governance.choices import ApprovalPath, ApprovalStatus, Permission
from apps.governance.handlers import handler_for
from apps.governance.models import ApprovalEvidence, ApprovalRequest, ApprovalRevision, ApprovalVote
from apps.governance.quorum import ANY
from apps.governance.selectors import (
    COUNTERSIGNERS,
    approval_can_edit,
    approval_can_vote,
    approval_is_on_base,
    approval_rows,
    approval_standing,
)
from apps.governance.standing import Standing, barred_from


@dataclass(frozen=True, slots=True)
class NeedLine:
    """One kind of signature: how many are needed, how many are still missing, and who could give one."""

    role: str
    needed: int
    missing: int
    who: str


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """One wording of a request with the decisions made on it; they are void once there is a later one."""

    row: ApprovalRevision
    votes: list[ApprovalVote]
    is_void: bool


def approval_context(asked: ApprovalRequest, user: User, now: datetime) -> dict[str, Any]:
    is_open = asked.status == ApprovalStatus.OPEN and asked.expires_at > now
    standing = approval_standing(asked) if is_open else None
    revisions = _revisions(asked)
    votes = revisions[0].votes if revisions else list(asked.votes.select_related("voter"))
    can_vote = is_open and approval_can_vote(request=asked, user=user, now=now)
    return {
        "now": now,
        "asked": asked,
        "rows": sorted(approval_rows(asked), key=lambda row: row.old == row.new),
        "evidence": list(ApprovalEvidence.objects.filter(request=asked, revision=asked.revision)),
        "revisions": revisions,
        "votes": votes,
        "standing": standing,
        "needs": _needs(standing) if standing else [],
        "has_voted": any(vote.voter_id == user.pk for vote in votes),
        "can_vote": can_vote,
        "can_sign": bool(can_vote and standing and user.pk in {signer.user_id for signer in standing.able}),
        "can_edit": approval_can_edit(request=asked, user=user, now=now),
        "can_break": is_open and _allows_emergency(asked) and is_holder(user, Permission.BREAK_GLASS.full),
        "is_own": user.pk in barred_from(asked),
        "is_requester": asked.requester_id == user.pk,
        "is_open": is_open,
        "is_moved": is_open and not approval_is_on_base(asked),
        "is_waiting_for_time": bool(is_open and standing and standing.is_complete),
    } | _emergency(asked, votes, user)


def _allows_emergency(asked: ApprovalRequest) -> bool:
    return handler_for(asked.action).allows_emergency


def _emergency(asked: ApprovalRequest, votes: list[ApprovalVote], user: User) -> dict[str, Any]:
    if asked.path != ApprovalPath.BREAK_GLASS:
        return {"signatures_left": 0, "can_countersign": False}
    left = max(0, COUNTERSIGNERS - len({vote.voter_id for vote in votes}))
    may = is_holder(user, Permission.APPROVE_CHANGE.full) and user.pk != asked.requester_id
    return {
        "signatures_left": left,
        "can_countersign": left > 0 and may and user.pk not in {vote.voter_id for vote in votes},
    }


def _needs(standing: Standing) -> list[NeedLine]:
    return [
        NeedLine(
            "anybody who may approve" if need == ANY else need.replace("|", " or "),
            count,
            standing.missing.get(need, 0),
            ", ".join(signer.name for signer in standing.able if signer.fits(need)) or "nobody",
        )
        for need, count in standing.needs.items()
    ]


def _revisions(asked: ApprovalRequest) -> list[RevisionLine]:
    """The newest first."""
    cast: dict[int, list[ApprovalVote]] = defaultdict(list)
    for vote in ApprovalVote.objects.filter(request=asked).select_related("voter").order_by("id"):
        cast[vote.revision].append(vote)
    rows = ApprovalRevision.objects.filter(request=asked).select_related("editor").order_by("-number")
    return [RevisionLine(row, cast[row.number], row.number < asked.revision) for row in rows]
