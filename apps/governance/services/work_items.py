"""Work somebody has promised by a time: who, after what, until when, and who says that it is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.wording import checked_words
from apps.governance.choices import Severity, WorkStatus
from apps.governance.models import RedesignProposal, WorkItem
from apps.governance.proposal_content import filled
from apps.governance.proposal_selectors import WORK_ENDED, work_overdue

from .drafts import checked_reason
from .proposals_ground import writer
from .records import audit_record, system_event_record

_LABEL = WorkItem._meta.label
_STATES = (WorkStatus.TODO, WorkStatus.DOING, WorkStatus.WAITING)


class BadWork(Refused):
    """A task that cannot be as asked; `extra["field"]` names what is wrong."""

    code = "bad_work"


class WorkBlocked(Refused):
    """A task it depends on is not done."""

    code = "work_blocked"


def work_item_add(
    *,
    proposal: RedesignProposal | None,
    title: str,
    owners: Sequence[User],
    due_at: datetime,
    reason: str,
    actor: User,
    now: datetime,
    estimate: str = "",
    status: str = WorkStatus.TODO,
    depends_on: Sequence[WorkItem] = (),
) -> WorkItem:
    """A task of one or several owners, who are all responsible. What it depends on belongs to the same proposal.

    Raises `NotPermitted`, `ReasonTooShort`, `BadProposal` for an empty title, `BadWork`.
    """
    writer(actor)
    reason = checked_words(checked_reason(reason))
    filled(title, field="title")
    if not owners:
        raise BadWork("A task without an owner is nobody's", extra={"field": "owners"})
    if status not in _STATES:
        raise BadWork("A new task has not ended yet", extra={"field": "status"})
    if any(item.proposal_id != (proposal.pk if proposal else None) for item in depends_on):
        raise BadWork("A task depends on tasks of the same proposal", extra={"field": "depends_on"})
    with transaction.atomic():
        item = WorkItem.objects.create(
            proposal=proposal,
            title=title.strip(),
            status=status,
            due_at=due_at,
            estimate=checked_words(estimate, field="estimate"),
            created_at=now,
        )
        item.owners.set(owners)
        item.depends_on.set(depends_on)
        after = {
            "title": item.title,
            "proposal": proposal.pk if proposal else None,
            "owners": sorted(owner.get_username() for owner in owners),
            "due_at": due_at,
            "depends_on": sorted(one.pk for one in depends_on),
        }
        _audit(item, "work.add", actor, now, reason, None, after)
    return item


def work_item_done(*, item_id: int, reason: str, actor: User, now: datetime) -> WorkItem:
    """One of the owners says it is done, and what was done. Refused while what it depends on is open."""
    reason = checked_words(checked_reason(reason))
    with transaction.atomic():
        item = _open_item(item_id)
        if not item.owners.filter(pk=actor.pk).exists():
            raise NotPermitted("Only an owner of a task says that it is done")
        writer(actor)
        waiting = [str(one) for one in item.depends_on.exclude(status__in=WORK_ENDED)]
        if waiting:
            raise WorkBlocked(f"First comes: {', '.join(waiting)}")
        before = {"status": item.status}
        item.status, item.done_at, item.done_by = WorkStatus.DONE, now, actor
        item.save(update_fields=["status", "done_at", "done_by"])
        _audit(item, "work.done", actor, now, reason, before, {"status": item.status})
    return item


def work_item_change(
    *,
    item_id: int,
    reason: str,
    actor: User,
    now: datetime,
    status: str = "",
    due_at: datetime | None = None,
    owners: Sequence[User] | None = None,
) -> WorkItem:
    """Another state, time or other owners; what is not given stays. A new time may become overdue anew."""
    writer(actor)
    reason = checked_words(checked_reason(reason))
    if status and status not in (*_STATES, WorkStatus.DROPPED):
        raise BadWork("That is not a state a task may be put into", extra={"field": "status"})
    if owners is not None and not owners:
        raise BadWork("A task without an owner is nobody's", extra={"field": "owners"})
    with transaction.atomic():
        item = _open_item(item_id)
        before = _facts(item)
        item.status = status or item.status
        if due_at is not None and due_at != item.due_at:
            item.due_at, item.overdue_told_at = due_at, None
        item.save(update_fields=["status", "due_at", "overdue_told_at"])
        if owners is not None:
            item.owners.set(owners)
        _audit(item, "work.change", actor, now, reason, before, _facts(item))
    return item


def work_overdue_tell(*, now: datetime) -> int:
    """Raises WORK_OVERDUE for open tasks whose time has passed, once per promised time; returns how many tasks.

    Tasks of one proposal that are found late together share one event.
    """
    found: defaultdict[int | None, list[WorkItem]] = defaultdict(list)
    for item in work_overdue(now=now).filter(overdue_told_at=None):
        found[item.proposal_id].append(item)
    return sum(_tell_overdue(items, now) for items in found.values())


def _tell_overdue(items: list[WorkItem], now: datetime) -> int:
    with transaction.atomic():
        # Claimed by the update: two workers never tell of the same task.
        untold = WorkItem.objects.filter(overdue_told_at=None)
        late = [item for item in items if untold.filter(pk=item.pk).update(overdue_told_at=now)]
        if late:
            system_event_record(
                code="WORK_OVERDUE",
                severity=Severity.WARNING,
                source="governance",
                message=f"Overdue: {'; '.join(f'{item} ({_names(item)})' for item in late)}",
                details={
                    "proposal": late[0].proposal_id,
                    "tasks": [{"id": item.pk, "due_at": item.due_at, "owners": _names(item)} for item in late],
                },
                now=now,
            )
    return len(late)


def _names(item: WorkItem) -> str:
    return ", ".join(sorted(owner.get_username() for owner in item.owners.all()))


def _open_item(item_id: int) -> WorkItem:
    item = WorkItem.objects.select_for_update().filter(pk=item_id).first()
    if item is None:
        raise BadWork("There is no such task")
    if item.status in WORK_ENDED:
        raise BadWork(f"This task has ended: {item.get_status_display().lower()}")
    return item


def _facts(item: WorkItem) -> dict[str, Any]:
    owners = sorted(owner.get_username() for owner in item.owners.all())
    return {"status": item.status, "due_at": item.due_at, "owners": owners}


def _audit(
    item: WorkItem,
    action: str,
    actor: User,
    now: datetime,
    reason: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    audit_record(
        actor=actor, action=action, obj_type=_LABEL, obj_id=item.pk, before=before, after=after, reason=reason, now=now
    )
