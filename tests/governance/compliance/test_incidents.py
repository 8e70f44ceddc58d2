"""From an event to the agreed end: who may do what, what joins, and what closing asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.wording import BannedWord
from apps.governance.audit.errors import AuditBlocked
from apps.governance.choices import EntryKind, IncidentStatus, Severity
from apps.governance.compliance_selectors import incident_list
from apps.governance.incident_rules import RULES, group_key, rule_for
from apps.governance.models import AuditEvent, Incident, IncidentAction, IncidentEntry, SystemEvent
from apps.governance.services import system_event_record
from apps.governance.services.incidents import (
    EVENTS_LISTED,
    ClosingRefused,
    IncidentClosed,
    incident_action_add,
    incident_action_done,
    incident_assign,
    incident_close,
    incident_move,
    incident_note,
    incident_open,
    may_close,
)
from tests.factories import NOW

pytestmark = pytest.mark.django_db
TEXT = "the clock of the host was wrong"


def noticed(code: str = "DESYNC", severity: str = "critical", **fields: Any) -> SystemEvent:
    values = {"source": "trading session 3", "message": "books differ", "now": NOW} | fields
    return system_event_record(code=code, severity=severity, **values)


def opened(by: User, severity: str = "warning") -> Incident:
    return incident_open(title="Quotes stood too long", severity=severity, text=TEXT, actor=by, now=NOW)


def explained(incident: Incident, by: User) -> Incident:
    """With a cause and an action: all that closing asks for but the person."""
    incident_note(incident_id=incident.pk, kind="cause", text=TEXT, actor=by, now=NOW)
    incident_action_add(incident_id=incident.pk, text="watch the clock", owner=by, due_on=NOW.date(), actor=by, now=NOW)
    return incident


def close(incident: Incident, by: User, **fields: str) -> Incident:
    return incident_close(incident_id=incident.pk, text="agreed with all of us", actor=by, now=NOW, **fields)


def test_a_critical_event_opens_an_incident_that_names_it() -> None:
    event = noticed()
    incident = Incident.objects.get()
    assert (incident.title, incident.severity, incident.status) == (RULES["DESYNC"].title, "critical", "open")
    assert (incident.occurrences, incident.last_event, incident.owner) == (1, event, None)
    entry = incident.entries.get()
    assert (entry.kind, entry.event, entry.text, entry.author_label) == (
        "event",
        event,
        "books differ",
        "system:incidents",
    )
    record = AuditEvent.objects.get(action="compliance.incident.open")
    assert (record.object_id, record.after["event"]) == (str(incident.pk), event.pk)


def test_events_of_one_cause_join_even_from_the_next_session_and_a_flood_is_only_counted() -> None:
    for number in range(EVENTS_LISTED + 30):
        noticed(source=f"trading session {number}", now=NOW + timedelta(seconds=number))
    incident = Incident.objects.get()
    assert incident.occurrences == EVENTS_LISTED + 30
    assert incident.entries.count() == EVENTS_LISTED
    assert incident.last_event_at == NOW + timedelta(seconds=EVENTS_LISTED + 29)
    assert AuditEvent.objects.filter(action="compliance.incident.open").count() == 1


def test_another_code_another_account_and_what_follows_a_closed_one_are_incidents_of_their_own(
    team: dict[str, User],
) -> None:
    noticed("DEAD_MAN", source="guardian", details={"account": "main"})
    noticed("DEAD_MAN", source="guardian", details={"account": "other"})
    noticed()
    assert Incident.objects.count() == 3
    first = Incident.objects.get(title=RULES["DESYNC"].title)
    incident_move(incident_id=first.pk, status="acknowledged", text=TEXT, actor=team["cliff"], now=NOW)
    close(explained(first, team["cliff"]), team["craig"])
    noticed()
    assert Incident.objects.filter(title=RULES["DESYNC"].title).count() == 2


@pytest.mark.parametrize(
    ("code", "severity", "opens"),
    [
        ("NEVER_SEEN_BEFORE", "critical", True),
        ("NEVER_SEEN_BEFORE", "warning", False),
        ("DESYNC", "warning", False),
        ("K19_RESTRICTED", "warning", True),
        ("SWITCH_DRILL_FAILED", "warning", True),
        ("SWITCH_DRILL_FAILED", "info", False),
    ],
)
def test_which_events_open_one(code: str, severity: str, opens: bool) -> None:
    assert (rule_for(code, severity) is not None) is opens
    noticed(code, severity)
    assert Incident.objects.exists() is opens


def test_a_later_critical_event_makes_a_lesser_incident_critical() -> None:
    noticed("SWITCH_DRILL_FAILED", "warning")
    noticed("SWITCH_DRILL_FAILED", "critical")
    noticed("SWITCH_DRILL_FAILED", "warning")
    assert Incident.objects.get().severity == Severity.CRITICAL


def test_an_event_is_kept_and_its_incident_opened_when_the_audit_record_is_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blocked(**_: Any) -> None:
        raise AuditBlocked("the chain has rows but no head")

    monkeypatch.setattr("apps.governance.services.incidents.audit_record", blocked)
    event = noticed()
    assert SystemEvent.objects.get() == event
    texts = Incident.objects.get().entries.values_list("text", flat=True)
    assert list(texts) == ["Not on the audit record: the chain has rows but no head", "books differ"]


def test_a_group_is_told_by_code_source_and_the_details_its_rule_names() -> None:
    key = group_key(RULES["DEAD_MAN"], code="DEAD_MAN", source="guardian 17", details={"account": "main", "x": 1})
    assert key == "DEAD_MAN|guardian|main"


def test_only_one_open_incident_per_group_in_the_database() -> None:
    noticed()
    key = Incident.objects.get().group_key
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.create(title="again", severity="info", group_key=key, opened_at=NOW)


def test_who_acknowledges_owns_and_each_step_is_a_line_with_its_author(team: dict[str, User]) -> None:
    noticed()
    pk = Incident.objects.get().pk
    incident_move(incident_id=pk, status="acknowledged", text="looking at it now", actor=team["scalper"], now=NOW)
    incident = incident_move(incident_id=pk, status="mitigated", text="feed restarted", actor=team["cliff"], now=NOW)
    assert (incident.status, incident.owner) == (IncidentStatus.MITIGATED, team["scalper"])
    lines = IncidentEntry.objects.filter(kind=EntryKind.STATE)
    assert [(line.author_label, line.text) for line in lines] == [
        ("scalper", "Acknowledged: looking at it now"),
        ("cliff", "Mitigated: feed restarted"),
    ]
    with pytest.raises(Refused, match="no step"):
        incident_move(incident_id=pk, status="acknowledged", text=TEXT, actor=team["cliff"], now=NOW)


def test_closing_lists_all_that_is_missing_and_changes_nothing(team: dict[str, User]) -> None:
    incident = opened(team["cliff"], "critical")
    with pytest.raises(ClosingRefused) as refused:
        close(incident, team["cliff"])
    assert refused.value.extra["missing"] == [
        "a cause",
        "an action, or why none is needed",
        "another person than who owns or owned it",
    ]
    incident.refresh_from_db()
    assert (incident.status, incident.closed_at) == (IncidentStatus.OPEN, None)


def test_closing_without_an_action_says_why_none_is_needed(team: dict[str, User]) -> None:
    incident = opened(team["cliff"])
    incident_note(incident_id=incident.pk, kind="cause", text=TEXT, actor=team["cliff"], now=NOW)
    with pytest.raises(ClosingRefused):
        close(incident, team["cliff"])
    closed = close(incident, team["cliff"], none_needed_because="the exchange has mended it")
    assert (closed.status, closed.closed_by) == (IncidentStatus.CLOSED, team["cliff"])
    assert closed.none_needed_because == "the exchange has mended it"


def test_a_critical_one_is_closed_by_another_than_its_owner(team: dict[str, User]) -> None:
    incident = explained(opened(team["cliff"], "critical"), team["cliff"])
    with pytest.raises(ClosingRefused, match="another person"):
        close(incident, team["cliff"])
    assert not may_close(incident, team["cliff"])
    assert close(incident, team["craig"]).closed_by == team["craig"]


def test_giving_it_away_first_does_not_help(team: dict[str, User]) -> None:
    incident = explained(opened(team["cliff"], "critical"), team["cliff"])
    incident_assign(incident_id=incident.pk, owner=team["scalper"], text=TEXT, actor=team["cliff"], now=NOW)
    with pytest.raises(ClosingRefused, match="owned"):
        close(incident, team["cliff"])


def test_a_critical_one_without_an_owner_is_not_closed(team: dict[str, User]) -> None:
    noticed()
    incident = explained(Incident.objects.get(), team["scalper"])
    with pytest.raises(ClosingRefused, match="an owner"):
        close(incident, team["craig"])


def test_the_database_refuses_what_the_service_does(team: dict[str, User]) -> None:
    incident = opened(team["cliff"], "critical")
    for values in ({"closed_by": None}, {"closed_by": team["cliff"]}, {"closed_by": team["craig"], "owner": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Incident.objects.filter(pk=incident.pk).update(status="closed", closed_at=NOW, **values)


def test_nothing_is_added_to_a_closed_one_but_its_actions_can_still_be_done(team: dict[str, User]) -> None:
    cliff = team["cliff"]
    incident = close(explained(opened(cliff), cliff), cliff)
    attempts: list[Callable[[], object]] = [
        lambda: incident_note(incident_id=incident.pk, kind="note", text=TEXT, actor=cliff, now=NOW),
        lambda: incident_move(incident_id=incident.pk, status="mitigated", text=TEXT, actor=cliff, now=NOW),
        lambda: incident_assign(incident_id=incident.pk, owner=team["craig"], text=TEXT, actor=cliff, now=NOW),
        lambda: close(incident, cliff),
    ]
    for attempt in attempts:
        with pytest.raises(IncidentClosed):
            attempt()
    action = IncidentAction.objects.get()
    done = incident_action_done(action_id=action.pk, text="since release 7", actor=cliff, now=NOW)
    assert (done.done_by, done.done_at) == (cliff, NOW)
    with pytest.raises(Refused, match="already"):
        incident_action_done(action_id=action.pk, text="once more, please", actor=cliff, now=NOW)


def test_the_list_is_newest_first_and_narrowed_by_state(team: dict[str, User]) -> None:
    old = close(explained(opened(team["cliff"]), team["cliff"]), team["cliff"])
    new = opened(team["cliff"])
    incident_action_add(
        incident_id=new.pk, text="watch the clock", owner=team["cliff"], due_on=NOW.date(), actor=team["cliff"], now=NOW
    )
    assert [(row.pk, row.actions_open) for row in incident_list()] == [(new.pk, 1), (old.pk, 1)]
    assert [row.pk for row in incident_list(status="open")] == [new.pk]
    assert [row.pk for row in incident_list(status="closed")] == [old.pk]


def test_entries_are_facts(team: dict[str, User]) -> None:
    opened(team["cliff"])
    with pytest.raises(Refused):
        IncidentEntry.objects.update(text="nothing happened")
    with pytest.raises(Refused):
        IncidentEntry.objects.all().delete()


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_without_the_right_nothing_is_done(team: dict[str, User], name: str) -> None:
    incident = opened(team["cliff"])
    before = AuditEvent.objects.count(), IncidentEntry.objects.count()
    who = team[name]
    attempts: list[Callable[[], object]] = [
        lambda: opened(who),
        lambda: incident_note(incident_id=incident.pk, kind="note", text=TEXT, actor=who, now=NOW),
        lambda: incident_move(incident_id=incident.pk, status="mitigated", text=TEXT, actor=who, now=NOW),
        lambda: incident_assign(incident_id=incident.pk, owner=team["craig"], text=TEXT, actor=who, now=NOW),
        lambda: explained(incident, who),
        lambda: close(incident, who),
    ]
    for attempt in attempts:
        with pytest.raises(NotPermitted):
            attempt()
    assert (AuditEvent.objects.count(), IncidentEntry.objects.count()) == before


def test_what_people_write_is_checked(team: dict[str, User], now: datetime) -> None:
    incident = opened(team["cliff"])
    with pytest.raises(BannedWord, match="position or trade"):
        incident_note(
            incident_id=incident.pk, kind="note", text="it was a bad b" + "et of ours", actor=team["cliff"], now=now
        )
    with pytest.raises(Refused, match="At least"):
        incident_note(incident_id=incident.pk, kind="note", text="oops", actor=team["cliff"], now=now)
    with pytest.raises(Refused, match="notes and causes"):
        incident_note(incident_id=incident.pk, kind="state", text=TEXT, actor=team["cliff"], now=now)
    with pytest.raises(Refused, match="today or later"):
        incident_action_add(
            incident_id=incident.pk, text="long ago already", owner=team["cliff"],
            due_on=NOW.date() - timedelta(days=1), actor=team["cliff"], now=NOW,
        )  # fmt: skip
    with pytest.raises(Refused, match="may not work"):
        incident_assign(incident_id=incident.pk, owner=team["viewer"], text=TEXT, actor=team["cliff"], now=NOW)


def test_every_write_is_in_the_record(team: dict[str, User]) -> None:
    incident = explained(opened(team["cliff"]), team["cliff"])
    incident_move(incident_id=incident.pk, status="mitigated", text=TEXT, actor=team["cliff"], now=NOW)
    close(incident, team["craig"])
    actions = AuditEvent.objects.filter(object_type="governance.Incident").order_by("id")
    assert [(row.action.removeprefix("compliance.incident."), row.actor_label) for row in actions] == [
        ("open", "cliff"),
        ("cause", "cliff"),
        ("action.add", "cliff"),
        ("move", "cliff"),
        ("close", "craig"),
    ]
