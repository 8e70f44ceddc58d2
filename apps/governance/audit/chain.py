"""The hash chain of the audit record: what is hashed, and in which form.

Each row's hash is SHA-256 over canonical JSON (keys sorted, no spaces, ASCII) of the hash before it and everything the
row says. The form never changes: whoever holds an export of any age must be able to verify it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

GENESIS = "0" * 64
"""What stands for the hash before the first row."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class Entry(NamedTuple):
    """One row as the chain sees it. `sequence` counts from 1; `previous` and `hash` are 64 hex digits."""

    sequence: int
    previous: str
    hash: str
    at: datetime
    actor_id: int | None
    actor: str
    action: str
    object_type: str
    object_id: str
    before: Any
    after: Any
    reason: str
    request_id: str
    release: str


def canonical(value: Any) -> str:
    """Sorted keys, no spaces, ASCII. Raises `TypeError` for what JSON cannot hold."""
    return _encode(value)


def value_hash(value: Any) -> str:
    """SHA-256 in hex of a `before` or `after`; empty when there is none."""
    return "" if value is None else hashlib.sha256(_encode(value).encode()).hexdigest()


def utc_text(at: datetime) -> str:
    """UTC with microseconds. Raises `ValueError` for a time without a zone, which could mean any moment."""
    if at.tzinfo is None:
        raise ValueError("an audit entry needs an aware time")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def entry_hash(entry: Entry, *, sequence: int | None = None, previous: str | None = None) -> str:
    """What the entry's hash must be, or would be with another number or predecessor.

    The text is `canonical` of the same fields, put together by hand because every verification does it for every row.
    """
    actor_id = "null" if entry.actor_id is None else entry.actor_id
    text = (
        f'{{"action":{quoted(entry.action)},"actor":{quoted(entry.actor)},"actor_id":{actor_id},'
        f'"after":"{value_hash(entry.after)}","at":"{utc_text(entry.at)}","before":"{value_hash(entry.before)}",'
        f'"object_id":{quoted(entry.object_id)},"object_type":{quoted(entry.object_type)},'
        f'"previous":{quoted(entry.previous if previous is None else previous)},'
        f'"reason":{quoted(entry.reason)},"release":{quoted(entry.release)},'
        f'"request_id":{quoted(entry.request_id)},'
        f'"sequence":{entry.sequence if sequence is None else sequence}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def linked(entry: Entry, *, previous: str) -> Entry:
    """The entry with its place in the chain: behind the row whose hash is `previous`."""
    placed = entry._replace(previous=previous)
    return placed._replace(hash=entry_hash(placed))


def entry_line(entry: Entry) -> str:
    """The entry as one line of an export: canonical JSON of every field."""
    return canonical({**entry._asdict(), "at": utc_text(entry.at)})
