"""The first compliance record of an installation: terms, incident 0 and its lesson. Safe to run again."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.governance.choices import EntryKind, IncidentStatus, Severity
from apps.governance.models import Incident, IncidentAction, IncidentEntry, Lesson, TermsVersion

from .lessons import lesson_write
from .records import audit_record
from .terms import terms_publish

SEEDER = "system:seed"
INCIDENT_0 = "incident-0"
_BEGAN = datetime(2026, 2, 25, 8, 2, tzinfo=UTC)

TERMS_TITLE = "Terms for trading on the exchange"
TERMS_TEXT = """\
1. I trade for this team only, on its accounts, within the rules of the exchange and of this platform.
2. I place no order on anything that is not public, and tell nobody what I learn here before it is public.
3. I stay out of every market that is restricted for me or for the firm, and say so when my work changes that.
4. I place no order that is not meant to be filled, and none that trades against another order of ours.
5. I do not share my sign-in or my second factor, and I sign only what I have read and agree with.
6. Anybody may stop trading at any time. I stop first and ask afterwards.
7. What I do here is recorded and kept for at least five years.
"""

_UNEXPLAINED = (
    "Not explained: without a fill there is no trading fee, so fees alone cannot have cost $77.99. Either fills were "
    "not recorded or money moved otherwise. Since then the cash ledger has to explain every cent."
)
_TIMELINE = (
    (EntryKind.EVENT, "7,822 orders were placed and none was filled; $77.99, or 99.99 % of the capital, was gone."),
    (EntryKind.EVENT, "Trading was ended by hand; no switch had stopped it, since none watched fills."),
    (EntryKind.CAUSE, "Spread, gamma and kappa were set for a market that does not exist, not for real liquidity."),
    (EntryKind.CAUSE, "Nothing adapted: the same orders were placed again and again without one execution."),
    (EntryKind.CAUSE, "Orders rested inside the spread, too large for the depth of the book, and never traded."),
    (EntryKind.CAUSE, "Placing was watched, filling was not: nobody compared orders with fills."),
    (EntryKind.NOTE, _UNEXPLAINED),
)
_DUE = date(2026, 2, 26)
_ACTIONS = (
    ("scalper", "Post-mortem: why did the maker orders not fill, by category and against book depth"),
    ("cliff", "A monitor that follows each order to its fill, and a switch for a fill rate that drops"),
    ("cliff", "How sensitive results are to spread, gamma and kappa, and which order size the depth bears"),
    ("craig", "Decide on the strategy's direction: one primary option and one fallback"),
)
_LESSON_TITLE = "Count fills, not orders"
_LESSON = (
    "An order that rests is no result. Halt on many like orders without a fill (K9 counts them, K8 watches the fill "
    "rate), set parameters from measured depth and fill rates, and let nothing run whose cash the ledger cannot "
    "explain to the cent."
)


def compliance_seed(*, now: datetime) -> None:
    """Publishes the first terms, loads incident 0 with what is known of it, and its lesson; what exists stays."""
    with transaction.atomic():
        if not TermsVersion.objects.exists():
            terms_publish(title=TERMS_TITLE, text=TERMS_TEXT, valid_from=now, actor=None, actor_label=SEEDER, now=now)
        incident = Incident.objects.filter(reference=INCIDENT_0).first() or _incident_zero(now)
        if not Lesson.objects.filter(incident=incident).exists():
            lesson_write(
                title=_LESSON_TITLE,
                text=_LESSON,
                tags="fill rate, switches, market making",
                incident_id=incident.pk,
                actor=None,
                actor_label=SEEDER,
                now=now,
            )


def _incident_zero(now: datetime) -> Incident:
    people = {user.get_username(): user for user in User.objects.filter(username__in={who for who, _ in _ACTIONS})}
    incident = Incident.objects.create(
        title="Incident 0: $77.99 lost, 7,822 orders and 0 fills",
        severity=Severity.CRITICAL,
        status=IncidentStatus.MITIGATED,
        owner=people.get("cliff"),
        reference=INCIDENT_0,
        opened_at=_BEGAN,
    )
    for kind, text in _TIMELINE:
        IncidentEntry.objects.create(incident=incident, at=_BEGAN, author_label=SEEDER, kind=kind, text=text)
    for who, text in _ACTIONS:
        if who in people:
            IncidentAction.objects.create(
                incident=incident, text=text, owner=people[who], due_on=_DUE, created_at=_BEGAN
            )
    audit_record(
        actor=None,
        actor_label=SEEDER,
        action="compliance.incident.load",
        obj_type=Incident._meta.label,
        obj_id=incident.pk,
        after={"reference": INCIDENT_0, "title": incident.title},
        now=now,
    )
    return incident
