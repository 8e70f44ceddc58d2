"""Reads of the compliance record: terms, attestations, incidents, lessons, wording flags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, F, Q, QuerySet

from .choices import EntryKind, IncidentStatus, Severity
from .models import (
    EmploymentAttestation,
    Incident,
    IncidentEntry,
    Lesson,
    TermsAcknowledgement,
    TermsVersion,
    WordingFlag,
)


def terms_in_force(*, now: datetime) -> TermsVersion | None:
    return TermsVersion.objects.filter(valid_from__lte=now).order_by("-number").first()


def terms_missing(user: User, *, now: datetime) -> TermsVersion | None:
    """The version in force if this person has not acknowledged it; None also while none was published."""
    version = terms_in_force(now=now)
    if version is None or TermsAcknowledgement.objects.filter(user=user, version=version).exists():
        return None
    return version


@dataclass(frozen=True, slots=True)
class PersonTerms:
    """One person and when they acknowledged the version in force, None when they have not."""

    username: str
    acknowledged_at: datetime | None
    attested_until: datetime | None


def terms_people(*, version: TermsVersion | None, now: datetime) -> list[PersonTerms]:
    """Every active person, whether they have acknowledged, and until when their attestation holds."""
    done: dict[int, datetime] = (
        dict(TermsAcknowledgement.objects.filter(version=version).values_list("user_id", "acknowledged_at"))
        if version
        else {}
    )
    rows = EmploymentAttestation.objects.filter(valid_until__gt=now).order_by("id")
    until: dict[int, datetime] = dict(rows.values_list("user_id", "valid_until"))
    people = User.objects.filter(is_active=True, is_staff=True).order_by("username")
    return [PersonTerms(name, done.get(pk), until.get(pk)) for pk, name in people.values_list("pk", "username")]


def attestation_in_force(user: User, *, now: datetime) -> EmploymentAttestation | None:
    """The person's newest one, if it has not run out."""
    found = EmploymentAttestation.objects.filter(user=user).first()
    return found if found is not None and found.valid_until > now else None


def incident_list(*, status: str = "", limit: int = 100) -> list[Incident]:
    """Newest first; `status` "open" is everything that is not closed, "" everything."""
    rows = Incident.objects.select_related("owner", "opened_by").annotate(
        actions_open=Count("actions", filter=Q(actions__done_at=None))
    )
    if status == IncidentStatus.CLOSED:
        rows = rows.filter(status=IncidentStatus.CLOSED)
    elif status == IncidentStatus.OPEN:
        rows = rows.exclude(status=IncidentStatus.CLOSED)
    return list(rows.order_by("-id")[:limit])


def incident_causes(incident: Incident) -> QuerySet[IncidentEntry]:
    return incident.entries.filter(kind=EntryKind.CAUSE)


def incident_owners(incident: Incident) -> set[int]:
    """Everybody who owns it now or ever did."""
    past = incident.entries.filter(kind=EntryKind.STATE, person__isnull=False).values_list("person_id", flat=True)
    return {pk for pk in (*past, incident.owner_id) if pk is not None}


def closing_missing(incident: Incident, *, user: User | None = None) -> list[str]:
    """What stands in the way of closing, in sentences; the service refuses by the same list."""
    missing = []
    if not incident_causes(incident).exists():
        missing.append("a cause")
    if not incident.actions.exists() and not incident.none_needed_because:
        missing.append("an action, or why none is needed")
    if incident.severity == Severity.CRITICAL:
        if incident.owner_id is None:
            missing.append("an owner")
        if user is not None and user.pk in incident_owners(incident):
            missing.append("another person than who owns or owned it")
    return missing


def lesson_list(*, words: str = "", object_type: str = "", object_id: str = "") -> QuerySet[Lesson]:
    """Lessons that stand (none that was replaced), newest first; `words` looks in title, text and tags."""
    rows = Lesson.objects.filter(replaced_by=None).select_related("incident", "author").prefetch_related("links")
    for word in words.split():
        rows = rows.filter(Q(title__icontains=word) | Q(text__icontains=word) | Q(tags__icontains=word))
    if object_type:
        rows = rows.filter(links__object_type=object_type, links__object_id=object_id)
    return rows


def wording_flags(*, limit: int = 100) -> QuerySet[WordingFlag]:
    """Those nobody has looked at first."""
    return WordingFlag.objects.select_related("reviewed_by").order_by(F("reviewed_at").asc(nulls_first=True), "-id")[
        :limit
    ]
