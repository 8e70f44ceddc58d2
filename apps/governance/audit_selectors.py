"""Reads of the audit chain: its rows as the chain sees them, its signed heads, and its state for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from .audit.anchors import Anchor, key_load, public_hex
from .audit.chain import GENESIS, Entry, utc_text
from .audit.errors import AuditKeyUnusable
from .audit.verification import Unreadable
from .choices import AuditScope
from .models import AuditAnchor, AuditEvent, AuditHead, AuditPlace, AuditVerification

CHUNK = 5_000
KEY_PLACE = "signing key"
"""What the signing key's own state is kept under, beside those of the places."""
_COLUMNS = (
    "sequence",
    "previous_hash",
    "hash",
    "at_text",
    "actor_id",
    "actor_label",
    "action",
    "object_type",
    "object_id",
    "before_text",
    "after_text",
    "reason",
    "request_id",
    "release",
)


@dataclass(frozen=True, slots=True)
class Place:
    """One place of anchors as the settings name it, with what is known of it."""

    path: str
    state: AuditPlace | None


@dataclass(frozen=True, slots=True)
class ChainState:
    """`height` rows, the last of which has `hash`; `open_rows` are younger than the newest signed head."""

    height: int
    hash: str
    anchor: AuditAnchor | None
    places: tuple[Place, ...]
    last: AuditVerification | None
    last_full: AuditVerification | None
    key_error: str

    @property
    def open_rows(self) -> int:
        return self.height - (self.anchor.sequence if self.anchor else 0)


def chain_head() -> tuple[int, str]:
    head = AuditHead.objects.first()
    return (0, GENESIS) if head is None else (head.sequence, head.hash)


def rows_beyond_head() -> int:
    """The highest row behind the chain's end; 0 when there is none, as there should be.

    The rows are asked first: whoever appends moves the head in the same transaction.
    """
    highest = AuditEvent.objects.order_by("-sequence").values_list("sequence", flat=True).first() or 0
    return highest if highest > chain_head()[0] else 0


def chain_entries(*, after: int = 0, through: int | None = None) -> Iterator[Entry | Unreadable]:
    """Rows behind number `after` in the chain's order. Text is read as stored, so that a row somebody spoiled is
    reported instead of stopping the walk."""
    rows = AuditEvent.objects.filter(sequence__gt=after)
    if through is not None:
        rows = rows.filter(sequence__lte=through)
    texts = {
        "at_text": Cast("created_at", TextField()),
        "before_text": Cast("before", TextField()),
        "after_text": Cast("after", TextField()),
    }
    found = rows.order_by("sequence", "id").annotate(**texts).values_list(*_COLUMNS)
    for row in found.iterator(chunk_size=CHUNK):
        yield _entry(row)


def _entry(row: Sequence[Any]) -> Entry | Unreadable:
    sequence, previous, stored, at, actor_id, actor, action, kind, key, before, after, *texts = row
    if not isinstance(sequence, int):
        return Unreadable(None, "its number is no number")
    try:
        moment = datetime.fromisoformat(at)
        old, new = (None if text is None else json.loads(text) for text in (before, after))
    except (TypeError, ValueError) as error:
        return Unreadable(sequence, str(error))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Entry(sequence, previous, stored, moment, actor_id, actor, action, kind, key, old, new, *texts)


def sequence_before(at: datetime) -> int:
    """The newest row older than `at`; 0 when there is none."""
    older = AuditEvent.objects.filter(created_at__lt=at).order_by("-sequence")
    return older.values_list("sequence", flat=True).first() or 0


def hash_at(sequence: int) -> str | None:
    """The stored hash of one row; `GENESIS` before the first, `None` when there is no such row."""
    if sequence == 0:
        return GENESIS
    return AuditEvent.objects.filter(sequence=sequence).values_list("hash", flat=True).first()


def anchor_list(*, after: int = 0) -> list[Anchor]:
    """The signed heads in the database, the oldest first."""
    rows = AuditAnchor.objects.filter(sequence__gt=after).order_by("sequence")
    return [anchor_of(row) for row in rows.iterator(chunk_size=CHUNK)]


def anchor_of(row: AuditAnchor) -> Anchor:
    return Anchor(row.sequence, row.hash, utc_text(row.created_at), row.public_key, row.signature)


def anchor_places() -> tuple[Path, ...]:
    return tuple(Path(path) for path in settings.AUDIT_ANCHOR_PLACES)


def trusted_keys() -> frozenset[str]:
    """Public keys (hex) whose signature counts: that of the key in use and those the settings name."""
    keys = set(settings.AUDIT_FORMER_KEYS)
    with suppress(OSError, AuditKeyUnusable):
        keys.add(public_hex(key_load(Path(settings.AUDIT_KEY_FILE))))
    return frozenset(keys)


def chain_state() -> ChainState:
    height, stored = chain_head()
    states = {place.path: place for place in AuditPlace.objects.all()}
    runs = AuditVerification.objects.select_related("actor")
    return ChainState(
        height=height,
        hash=stored,
        anchor=AuditAnchor.objects.first(),
        places=tuple(Place(path, states.get(path)) for path in settings.AUDIT_ANCHOR_PLACES),
        last=runs.first(),
        last_full=runs.filter(scope=AuditScope.FULL).first(),
        key_error=states[KEY_PLACE].error if KEY_PLACE in states else "",
    )


def audit_list(
    *,
    actor: str = "",
    action: str = "",
    obj_type: str = "",
    obj_id: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
    before: int | None = None,
) -> QuerySet[AuditEvent]:
    """Rows newest first, narrowed; `start` included, `end` not; `before` is a row's number."""
    wanted: dict[str, Any] = {
        "actor_label": actor,
        "action__startswith": action,
        "object_type": obj_type,
        "object_id": obj_id,
        "created_at__gte": start,
        "created_at__lt": end,
        "sequence__lt": before,
    }
    return AuditEvent.objects.filter(**{name: value for name, value in wanted.items() if value}).order_by("-sequence")
