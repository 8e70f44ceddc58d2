"""Editing an open request: a new revision on the target as it is now, and every signature void."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.governance.evidence import EvidenceLink, evidence_of
from apps.governance.exceptions import RequestAltered
from apps.governance.handlers import handler_for
from apps.governance.models import ApprovalRequest
from apps.governance.signatures import require_intact, require_on_record

from .approvals import approval_void, locked_open, require_revision
from .drafts import EXPIRES_IN, checked_reason, request_audit, require_reachable, revision_store, word


def approval_edit(
    *,
    request_id: int,
    revision: int,
    values: Mapping[str, str],
    reason: str,
    actor: User,
    now: datetime,
    evidence: Sequence[EvidenceLink] | None = None,
    apply_after: datetime | None = None,
) -> ApprovalRequest:
    """Words an open request anew, for anybody who could have made it. Signatures under earlier revisions stay as void.

    `values` are by the names of the handler's `fields`; without `evidence` it stays what it was. Raises `NotPermitted`,
    `ReasonTooShort`, `ApprovalClosed`, `RevisionMoved` when somebody else edited it meanwhile, `NoApprover`, `Refused`
    when nothing would change, and the handler's own; `RequestAltered` makes the request void.
    """
    reason = checked_reason(reason)
    try:
        with transaction.atomic():
            request = locked_open(request_id, now)
            handler = handler_for(request.action)
            require(actor, handler.propose_permission)
            require_revision(request, revision)
            require_on_record(request)
            void = len(require_intact(request))
            before = (request.payload, request.current, request.evidence_digest, request.apply_after)
            payload = handler.edited(request.target_id, request.payload, values)
            links = evidence_of(request) if evidence is None else evidence
            request.revision, request.editor = request.revision + 1, actor
            stored = word(
                request, payload=payload, evidence=links, apply_after=apply_after, expires_in=EXPIRES_IN, now=now
            )
            if before == (request.payload, request.current, request.evidence_digest, request.apply_after):
                raise Refused("Nothing would change", code="no_change")
            require_reachable(request)
            request.save()
            revision_store(request, stored, reason=reason, now=now)
            after = {
                "revision": request.revision,
                "payload": payload,
                "digest": request.digest,
                "signatures_void": void,
            }
            request_audit(request, "approval.edit", actor, now, reason, after=after)
    except RequestAltered as error:
        approval_void(request_id=request_id, why=error.message, now=now)
        raise
    return request


def approval_rebase(*, request_id: int, revision: int, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """The same change against the target as it is now; an edit like any other."""
    return approval_edit(request_id=request_id, revision=revision, values={}, reason=reason, actor=actor, now=now)
