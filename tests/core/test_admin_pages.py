"""Every list and object page of the admin, whatever app it belongs to: who sees it, what it costs, what it offers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.admin_index import WAITING
from apps.core.admin_links import console_href
from apps.core.adminsite import PlainAdmin, ReadOnlyAdmin
from kalshiops.roles import RIGHTS
from tests import factories

from .admin_rows import AdminRows, registered, stock

pytestmark = [pytest.mark.django_db, pytest.mark.pages]
ClientOf = Callable[[str], Client]
FEW, MANY = 5, 50
# Kept as they were measured, list and object page: a page that starts to ask for more has to say so here.
PINNED: dict[str, list[int]] = json.loads((Path(__file__).parent / "admin_queries.json").read_text())
HOUSEKEEPING = re.compile(
    r"django_session|django_content_type|governance_signin|auth_permission|^(SAVEPOINT|RELEASE|BEGIN|COMMIT)"
)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)|\son(?:click|load|change|submit|error)=|javascript:", re.IGNORECASE)
APPS = sorted({model._meta.app_label for model in admin.site._registry})


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def asked(client: Client, address: str) -> int:
    """Queries of the page itself, without those that find out who is asking."""
    with CaptureQueriesContext(connection) as context:
        response = client.get(address)
    assert response.status_code == 200, address
    return sum(HOUSEKEEPING.search(query["sql"]) is None for query in context.captured_queries)


@pytest.fixture
def rows() -> AdminRows:
    return AdminRows()


@pytest.fixture
def everything(client: Client) -> Client:
    client.force_login(factories.user("craig", is_superuser=True))
    return client


@pytest.mark.parametrize("app", APPS)
def test_no_page_asks_more_for_more_rows_and_each_asks_what_is_written_down(
    everything: Client, rows: AdminRows, app: str
) -> None:
    models = [model for model in registered() if model._meta.app_label == app]
    counts: list[dict[str, list[int]]] = []
    for numbers in (range(FEW), range(FEW, MANY)):
        stock(rows, models, numbers)
        counts.append(
            {
                model._meta.label: [
                    asked(everything, url(model, "changelist")),
                    asked(everything, url(model, "change", rows.make(model, 0).pk)),
                ]
                for model in models
            }
        )
    few, many = counts
    assert few == many
    assert many == {model._meta.label: PINNED.get(model._meta.label) for model in models}


def test_the_index_asks_the_same_however_much_there_is(everything: Client, rows: AdminRows) -> None:
    stock(rows, registered(), range(2))
    few = asked(everything, reverse("admin:index"))
    stock(rows, registered(), range(2, 6))
    assert asked(everything, reverse("admin:index")) == few == PINNED["index"][0]


@pytest.mark.parametrize("role", sorted(RIGHTS))
def test_each_role_opens_what_it_may_see_and_nothing_else(team: dict[str, User], rows: AdminRows, role: str) -> None:
    person = factories.user("alice")
    person.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(person)
    stock(rows, registered(), range(1))
    assert client.get(reverse("admin:index")).status_code == 200
    for model in registered():
        opts = model._meta
        may = person.has_perm(f"{opts.app_label}.view_{opts.model_name}")
        for address in (url(model, "changelist"), url(model, "change", rows.make(model, 0).pk)):
            response = client.get(address)
            assert response.status_code == (200 if may else 403), address
            assert INLINE_SCRIPT.search(response.content.decode()) is None, address


def test_facts_are_refused_to_everybody_who_would_add_change_or_remove_them(
    client_of: ClientOf, rows: AdminRows
) -> None:
    stock(rows, registered(), range(1))
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    clients = {name: client_of(name) for name in ("", "outsider", "eve", "craig")} | {"root": root}
    for model in registered():
        if not isinstance(admin.site._registry[model], ReadOnlyAdmin):
            continue
        key = rows.make(model, 0).pk
        before = model._base_manager.filter(pk=key).values().get()
        for name, client in clients.items():
            for page in (url(model, "add"), url(model, "change", key), url(model, "delete", key)):
                refused = client.post(page, {"post": "yes"})
                assert refused.status_code == (302 if name == "" else 403), f"{name} {page}"
        assert model._base_manager.filter(pk=key).values().get() == before


def test_every_list_says_what_it_answers_and_can_be_narrowed() -> None:
    silent = [m._meta.label for m, ma in admin.site._registry.items() if not getattr(ma, "question", "").endswith("?")]
    assert silent == []
    wide = [m._meta.label for m, ma in admin.site._registry.items() if not (ma.list_filter or ma.no_filter)]
    assert wide == []


def test_every_filter_is_headed_by_a_question(everything: Client, rows: AdminRows) -> None:
    stock(rows, registered(), range(2))
    for model in registered():
        specs = everything.get(url(model, "changelist")).context["cl"].filter_specs
        assert [spec.title for spec in specs if not spec.title.endswith("?")] == [], model._meta.label


@pytest.mark.parametrize("app", APPS)
def test_every_answer_of_every_filter_gives_a_list(everything: Client, rows: AdminRows, app: str) -> None:
    models = [model for model in registered() if model._meta.app_label == app]
    stock(rows, models, range(2))
    for model in models:
        page = url(model, "changelist")
        changelist = everything.get(page).context["cl"]
        for spec in changelist.filter_specs:
            for choice in spec.choices(changelist):
                assert everything.get(page + choice["query_string"]).status_code == 200, (page, choice)


def test_an_answer_that_does_not_exist_narrows_nothing(everything: Client) -> None:
    response = everything.get(url(registered_named("Order"), "changelist"), {"resting": "sometimes"})
    assert response.status_code == 302


def test_every_list_finds_by_words(everything: Client, rows: AdminRows) -> None:
    stock(rows, registered(), range(1))
    for model in registered():
        if admin.site._registry[model].search_fields:
            assert everything.get(url(model, "changelist"), {"q": "5"}).status_code == 200, model._meta.label


def test_every_object_leads_to_its_audit_trail_and_its_page_in_the_console(everything: Client, rows: AdminRows) -> None:
    stock(rows, registered(), range(1))
    for model in registered():
        row = rows.make(model, 0)
        text = everything.get(url(model, "change", row.pk)).content.decode()
        assert f"/audit/?object={model._meta.label}%3A{row.pk}" in text, model._meta.label
        made_by = admin.site._registry[model]
        assert isinstance(made_by, PlainAdmin)
        if made_by.console_page is not None:
            assert console_href(made_by.console_page, row) in text, model._meta.label


def test_what_waits_on_the_index_is_what_its_list_shows(everything: Client, rows: AdminRows) -> None:
    stock(rows, registered(), range(3))
    shown = {line.label: line.count.number for line in everything.get(reverse("admin:index")).context["waiting"]}
    person = User.objects.get(username="craig")
    assert {line.permission for line in WAITING} <= set(person.get_all_permissions())
    for line in WAITING:
        listed = everything.get(line.href).context["cl"].result_list
        assert shown.get(line.label, 0) == len(listed), line.label


def registered_named(name: str) -> Any:
    return next(model for model in registered() if model.__name__ == name)
