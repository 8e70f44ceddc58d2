"""Looks through what is stored for banned words. Nothing is changed: what is found is flagged for a person to see."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.core.wording import TERMS, banned_in, checked_words
from apps.governance.choices import CompliancePermission, TextSource
from apps.governance.models import WordingFlag

from .records import audit_record

CHUNK = 500


class Stored(NamedTuple):
    """A column of free text: model label, field, who writes it."""

    label: str
    field: str
    source: TextSource


# Models of the apps above are named, not imported. People's texts are refused at the door; a stop's reason never is.
TEXTS = (
    Stored("marketdata.Market", "title", TextSource.EXCHANGE),
    Stored("marketdata.Event", "title", TextSource.EXCHANGE),
    Stored("marketdata.Series", "title", TextSource.EXCHANGE),
    Stored("governance.SystemEvent", "message", TextSource.PLATFORM),
    Stored("governance.AuditEvent", "reason", TextSource.PERSON),
    Stored("governance.ApprovalRequest", "reason", TextSource.PERSON),
    Stored("governance.ApprovalVote", "reason", TextSource.PERSON),
    Stored("governance.IncidentEntry", "text", TextSource.PERSON),
    Stored("governance.Lesson", "text", TextSource.PERSON),
    Stored("risk.KillRun", "reason", TextSource.PERSON),
    Stored("risk.RestrictedMarket", "reason", TextSource.PERSON),
    Stored("risk.Theme", "name", TextSource.PERSON),
    Stored("risk.Theme", "description", TextSource.PERSON),
    Stored("trading.Order", "outcome", TextSource.EXCHANGE),
    Stored("trading.OrderRequest", "reason", TextSource.PERSON),
    Stored("trading.Strategy", "name", TextSource.PERSON),
    Stored("trading.Strategy", "description", TextSource.PERSON),
    Stored("trading.StrategyVersion", "notes", TextSource.PERSON),
)


def wording_scan(*, now: datetime) -> int:
    """Flags every stored text with a banned word that is not flagged yet; returns how many are new."""
    found = 0
    for stored in TEXTS:
        for key, words in _hits(stored):
            _, created = WordingFlag.objects.get_or_create(
                object_type=stored.label,
                object_id=str(key),
                field=stored.field,
                defaults={"source": stored.source, "words": words, "found_at": now},
            )
            found += created
    return found


def _hits(stored: Stored) -> Iterator[tuple[object, list[str]]]:
    """The database narrows by the stems, whole words are decided here. What was flagged before is left out."""
    might = Q()
    for stem in {term.stem[:4] for term in TERMS}:
        might |= Q(**{f"{stored.field}__icontains": stem})
    known = set(
        WordingFlag.objects.filter(object_type=stored.label, field=stored.field).values_list("object_id", flat=True)
    )
    rows = apps.get_model(stored.label)._default_manager.filter(might).order_by("pk")
    for key, text in rows.values_list("pk", stored.field).iterator(CHUNK):
        if str(key) not in known and (words := [one.word for one in banned_in(text)]):
            yield key, words


def wording_review(*, flag_id: int, review: str, actor: User, now: datetime) -> WordingFlag:
    """A person has looked at a flag and says what follows. Raises `NotPermitted`, `BannedWord`, `Refused`."""
    require(actor, CompliancePermission.PUBLISH_TERMS.full)
    review = checked_words(review.strip(), field="review")
    if not review:
        raise Refused("Say what follows from it", code="no_reason", extra={"field": "review"})
    with transaction.atomic():
        flag = WordingFlag.objects.select_for_update().get(pk=flag_id)
        if flag.reviewed_at is not None:
            raise Refused("Somebody has looked at this one", code="no_change")
        flag.reviewed_at, flag.reviewed_by, flag.review = now, actor, review
        flag.save(update_fields=["reviewed_at", "reviewed_by", "review"])
        audit_record(
            actor=actor,
            action="compliance.wording.review",
            obj_type=WordingFlag._meta.label,
            obj_id=flag.pk,
            after={"text": f"{flag.object_type} {flag.object_id} {flag.field}"},
            reason=review,
            now=now,
        )
    return flag
