"""The digests that tie a signature to exactly what would be applied."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from apps.core.exceptions import Refused

if TYPE_CHECKING:
    from .models import ApprovalRequest, ApprovalVote

JsonDict = dict[str, Any]
_SALT = "governance.signature"


def canonical_json(value: Any) -> str:
    """Sorted keys, no spaces. Raises `Refused` for floats: their text may differ after a trip through a database."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise Refused("numbers in an approval are decimal strings or integers", code="float_in_payload")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise Refused("names in an approval are strings", code="bad_payload")
            _refuse_floats(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_floats(item)
    elif not (value is None or isinstance(value, str | int)):
        raise Refused(f"{type(value).__name__} cannot be part of an approval", code="bad_payload")


def sha256_of(value: Any) -> str:
    """SHA-256 in hex over the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def text_of(at: datetime | None) -> str | None:
    """A time in UTC with microseconds, the same before and after a trip through a database."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")


def content_of(request: ApprovalRequest) -> JsonDict:
    """Everything of a request that decides what would be applied, by whom it was asked and until when it may be."""
    return {
        "action": request.action,
        "target_type": request.target_type,
        "target_id": request.target_id,
        "payload": request.payload,
        "current": request.current,
        "rows": request.rows,
        "risk": request.risk,
        "params_hash": request.params_hash,
        "base_version": request.base_version,
        "environment": request.environment,
        "evidence": request.evidence_digest,
        "path": request.path,
        "revision": request.revision,
        "requester": request.requester_id,
        "editor": request.editor_id,
        "expires": text_of(request.expires_at),
        "apply_after": text_of(request.apply_after),
    }


def digest_of(request: ApprovalRequest) -> str:
    """What the digest of the stored request should be."""
    return sha256_of(content_of(request))


def statement_of(request: ApprovalRequest, vote: ApprovalVote) -> str:
    """What one signature says, as canonical JSON: the whole content of the request, and who signed when and why."""
    return canonical_json(
        {
            "request": request.pk,
            "content": content_of(request),
            "base": sha256_of(request.current),
            "signer": vote.voter_id,
            "roles": vote.roles,
            "vote": str(vote.vote),
            "reason": vote.reason,
            "at": text_of(vote.voted_at),
        }
    )


def seal_of(statement: str) -> str:
    """Keyed, so that a signature cannot be made by somebody who can write rows but does not hold the key."""
    return salted_hmac(_SALT, statement, algorithm="sha256").hexdigest()


def is_sealed(statement: str, seal: str) -> bool:
    """Under today's key or one that was retired but is still told."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    made = (salted_hmac(_SALT, statement, secret=key, algorithm="sha256").hexdigest() for key in keys)
    return any(constant_time_compare(one, seal) for one in made)
