"""What one person may do alone, another person looks at within a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.permissions import require
from apps.governance.choices import Permission, ReviewKind, Severity
from apps.governance.models import ApprovalRequest, AuditEvent, ReviewItem

from .drafts import checked_reason
from .records import audit_record, system_event_record

DUE_IN = timedelta(hours=24)
# Steps of one person that no request stands behind; found by the record, so that stopping waits for nothing.
STOPS = {
    "risk.kill_switch.trip": "Stopped trading",
    "risk.trading_state.reduce": "Let trading only reduce",
    "risk.restriction.add": "Restricted a market",
    "risk.theme.set": "Wrote a theme",
}
LOOK_BACK = timedelta(days=2)
_LABEL = ReviewItem._meta.label


def review_open(
    *,
    kind: str,
    what: str,
    obj_type: str,
    obj_id: object,
    actor: User,
    now: datetime,
    request: ApprovalRequest | None = None,
    audit: AuditEvent | None = None,
) -> ReviewItem:
    """Call inside the transaction of the step itself; `actor` took it and cannot be the one who reviews it."""
    return ReviewItem.objects.create(
        kind=ReviewKind(kind),
        what=what[:300],
        object_type=obj_type,
        object_id=str(obj_id),
        request=request,
        audit=audit,
        opened_by=actor,
        opened_at=now,
        due_at=now + DUE_IN,
    )


def review_close(*, review_id: int, note: str, actor: User, now: datetime) -> ReviewItem:
    """Another person with the right to approve says what they found. Raises `ReasonTooShort`, `NotPermitted`,

    and `Refused` when somebody has reviewed it already.
    """
    note = checked_reason(note)
    require(actor, Permission.APPROVE_CHANGE.full)
    with transaction.atomic():
        item = ReviewItem.objects.select_for_update().get(pk=review_id)
        if item.opened_by_id == actor.pk:
            raise NotPermitted("Another person reviews what you did alone")
        if item.reviewed_at is not None:
            raise Refused("Somebody has reviewed this already", code="review_closed")
        item.reviewed_by, item.reviewed_at, item.note = actor, now, note
        item.save(update_fields=["reviewed_by", "reviewed_at", "note"])
        audit_record(
            actor=actor,
            action="review.close",
            obj_type=_LABEL,
            obj_id=item.pk,
            before={"what": item.what, "by": item.opened_by.get_username()},
            after={"reviewed": now},
            reason=note,
            now=now,
        )
    return item


def review_open_for_stops(*, now: datetime) -> int:
    """Opens an item for every stop of a person in the record that has none yet; returns how many."""
    found = AuditEvent.objects.filter(action__in=list(STOPS), actor__isnull=False, created_at__gt=now - LOOK_BACK)
    seen = ReviewItem.objects.filter(audit__isnull=False).values("audit_id")
    opened = 0
    for event in found.exclude(pk__in=seen).select_related("actor").order_by("id"):
        if event.actor is None:
            continue
        review_open(
            kind=ReviewKind.STOPPED,
            what=f"{STOPS[event.action]}: {event.reason}",
            obj_type=event.object_type,
            obj_id=event.object_id,
            actor=event.actor,
            now=event.created_at,
            audit=event,
        )
        opened += 1
    return opened


def review_tell_overdue(*, now: datetime) -> int:
    """Raises REVIEW_OVERDUE once for each item that nobody has reviewed in time; returns how many."""
    with transaction.atomic():
        late = list(
            ReviewItem.objects.select_for_update().filter(reviewed_at=None, due_at__lte=now, overdue_told_at=None)
        )
        for item in late:
            item.overdue_told_at = now
            item.save(update_fields=["overdue_told_at"])
            system_event_record(
                code="REVIEW_OVERDUE",
                severity=Severity.WARNING,
                source="governance",
                message=f"Nobody has reviewed within a day: {item.what}",
                details={"review_id": item.pk},
                now=now,
            )
    return len(late)
