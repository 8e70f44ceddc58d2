"""Changes that take effect before others have looked at them: those that only lower risk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.governance.choices import ApprovalPath, ApprovalStatus
from apps.governance.digest import digest_of
from apps.governance.evidence import EvidenceLink
from apps.governance.handlers import handler_for
from apps.governance.models import ApprovalRequest

from .drafts import request_audit, revision_store
from .reviews import review_open


def change_lower_now(request: ApprovalRequest, links: Sequence[EvidenceLink], now: datetime) -> ApprovalRequest:
    """One person is enough to lower risk; another looks at it within a day. The caller holds the target's lock."""
    request.path = ApprovalPath.LOWERED
    apply_at_once(request, links, now)
    after = {"change": request.action, "payload": request.payload, "digest": request.digest}
    request_audit(request, "approval.lower", request.requester, now, request.reason, after=after)
    review_open(
        kind="lowered",
        what="; ".join(f"{r['label']} {r['old']} to {r['new']}" for r in request.rows if r["old"] != r["new"]),
        obj_type=request.target_type,
        obj_id=request.target_id,
        actor=request.requester,
        now=now,
        request=request,
    )
    return request


def apply_at_once(request: ApprovalRequest, links: Sequence[EvidenceLink], now: datetime) -> None:
    """Stores the worded request as applied and makes the change, in the caller's transaction."""
    request.status, request.closed_at = ApprovalStatus.APPLIED, now
    request.digest = digest_of(request)
    request.save()
    revision_store(request, links, reason=request.reason, now=now)
    handler_for(request.action).apply(request.target_id, request.payload, request.requester, now, request)
