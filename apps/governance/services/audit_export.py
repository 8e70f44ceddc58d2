"""Hands the record out: complete, with what is needed to verify it elsewhere, and on record itself."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Conflict
from apps.core.permissions import require
from apps.core.stepup import FreshFactor, require_fresh
from apps.governance.audit.bundle import bundle_write
from apps.governance.audit.chain import Entry, utc_text
from apps.governance.audit.verification import Unreadable
from apps.governance.audit_selectors import anchor_list, chain_entries, chain_head, trusted_keys
from apps.governance.choices import AccessPermission

from .audit_anchors import audit_anchor
from .drafts import checked_reason
from .records import audit_record

EXPORTER = "system:audit-export"


class RowUnreadable(Conflict):
    """A row is no longer one; verification says which and how, and there is nothing to export before that."""

    code = "audit_row_unreadable"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The zip, ready to be read from its beginning; whoever takes it closes it."""

    name: str
    file: IO[bytes]
    sha256: str
    rows: int
    last: int


def audit_export(
    *, actor: User | None, factor: FreshFactor | None, now: datetime, reason: str = "", since: int = 1
) -> Bundle:
    """The record from row `since` on. The chain's end is signed first, so that the bundle is covered to its last row.

    `actor` None is the command line. Raises `NotPermitted` without the right, `StepUpNeeded` without a fresh second
    factor, `ReasonTooShort`, and `RowUnreadable`.
    """
    if actor is not None:
        require(actor, AccessPermission.EXPORT_AUDIT.full)
        require_fresh(factor, actor=actor, now=now)
        reason = checked_reason(reason)
    audit_anchor(now=now, even_if_young=True)
    height, _ = chain_head()
    label = EXPORTER if actor is None else actor.get_username()
    with ExitStack() as unless_handed_out:
        file = unless_handed_out.enter_context(tempfile.TemporaryFile(dir=settings.RUN_DIR))
        manifest = bundle_write(
            file,
            entries=_readable(since, height),
            anchors=anchor_list(after=since - 1),
            keys=trusted_keys(),
            first=since,
            about={"by": label, "release": settings.RELEASE},
            at=now,
        )
        bundle = Bundle(f"audit-{now:%Y%m%dT%H%M%SZ}.zip", file, _sha256(file), manifest["rows"], manifest["last"])
        _on_record(bundle, manifest, actor, label, reason, now)
        unless_handed_out.pop_all()
    return bundle


def _on_record(
    bundle: Bundle, manifest: dict[str, Any], actor: User | None, label: str, reason: str, now: datetime
) -> None:
    with transaction.atomic():
        audit_record(
            actor=actor,
            actor_label=label,
            action="audit.export",
            obj_type="governance.AuditEvent",
            obj_id=f"{manifest['first']}-{manifest['last']}",
            after={"rows": bundle.rows, "head": manifest["head"], "sha256": bundle.sha256, "at": utc_text(now)},
            reason=reason,
            now=now,
        )


def _readable(since: int, height: int) -> Iterator[Entry]:
    for entry in chain_entries(after=since - 1, through=height):
        if isinstance(entry, Unreadable):
            raise RowUnreadable(f"Row {entry.sequence} cannot be read: {entry.detail}")
        yield entry


def _sha256(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
