"""The one way a row gets onto the chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.governance.audit.chain import GENESIS, Entry, linked
from apps.governance.audit.errors import AuditBlocked
from apps.governance.models import AuditEvent, AuditHead

HEAD_KEY = 1


def audit_append(
    *,
    at: datetime,
    actor: User | None,
    actor_label: str,
    action: str,
    object_type: str,
    object_id: str,
    before: Any,
    after: Any,
    reason: str,
    request_id: str,
    release: str,
) -> AuditEvent:
    """Writes the next row; whoever else appends waits until this transaction has ended, so no number is lost.

    Raises `AuditBlocked` when there are rows but no head, or rows beyond it: then somebody has been at the tables.
    """
    with transaction.atomic(savepoint=False):
        head = AuditHead.objects.select_for_update().filter(pk=HEAD_KEY).first() or _first_head()
        entry = linked(
            Entry(
                sequence=head.sequence + 1,
                previous="",
                hash="",
                at=at,
                actor_id=None if actor is None else actor.pk,
                actor=actor_label,
                action=action,
                object_type=object_type,
                object_id=object_id,
                before=before,
                after=after,
                reason=reason,
                request_id=request_id,
                release=release,
            ),
            previous=head.hash,
        )
        AuditHead.objects.filter(pk=HEAD_KEY).update(sequence=entry.sequence, hash=entry.hash)
        return _row_create(entry, actor)


def _row_create(entry: Entry, actor: User | None) -> AuditEvent:
    try:
        return AuditEvent.objects.create(
            sequence=entry.sequence,
            previous_hash=entry.previous,
            hash=entry.hash,
            created_at=entry.at,
            actor=actor,
            actor_label=entry.actor,
            action=entry.action,
            object_type=entry.object_type,
            object_id=entry.object_id,
            before=entry.before,
            after=entry.after,
            reason=entry.reason,
            request_id=entry.request_id,
            release=entry.release,
        )
    except IntegrityError as error:
        # Callers take an IntegrityError for one of their own rows.
        raise AuditBlocked(f"Row {entry.sequence} of the audit chain cannot be added: {error}") from error


def _first_head() -> AuditHead:
    if AuditEvent.objects.exists():
        raise AuditBlocked("The audit chain has rows but no head; nothing can be added before that is explained")
    AuditHead.objects.get_or_create(pk=HEAD_KEY, defaults={"sequence": 0, "hash": GENESIS})
    return AuditHead.objects.select_for_update().get(pk=HEAD_KEY)
