"""The digest that ties a vote to exactly what would be applied."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from apps.core.exceptions import Refused

from .models import ApprovalRequest


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


def request_digest(
    *,
    action: str,
    target_type: str,
    target_id: str,
    payload: dict[str, Any],
    current: dict[str, Any],
    requester_id: int,
    expires_at: datetime,
) -> str:
    """SHA-256 in hex over the canonical JSON of all seven."""
    body = {
        "action": action,
        "target_type": target_type,
        "target_id": target_id,
        "payload": payload,
        "current": current,
        "requester": requester_id,
        "expires": expires_at.astimezone(UTC).isoformat(),
    }
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def digest_of(request: ApprovalRequest) -> str:
    """What the digest of the stored request should be."""
    return request_digest(
        action=request.action,
        target_type=request.target_type,
        target_id=request.target_id,
        payload=request.payload,
        current=request.current,
        requester_id=request.requester_id,
        expires_at=request.expires_at,
    )
