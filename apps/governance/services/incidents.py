"""Incidents: opened by events or people, worked in the open, and closed only with a cause and what follows from it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F

from apps.core.exceptions import Refused
from apps.core.permissions import is_holder, require
from apps.core.wording import checked_words
from apps.governance.audit.errors import AuditBlocked
from apps.governance.choices import CompliancePermission, EntryKind, IncidentStatus, Severity
from apps.governance.compliance_selectors import closing_missing, incident_owners
from apps.governance.incident_rules import MAX_TITLE, group_key, rule_for
from apps.governance.models import Incident, IncidentAction, IncidentEntry, SystemEvent

from .records import audit_record

WORK = CompliancePermission.WORK_INCIDENTS.full
SYSTEM = "system:incidents"
MIN_TEXT = 10
# A flood is counted; this many of its events have a line of their own.
EVENTS_LISTED = 20
_NEXT: dict[str, tuple[str, ...]] = {
    IncidentStatus.ACKNOWLEDGED: (IncidentStatus.OPEN,),
    IncidentStatus.MITIGATED: (IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED),
}
_BY_HAND = (EntryKind.NOTE, EntryKind.CAUSE)


class IncidentClosed(Refused):
    """Nothing is added to an incident that was closed; what comes after opens another."""

    code = "incident_closed"


class ClosingRefused(Refused):
    """`extra["missing"]` lists what stands in the way."""

    code = "closing_refused"


def incident_from_event(event: SystemEvent) -> Incident | None:
    """Opens an incident for a system event, or joins the open one of the same cause; None when no rule asks for one."""
    rule = rule_for(event.code, event.severity)
    if rule is None:
        return None
    key = group_key(rule, code=event.code, source=event.source, details=event.details)
    incident = _standing(key) or _opened(key, rule.title, event)
    values: dict[str, Any] = {
        "occurrences": F("occurrences") + 1,
        "last_event": event,
        "last_event_at": event.created_at,
    }
    if event.severity == Severity.CRITICAL:
        values["severity"] = Severity.CRITICAL
    Incident.objects.filter(pk=incident.pk).update(**values)
    if incident.occurrences < EVENTS_LISTED:
        _entry(incident, None, EntryKind.EVENT, event.message, event.created_at, event=event)
    return incident


def _standing(key: str) -> Incident | None:
    return Incident.objects.filter(group_key=key).exclude(status=IncidentStatus.CLOSED).first()


def _opened(key: str, title: str, event: SystemEvent) -> Incident:
    try:
        with transaction.atomic():
            incident = Incident.objects.create(
                title=title[:MAX_TITLE], severity=event.severity, group_key=key, opened_at=event.created_at
            )
    except IntegrityError:  # another process opened it in between
        return Incident.objects.exclude(status=IncidentStatus.CLOSED).get(group_key=key)
    try:
        with transaction.atomic():
            _audit(
                incident, "incident.open", None, event.created_at, after={"title": incident.title, "event": event.pk}
            )
    except AuditBlocked as blocked:  # an event must never be lost because the record takes nothing any more
        _entry(incident, None, EntryKind.NOTE, f"Not on the audit record: {blocked.message}", event.created_at)
    return incident


def incident_open(*, title: str, severity: str, text: str, actor: User, now: datetime) -> Incident:
    """A person opens one. Raises `NotPermitted`, `BannedWord`, and `Refused` for a short title or text."""
    require(actor, WORK)
    title, text = _text(title, "title", least=5), _text(text, "text")
    with transaction.atomic():
        incident = Incident.objects.create(
            title=title[:MAX_TITLE], severity=Severity(severity), opened_at=now, opened_by=actor, owner=actor
        )
        _entry(incident, actor, EntryKind.STATE, "Opened", now, person=actor)
        _entry(incident, actor, EntryKind.NOTE, text, now)
        _audit(incident, "incident.open", actor, now, after={"title": title, "severity": severity}, reason=text)
    return incident


def incident_note(*, incident_id: int, kind: str, text: str, actor: User, now: datetime) -> IncidentEntry:
    """Adds a note or a cause; both stay. Raises `NotPermitted`, `IncidentClosed`, `BannedWord`, `Refused`."""
    require(actor, WORK)
    if kind not in _BY_HAND:
        raise Refused("People write notes and causes", code="bad_kind", extra={"field": "kind"})
    text = _text(text, "text")
    with transaction.atomic():
        incident = _locked(incident_id)
        entry = _entry(incident, actor, EntryKind(kind), text, now)
        _audit(incident, f"incident.{kind}", actor, now, after={"entry": entry.pk}, reason=text)
    return entry


def incident_move(*, incident_id: int, status: str, text: str, actor: User, now: datetime) -> Incident:
    """Acknowledged or mitigated; who acknowledges one without an owner owns it.

    Raises `NotPermitted`, `IncidentClosed`, and `Refused` for a step that does not lead on.
    """
    require(actor, WORK)
    text = _text(text, "text")
    with transaction.atomic():
        incident = _locked(incident_id)
        if incident.status not in _NEXT.get(status, ()):
            raise Refused(f"From {incident.status} there is no step to {status}", code="bad_step")
        before, incident.status = incident.status, IncidentStatus(status)
        person = None
        if incident.owner_id is None:
            incident.owner = person = actor
        incident.save(update_fields=["status", "owner"])
        _entry(incident, actor, EntryKind.STATE, f"{incident.get_status_display()}: {text}", now, person=person)
        _audit(incident, "incident.move", actor, now, {"status": before}, {"status": status}, text)
    return incident


def incident_assign(*, incident_id: int, owner: User, text: str, actor: User, now: datetime) -> Incident:
    """Gives it to another owner, who must be able to work it. Everybody who ever owned it stays known."""
    require(actor, WORK)
    text = _text(text, "text")
    if not is_holder(owner, WORK):
        raise Refused(f"{owner.get_username()} may not work incidents", code="bad_owner", extra={"field": "owner"})
    with transaction.atomic():
        incident = _locked(incident_id)
        if incident.owner_id == owner.pk:
            raise Refused(f"{owner.get_username()} owns it already", code="no_change", extra={"field": "owner"})
        before = incident.owner.get_username() if incident.owner else None
        incident.owner = owner
        incident.save(update_fields=["owner"])
        _entry(incident, actor, EntryKind.STATE, f"Owner {owner.get_username()}: {text}", now, person=owner)
        _audit(incident, "incident.assign", actor, now, {"owner": before}, {"owner": owner.get_username()}, text)
    return incident


def incident_action_add(
    *, incident_id: int, text: str, owner: User, due_on: date, actor: User, now: datetime
) -> IncidentAction:
    """What shall be done, by whom and until when; not before today."""
    require(actor, WORK)
    text = _text(text, "text")
    if due_on < now.date():
        raise Refused("An action is due today or later", code="bad_date", extra={"field": "due_on"})
    if not owner.is_active:
        raise Refused(f"{owner.get_username()} is not active", code="bad_owner", extra={"field": "owner"})
    with transaction.atomic():
        incident = _locked(incident_id)
        action = IncidentAction.objects.create(incident=incident, text=text, owner=owner, due_on=due_on, created_at=now)
        line = f"{text} ({owner.get_username()}, due {due_on})"
        _entry(incident, actor, EntryKind.ACTION, line, now, person=owner)
        after = {"action": action.pk, "owner": owner.get_username(), "due_on": str(due_on)}
        _audit(incident, "incident.action.add", actor, now, after=after, reason=text)
    return action


def incident_action_done(*, action_id: int, text: str, actor: User, now: datetime) -> IncidentAction:
    """Also after the incident was closed: actions may take longer. Raises `Refused` for one that is done."""
    require(actor, WORK)
    text = _text(text, "text")
    with transaction.atomic():
        action = IncidentAction.objects.select_for_update().select_related("incident").get(pk=action_id)
        if action.done_at is not None:
            raise Refused("This action is done already", code="no_change")
        action.done_at, action.done_by = now, actor
        action.save(update_fields=["done_at", "done_by"])
        _entry(action.incident, actor, EntryKind.ACTION, f"Done: {action.text}. {text}", now)
        _audit(action.incident, "incident.action.done", actor, now, after={"action": action.pk}, reason=text)
    return action


def incident_close(
    *, incident_id: int, text: str, none_needed_because: str = "", actor: User, now: datetime
) -> Incident:
    """Closing needs a cause, an action or why none is needed, and for a critical one another person than its owners.

    Raises `ClosingRefused`, which lists all that is missing, `NotPermitted`, `IncidentClosed`.
    """
    require(actor, WORK)
    text = _text(text, "text")
    why = _text(none_needed_because, "none_needed_because") if none_needed_because.strip() else ""
    with transaction.atomic():
        incident = _locked(incident_id)
        incident.none_needed_because = why
        if missing := closing_missing(incident, user=actor):
            raise ClosingRefused(f"Closing still needs {', and '.join(missing)}", extra={"missing": missing})
        before, incident.status = incident.status, IncidentStatus.CLOSED
        incident.closed_at, incident.closed_by = now, actor
        incident.save(update_fields=["status", "closed_at", "closed_by", "none_needed_because"])
        _entry(incident, actor, EntryKind.STATE, f"Closed: {text}", now)
        _audit(incident, "incident.close", actor, now, {"status": before}, {"status": "closed", "none": why}, text)
    return incident


def may_close(incident: Incident, user: User) -> bool:
    """Whether to offer it; the service decides again."""
    if not is_holder(user, WORK) or not incident.is_open:
        return False
    return incident.severity != Severity.CRITICAL or user.pk not in incident_owners(incident)


def _locked(incident_id: int) -> Incident:
    incident = Incident.objects.select_for_update(of=("self",)).select_related("owner").get(pk=incident_id)
    if not incident.is_open:
        raise IncidentClosed(f"Incident {incident.pk} was closed; what happens now belongs into a new one")
    return incident


def _text(text: str, field: str, *, least: int = MIN_TEXT) -> str:
    text = text.strip()
    if len(text) < least:
        raise Refused(
            f"At least {least} characters, please: this is kept", code="text_too_short", extra={"field": field}
        )
    return checked_words(text, field=field)


def _entry(
    incident: Incident,
    author: User | None,
    kind: EntryKind,
    text: str,
    at: datetime,
    *,
    person: User | None = None,
    event: SystemEvent | None = None,
) -> IncidentEntry:
    label = author.get_username() if author is not None else SYSTEM
    return IncidentEntry.objects.create(
        incident=incident, at=at, author=author, author_label=label, kind=kind, text=text, person=person, event=event
    )


def _audit(
    incident: Incident,
    action: str,
    actor: User | None,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    audit_record(
        actor=actor,
        actor_label=None if actor else SYSTEM,
        action=f"compliance.{action}",
        obj_type=Incident._meta.label,
        obj_id=incident.pk,
        before=before,
        after=after,
        reason=reason,
        now=now,
    )
