"""The admin as a whole: every model is there, facts cannot be edited, lists do not multiply queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.adminsite import JOBS, ReadOnlyAdmin
from apps.governance.services import audit_record, system_event_record
from apps.risk.models import TradingState
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
OWN = ("core", "governance", "marketdata", "risk", "trading", "analytics")
EDITABLE = {"auth.User"}


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def registered() -> list[Any]:
    return [model for model, _ in admin.site._registry.items()]


def make_rows(number: int) -> None:
    """One more of everything a list could join to, each with its own market and session."""
    market = factories.market(f"KXTEST-{number}")
    account = factories.account(f"account-{number}")
    session = factories.session(account)
    config = factories.config(account)
    parameters = factories.parameters(config)
    decision = factories.decision(session, market=market, config=config, parameters=parameters)
    order = factories.order(session, market=market, config=config, parameters=parameters, decision=decision)
    factories.order_event(order)
    factories.fill(order)
    factories.position(account, market=market)
    factories.cash_entry(account)
    factories.liquidity(session, market=market)
    factories.book_snapshot(market)
    factories.feed(f"feed-{number}")
    person = factories.user(f"person-{number}")
    audit_record(actor=person, action="test.row.make", obj_type="test.Row", obj_id=number, now=NOW)
    system_event_record(code="TEST", severity="info", source="test", message=str(number), now=NOW)


def test_every_model_of_ours_is_in_the_admin_and_belongs_to_a_job() -> None:
    site = admin.site._registry
    missing = [m._meta.label for m in apps.get_models() if m._meta.app_label in OWN and m not in site]
    assert missing == []
    assert {model._meta.label: ma.job for model, ma in site.items() if ma.job not in JOBS} == {}


def test_nothing_but_people_can_be_edited_by_anyone() -> None:
    editable = {m._meta.label for m, ma in admin.site._registry.items() if not isinstance(ma, ReadOnlyAdmin)}
    assert editable == EDITABLE


def test_viewer_opens_every_list_and_no_list_asks_more_for_more_rows(client_of: Callable[[str], Client]) -> None:
    client = client_of("viewer")
    counts = []
    for number in (1, 4):
        for extra in range(number):
            make_rows(number * 10 + extra)
        found = {}
        for model in registered():
            with CaptureQueriesContext(
                connection,
            ) as queries:
                response = client.get(url(model, "changelist"))
            assert response.status_code == 200, model._meta.label
            found[model._meta.label] = len(queries)
        counts.append(found)
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 12


def test_viewer_opens_the_page_of_every_kind_of_object(client_of: Callable[[str], Client]) -> None:
    make_rows(1)
    client = client_of("viewer")
    seen = 0
    for model in registered():
        obj = model._default_manager.first()
        if obj is None:
            continue
        response = client.get(url(model, "change", obj.pk))
        assert response.status_code == 200, model._meta.label
        assert b'name="_save"' not in response.content, model._meta.label
        seen += 1
    assert seen >= 18


@pytest.mark.parametrize("name", ["viewer", "craig"])
def test_facts_cannot_be_added_changed_or_removed_through_the_admin(
    client_of: Callable[[str], Client], name: str
) -> None:
    make_rows(1)
    client = client_of(name)
    for model in registered():
        if model._meta.label in EDITABLE:
            continue
        obj = model._default_manager.first()
        assert client.post(url(model, "add"), {}).status_code == 403
        if obj is not None:
            assert client.post(url(model, "change", obj.pk), {}).status_code == 403
            assert client.post(url(model, "delete", obj.pk), {"post": "yes"}).status_code == 403
            assert model._default_manager.filter(pk=obj.pk).exists()


def test_who_has_no_role_sees_no_list(client_of: Callable[[str], Client]) -> None:
    client = client_of("eve")
    for model in registered():
        assert client.get(url(model, "changelist")).status_code == 403


def test_anonymous_is_sent_to_sign_in(db: None) -> None:
    for model in registered():
        response = Client().get(url(model, "changelist"))
        assert response.status_code == 302
        assert reverse("admin:login") in response["Location"]


def test_sign_in_page_signs_in_and_refuses(team: dict[str, User]) -> None:
    client = Client()
    page = reverse("admin:login")
    assert client.get(page).status_code == 200
    wrong = client.post(page, {"username": "viewer", "password": "wrong", "next": "/admin/"})
    assert wrong.status_code == 200
    assert "_auth_user_id" not in client.session
    right = client.post(page, {"username": "viewer", "password": factories.PASSWORD, "next": "/admin/"})
    assert (right.status_code, right["Location"]) == (302, "/admin/")


def test_index_is_grouped_by_job_with_the_trading_state_on_top(client_of: Callable[[str], Client]) -> None:
    text = client_of("viewer").get(reverse("admin:index")).content.decode()
    places = [text.index(f'id="job-{job.lower()}"') for job in JOBS]
    assert places == sorted(places)
    assert text.index('id="trading-state"') < places[0]
    assert reverse("admin:risk_tradingstate_halt") in text
    assert "Active" in text


def test_index_shows_who_halted_and_why(client_of: Callable[[str], Client], team: dict[str, User]) -> None:
    TradingState.objects.create(
        scope="account",
        scope_id="main",
        state="halted",
        reason="feed is odd",
        changed_by=team["scalper"],
        changed_at=NOW,
    )
    text = client_of("viewer").get(reverse("admin:index")).content.decode()
    assert "Halted" in text
    assert "since 2026-11-20 12:00:00 UTC by scalper. feed is odd" in text


def test_index_without_the_right_offers_no_halt(client_of: Callable[[str], Client]) -> None:
    text = client_of("eve").get(reverse("admin:index")).content.decode()
    assert reverse("admin:risk_tradingstate_halt") not in text


def test_object_page_links_to_its_audit_trail(client_of: Callable[[str], Client]) -> None:
    config = factories.config()
    audit_record(
        actor=None,
        actor_label="system:test",
        action="test.config.touch",
        obj_type="trading.StrategyConfig",
        obj_id=config.pk,
        now=NOW,
    )
    client = client_of("viewer")
    response = client.get(url(type(config), "change", config.pk))
    trail = client.get(response.context["audit_url"])
    assert "test.config.touch" in trail.content.decode()
