"""Employment attestations: where a person works, and which markets are therefore closed to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.core.wording import checked_words
from apps.governance.compliance_selectors import attestation_in_force
from apps.governance.models import EmploymentAttestation

from .records import audit_record

READ = "governance.view_employmentattestation"
VALID_FOR = timedelta(days=365)


class AttestationMissing(Refused):
    """The person has no attestation that is still valid."""

    code = "attestation_missing"


class Restrict(Protocol):
    """How a person is barred from a market; `apps.risk.services.restrictions.restriction_add`."""

    def __call__(
        self, *, scope: str, scope_id: str, user: User | None, reason: str, actor: User, now: datetime
    ) -> object: ...


def attestation_require(user: User, *, now: datetime) -> None:
    """Raises `AttestationMissing` unless the person's newest attestation is still valid."""
    if attestation_in_force(user, now=now) is None:
        raise AttestationMissing("Say where you work first: your attestation is missing or over a year old")


def attestation_make(
    *, employer: str, restricted: Sequence[tuple[str, str]], restrict: Restrict, actor: User, now: datetime
) -> EmploymentAttestation:
    """For oneself only; valid for a year. Each of `restricted` (scope, id) is put on the list of restricted markets.

    Restrictions made by an earlier attestation stay until two people lift them. `restrict` comes from the caller,
    since risk stands above governance. Raises `NotPermitted`, `BannedWord`, `Refused`, and what `restrict` raises
    for a scope that cannot be; then nothing has changed.
    """
    require(actor, READ)
    employer = checked_words(employer.strip(), field="employer")
    if not employer:
        raise Refused('Name your employer, or write "none"', code="no_employer", extra={"field": "employer"})
    wanted = list(dict.fromkeys((scope, which.strip()) for scope, which in restricted))
    with transaction.atomic():
        row = EmploymentAttestation.objects.create(
            user=actor,
            employer=employer[:160],
            restricted=[list(one) for one in wanted],
            attested_at=now,
            valid_until=now + VALID_FOR,
        )
        for scope, scope_id in wanted:
            _bar(restrict, scope, scope_id, row, actor, now)
        audit_record(
            actor=actor,
            action="compliance.employment.attest",
            obj_type=EmploymentAttestation._meta.label,
            obj_id=row.pk,
            after={"restricted": row.restricted, "valid_until": row.valid_until},
            now=now,
        )
    return row


def _bar(restrict: Restrict, scope: str, scope_id: str, row: EmploymentAttestation, actor: User, now: datetime) -> None:
    try:
        with transaction.atomic():
            restrict(
                scope=scope,
                scope_id=scope_id,
                user=actor,
                reason=f"employment attestation {row.pk}",
                actor=actor,
                now=now,
            )
    except Refused as refused:
        if refused.code != "no_change":  # restricted for this person already, which is what was wanted
            raise
