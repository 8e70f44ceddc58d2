"""Lessons: short notes for later work, tied to an incident and to the objects they are about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Conflict, Refused
from apps.core.permissions import require
from apps.core.wording import checked_words
from apps.governance.choices import CompliancePermission
from apps.governance.models import Incident, Lesson, LessonLink

from .records import audit_record

MIN_TITLE, MIN_TEXT, MAX_TAGS = 5, 20, 200


class About(NamedTuple):
    """An object of another app: model label, key, and how it is called now."""

    object_type: str
    object_id: str
    label: str


def lesson_write(
    *,
    title: str,
    text: str,
    tags: str = "",
    incident_id: int | None = None,
    about: Sequence[About] = (),
    replaces_id: int | None = None,
    actor: User | None,
    now: datetime,
    actor_label: str | None = None,
) -> Lesson:
    """Stores a lesson for good; a better one replaces it and both stay readable.

    Raises `NotPermitted`, `BannedWord`, `Refused` for what is too short, `Conflict` when it was replaced already.
    The platform itself writes with `actor=None` and an `actor_label`.
    """
    if actor_label is None:
        actor = require(actor, CompliancePermission.WORK_INCIDENTS.full)
    title = _checked(title, "title", MIN_TITLE)
    text = _checked(text, "text", MIN_TEXT)
    tags = ", ".join(
        dict.fromkeys(tag for part in tags.split(",") if (tag := checked_words(part.strip(), field="tags")))
    )
    if len(tags) > MAX_TAGS:
        raise Refused(f"At most {MAX_TAGS} characters of tags", code="text_too_long", extra={"field": "tags"})
    about = list(dict.fromkeys(about))
    with transaction.atomic():
        if replaces_id is not None and Lesson.objects.filter(replaces_id=replaces_id).exists():
            raise Conflict("Somebody has replaced this lesson already; read theirs first", code="replaced")
        lesson = Lesson.objects.create(
            title=title,
            text=text,
            tags=tags,
            incident=Incident.objects.get(pk=incident_id) if incident_id else None,
            author=actor,
            author_label=actor.get_username() if actor else actor_label or "",
            written_at=now,
            replaces_id=replaces_id,
        )
        LessonLink.objects.bulk_create(
            LessonLink(lesson=lesson, object_type=one.object_type, object_id=one.object_id, label=one.label[:160])
            for one in about
        )
        audit_record(
            actor=actor,
            actor_label=actor_label,
            action="compliance.lesson.write",
            obj_type=Lesson._meta.label,
            obj_id=lesson.pk,
            after={"title": title, "incident": incident_id, "about": [one.label for one in about]},
            now=now,
        )
    return lesson


def _checked(text: str, field: str, least: int) -> str:
    text = text.strip()
    if len(text) < least:
        raise Refused(f"At least {least} characters, please", code="text_too_short", extra={"field": field})
    return checked_words(text, field=field)
