"""Incidents, lessons and compliance in the console: who may do what, and what the pages show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.analytics.models import LiquidityCheckRun
from apps.governance.models import (
    AuditEvent,
    EmploymentAttestation,
    Incident,
    IncidentAction,
    IncidentEntry,
    Lesson,
    TermsAcknowledgement,
    TermsVersion,
    WordingFlag,
)
from apps.governance.services import system_event_record
from apps.governance.services.incidents import incident_action_add, incident_note, incident_open
from apps.governance.services.terms import terms_publish
from apps.governance.services.wording import wording_scan
from apps.risk.models import RestrictedMarket
from tests import factories as make
from tests.factories import NOW

pytestmark = pytest.mark.django_db
TEXT = "the clock of the host was wrong"
BAD = "o" + "dds"
Make = Callable[[str], Client]


@pytest.fixture
def terms(team: dict[str, User]) -> TermsVersion:
    return terms_publish(title="House rules", text="Trade nothing else.", valid_from=NOW, actor=team["craig"], now=NOW)


@pytest.fixture
def incident(team: dict[str, User]) -> Incident:
    found = incident_open(title="Quotes too old", severity="critical", text=TEXT, actor=team["cliff"], now=NOW)
    incident_action_add(
        incident_id=found.pk, text="watch the clock", owner=team["scalper"], due_on=NOW.date(), actor=team["cliff"],
        now=NOW,
    )  # fmt: skip
    return found


def url(name: str, *args: object) -> str:
    return reverse(f"console:{name}", args=args)


def counts() -> tuple[int, ...]:
    tables = (Incident, IncidentEntry, IncidentAction, Lesson, TermsVersion, TermsAcknowledgement,
              EmploymentAttestation, RestrictedMarket, AuditEvent)  # fmt: skip
    return tuple(model.objects.count() for model in tables)


def writes(incident: Incident, terms: TermsVersion, flag: WordingFlag) -> list[tuple[str, dict[str, str], str]]:
    """Address, form, and who may: "work" or "publish" or "see"."""
    own = url("incident", incident.pk)
    return [
        (url("incidents"), {"title": "Another one", "severity": "warning", "text": TEXT}, "work"),
        (own, {"do": "note", "kind": "cause", "text": TEXT}, "work"),
        (own, {"do": "move", "status": "acknowledged", "text": TEXT}, "work"),
        (own, {"do": "action", "text": TEXT, "owner": str(incident.owner_id), "due_on": "2026-12-01"}, "work"),
        (url("incident-action", incident.actions.get().pk), {"text": "done in release 7"}, "work"),
        (url("lessons"), {"title": "Clocks drift", "text": TEXT + ", so measure it"}, "work"),
        (url("compliance-terms"), {"title": "More rules", "text": "Trade even less."}, "publish"),
        (url("compliance-flag", flag.pk), {"review": "the exchange's own title"}, "publish"),
        (url("compliance-acknowledge", terms.pk), {}, "see"),
        (url("compliance-attest"), {"employer": "none", "restricted": "series KXRAIN"}, "see"),
    ]


@pytest.fixture
def flag(db: None) -> WordingFlag:
    make.market("KXWORD-1", title=f"Will the {BAD} move?")
    wording_scan(now=NOW)
    return WordingFlag.objects.get()


@pytest.mark.parametrize("name", ["", "outsider", "eve", "viewer"])
def test_without_the_right_no_write_does_anything(
    client_of: Make,
    incident: Incident,
    terms: TermsVersion,
    flag: WordingFlag,
    name: str,
) -> None:
    before = counts()
    for address, data, right in writes(incident, terms, flag):
        if name == "viewer" and right == "see":
            continue
        assert client_of(name).post(address, data).status_code in (302, 403), address
        assert counts() == before, address
    incident.refresh_from_db()
    flag.refresh_from_db()
    assert (incident.status, flag.reviewed_at) == ("open", None)


def test_a_trader_works_incidents_but_publishes_no_terms(
    client_of: Make,
    incident: Incident,
    terms: TermsVersion,
    flag: WordingFlag,
) -> None:
    client = client_of("scalper")
    for address, data, right in writes(incident, terms, flag):
        before = counts()
        response = client.post(address, data)
        assert response.status_code == (403 if right == "publish" else 302), address
        assert (counts() == before) is (right == "publish"), address


def test_those_with_the_right_do_it_all(
    client_of: Make,
    incident: Incident,
    terms: TermsVersion,
    flag: WordingFlag,
) -> None:
    client = client_of("craig")
    for address, data, _ in reversed(writes(incident, terms, flag)):
        response = client.post(address, data)
        assert response.status_code == 302, (address, response.content.decode()[:3000])
    flag.refresh_from_db()
    assert flag.reviewed_at == NOW
    assert IncidentAction.objects.filter(done_at=NOW).count() == 1


@pytest.mark.parametrize("name", ["incidents", "lessons", "compliance"])
def test_a_write_needs_a_token(team: dict[str, User], name: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(team["craig"])
    target = url("compliance-attest") if name == "compliance" else url(name)
    assert strict.post(target, {"title": "x", "text": TEXT, "employer": "none"}).status_code == 403
    assert counts()[:4] == (0, 0, 0, 0)


def test_a_viewer_sees_everything_and_is_offered_nothing_to_work(
    client_of: Make,
    incident: Incident,
    terms: TermsVersion,
    flag: WordingFlag,
) -> None:
    client = client_of("viewer")
    for address in (url("incidents"), url("incident", incident.pk), url("lessons")):
        html = client.get(address).content.decode()
        assert 'name="text"' not in html
        assert 'name="do"' not in html
    html = client.get(url("compliance")).content.decode()
    assert "Publish the next version" not in html
    assert "I have read this" in html
    assert 'name="review"' not in html


def test_an_incident_of_the_platform_is_worked_to_its_end_by_two_people(client_of: Make) -> None:
    system_event_record(code="DESYNC", severity="critical", source="session 1", message="cash differs", now=NOW)
    found = Incident.objects.get()
    own, cliff = url("incident", found.pk), client_of("cliff")
    assert "Our records and the exchange" in cliff.get(url("incidents")).content.decode()

    def step(client: Client, **data: str) -> Any:
        return client.post(own, {"text": TEXT} | data)

    assert step(cliff, do="move", status="acknowledged").status_code == 302
    early = step(client_of("craig"), do="close")
    assert early.status_code == 422
    assert "Closing still needs a cause, and an action" in early.content.decode()
    step(cliff, do="note", kind="cause")
    refused = step(cliff, do="close", none_needed_because="it was only the simulator")
    assert refused.status_code == 422
    assert "another person than who owns" in refused.content.decode()
    assert step(client_of("craig"), do="close", none_needed_because="it was only the simulator").status_code == 302
    html = cliff.get(own).content.decode()
    assert "it was only the simulator" in html
    assert 'name="do"' not in html
    assert "closed" in html.lower()
    assert step(cliff, do="note", kind="note").status_code == 422


def test_what_is_wrong_stands_at_its_field_and_keeps_what_was_typed(client_of: Make, incident: Incident) -> None:
    client = client_of("cliff")
    response = client.post(url("incident", incident.pk), {"do": "note", "kind": "note", "text": f"bad {BAD} of course"})
    html = response.content.decode()
    assert response.status_code == 422
    assert "market price or probability" in html
    assert 'id="note-text"' in html
    for data in ({"do": "fly", "text": TEXT}, {"do": "assign", "text": TEXT, "owner": "0"}, {"text": TEXT}):
        assert client.post(url("incident", incident.pk), data).status_code == 422
    assert client.post(url("incident-action", incident.actions.get().pk), {"text": "no"}).status_code == 422
    bad = client.post(url("compliance-attest"), {"employer": "none", "restricted": "series\nKXRAIN"})
    assert bad.status_code == 422
    assert "Line 1 is not a kind and a name" in bad.content.decode()


def test_only_people_who_may_work_it_can_be_given_an_incident(
    client_of: Make,
    team: dict[str, User],
    incident: Incident,
) -> None:
    client = client_of("cliff")
    data = {"do": "assign", "text": TEXT}
    assert client.post(url("incident", incident.pk), data | {"owner": str(team["viewer"].pk)}).status_code == 422
    assert client.post(url("incident", incident.pk), data | {"owner": str(team["craig"].pk)}).status_code == 302
    incident.refresh_from_db()
    assert incident.owner == team["craig"]


def test_acknowledging_and_attesting_from_the_page(client_of: Make, terms: TermsVersion) -> None:
    client = client_of("scalper")
    assert "neither sign nor order by hand" in client.get(url("compliance")).content.decode()
    client.post(url("compliance-acknowledge", terms.pk))
    client.post(url("compliance-attest"), {"employer": "a weather service", "restricted": "series KXRAIN\n\n"})
    html = client.get(url("compliance")).content.decode()
    assert "You have acknowledged this version" in html
    assert "a weather service" in html
    assert "KXRAIN" in html
    other = client_of("cliff").get(url("compliance")).content.decode()
    assert "KXRAIN" not in other
    assert client.post(url("compliance-acknowledge", 999)).status_code == 404


def test_terms_in_force_by_now_are_asked_for_again(client_of: Make, terms: TermsVersion) -> None:
    client_of("craig").post(url("compliance-terms"), {"title": "More rules", "text": "Trade even less."})
    response = client_of("scalper").post(url("compliance-acknowledge", terms.pk))
    assert response.status_code == 409
    assert "Another version is in force" in response.content.decode()


def test_the_order_page_says_what_is_missing(client_of: Make, terms: TermsVersion) -> None:
    make.account()
    data = {
        "market": make.market().ticker, "side": "bid", "price": "0.55", "quantity": "5",
        "time_in_force": "good_till_canceled", "reason": "closing the gap", "no_inside_information": "on",
    }  # fmt: skip
    response = client_of("scalper").post(url("manual"), data)
    assert response.status_code == 422
    assert "Acknowledge the terms first" in response.content.decode()


def test_a_run_of_the_liquidity_checks_is_shown_with_its_figures(client_of: Make) -> None:
    row = {"number": 3, "title": "Live order-book access", "outcome": "warning", "detail": "one side only",
           "facts": {"KXTEST-1": "2 bids, 0 asks"}}  # fmt: skip
    run = LiquidityCheckRun.objects.create(
        ran_at=NOW, seconds="1.5", environment="simulated", release="test", ran_by="command:test", errors=0, warnings=1,
        not_checked=0, results=[row],
    )  # fmt: skip
    client = client_of("viewer")
    assert url("compliance-check", run.pk) in client.get(url("compliance")).content.decode()
    html = client.get(url("compliance-check", run.pk)).content.decode()
    for text in ("one side only", "2 bids, 0 asks", "Acceptable with warnings"):
        assert text in html
    assert client.get(url("compliance-check", 99)).status_code == 404


def test_long_lists_cost_no_more_queries(
    client_of: Make,
    team: dict[str, User],
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        found = incident_open(title=f"Incident {number}", severity="warning", text=TEXT, actor=team["cliff"], now=NOW)
        incident_note(incident_id=found.pk, kind="cause", text=TEXT, actor=team["cliff"], now=NOW)
    client = client_of("craig")
    client.get(url("incidents"))
    with django_assert_max_num_queries(14):
        client.get(url("incidents"))
    with django_assert_max_num_queries(24):
        client.get(url("incident", found.pk))
    with django_assert_max_num_queries(16):
        client.get(url("lessons"))
    with django_assert_max_num_queries(24):
        client.get(url("compliance"))


def test_an_overdue_action_is_marked(client_of: Make, incident: Incident, time_machine: Any) -> None:
    time_machine.move_to(NOW + timedelta(days=2))
    assert "Overdue" in client_of("cliff").get(url("incident", incident.pk)).content.decode()
