"""Terms: published as versions with the hash of their text, acknowledged by each person for themselves."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from apps.core.exceptions import Conflict, Refused
from apps.core.permissions import require
from apps.core.wording import checked_words
from apps.governance.choices import CompliancePermission
from apps.governance.compliance_selectors import terms_in_force, terms_missing
from apps.governance.models import TermsAcknowledgement, TermsVersion

from .records import audit_record

READ = "governance.view_termsversion"


class TermsNotAcknowledged(Refused):
    """The person has not acknowledged the terms in force."""

    code = "terms_not_acknowledged"


def terms_hash(text: str) -> str:
    """SHA-256 in hex over the text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def terms_require(user: User, *, now: datetime) -> None:
    """Raises `TermsNotAcknowledged` while a version is in force that this person has not acknowledged."""
    if (version := terms_missing(user, now=now)) is not None:
        raise TermsNotAcknowledged(
            f"Acknowledge the terms first: {version} (page Compliance)", extra={"version": version.number}
        )


def terms_publish(
    *, title: str, text: str, valid_from: datetime, actor: User | None, now: datetime, actor_label: str | None = None
) -> TermsVersion:
    """The next version; earlier ones and who acknowledged them stay.

    Raises `NotPermitted`, `BannedWord`, and `Refused` for a text that is empty, unchanged or would be in force
    before now. The platform publishes the first with `actor=None` and an `actor_label`.
    """
    if actor_label is None:
        actor = require(actor, CompliancePermission.PUBLISH_TERMS.full)
    title = checked_words(title.strip(), field="title")
    text = checked_words(text.strip().replace("\r\n", "\n"), field="text")
    if not title or not text:
        raise Refused("Terms have a title and a text", code="no_text", extra={"field": "text"})
    if valid_from < now:
        raise Refused("Terms cannot be in force before now", code="bad_date", extra={"field": "valid_from"})
    with transaction.atomic():
        newest = TermsVersion.objects.order_by("-number").first()
        if newest is not None and newest.text == text:
            raise Refused("The text is the newest version's", code="no_change", extra={"field": "text"})
        number = (TermsVersion.objects.aggregate(newest=Max("number"))["newest"] or 0) + 1
        version = TermsVersion.objects.create(
            number=number,
            title=title[:160],
            text=text,
            text_hash=terms_hash(text),
            valid_from=valid_from,
            published_by=actor,
            published_at=now,
        )
        audit_record(
            actor=actor,
            actor_label=actor_label,
            action="compliance.terms.publish",
            obj_type=TermsVersion._meta.label,
            obj_id=version.pk,
            after={"number": number, "text_hash": version.text_hash, "valid_from": valid_from},
            now=now,
        )
    return version


def terms_acknowledge(*, version_id: int, actor: User, now: datetime) -> TermsAcknowledgement:
    """For oneself only, and only the version in force whose text still has its hash. A second time changes nothing.

    Raises `NotPermitted`, and `Conflict` when another version is in force by now or the stored text was altered.
    """
    require(actor, READ)
    with transaction.atomic():
        version = terms_in_force(now=now)
        if version is None or version.pk != version_id:
            raise Conflict("Another version is in force by now; read that one", code="terms_moved")
        if terms_hash(version.text) != version.text_hash:
            raise Conflict("The stored text was altered after it was published; tell compliance", code="terms_altered")
        row, created = TermsAcknowledgement.objects.get_or_create(
            user=actor, version=version, defaults={"text_hash": version.text_hash, "acknowledged_at": now}
        )
        if created:
            audit_record(
                actor=actor,
                action="compliance.terms.acknowledge",
                obj_type=TermsVersion._meta.label,
                obj_id=version.pk,
                after={"number": version.number, "text_hash": version.text_hash},
                now=now,
            )
    return row
