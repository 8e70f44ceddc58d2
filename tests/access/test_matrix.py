"""Every address by every role by the four clients, on GET and POST. Whoever is refused has changed nothing.

The fourth client holds exactly what the page asks for and nothing else; the third everything but that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from apps.core.access import access_of
from apps.governance.middleware.access import access_declared
from apps.governance.services.roles import roles_sync
from kalshiops import urls
from kalshiops.roles import RIGHTS, roles
from tests import factories as make
from tests.factories import NOW

from .ground import make_ground
from .places import EVERYBODY, Place, places, undeclared

pytestmark = [pytest.mark.django_db, pytest.mark.pages]
METHODS = ("get", "post")
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "ALTER", "DROP", "CREATE", "TRUNCATE")
REFUSED = (HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED)
Answer = Any


@pytest.fixture(autouse=True)
def _at_a_fixed_time() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def ground(db: None) -> None:
    roles_sync(roles=roles(), now=NOW, actor_label="system:test")
    make_ground()


class Writes:
    """Counts statements that change a row, and remembers the last for the message of a failure."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(WRITES):
            self.last = sql[:120]
        return execute(sql, params, many, context)


@contextmanager
def undone(client: Client) -> Iterator[Writes]:
    """What happens inside is taken back, in the database and in the browser; the statements are counted."""
    writes, cookies = Writes(), client.cookies.output()
    with transaction.atomic(), connection.execute_wrapper(writes):
        yield writes
        transaction.set_rollback(True)
    client.cookies.clear()
    client.cookies.load(cookies.replace("Set-Cookie: ", ""))


def person(name: str, rights: set[str] | None = None, *, role: str | None = None, is_staff: bool = True) -> Client:
    user = User.objects.create_user(name, password=make.PASSWORD, is_staff=is_staff)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    if rights:
        held = [p for p in Permission.objects.select_related("content_type") if full(p) in rights]
        user.user_permissions.set(held)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def full(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def all_rights() -> set[str]:
    return {full(p) for p in Permission.objects.select_related("content_type")}


def needed(place: Place, method: str) -> tuple[str, ...] | None:
    return place.needs.look if method == "get" else place.needs.send


def holds(rights: set[str], needs: tuple[str, ...] | None) -> bool:
    """Every one of them, of alternatives any."""
    return needs is not None and all(set(need.split("|")) & rights for need in needs)


def is_refused(answer: Answer, place: Place) -> bool:
    """An address of an object that is not there may say just that."""
    if place.is_of_nothing() and (answer.status_code == HTTPStatus.NOT_FOUND or answer.get("Location") == "/admin/"):
        return True
    return answer.status_code in REFUSED


def is_sent_to_sign_in(answer: Answer) -> bool:
    return answer.status_code == HTTPStatus.FOUND and answer["Location"].startswith("/sign-in/")


def problem(client: Client, place: Place, method: str, *, may: bool) -> str | None:
    """What is wrong with the answer, if anything is."""
    with undone(client) as writes:
        answer = getattr(client, method)(place.path())
    where = f"{method} {place.name or place.route}: {answer.status_code} {answer.headers.get('Location', '')}"
    if may:
        return f"{where}, refused" if answer.status_code == HTTPStatus.FORBIDDEN or answer.status_code >= 500 else None
    if not is_refused(answer, place):
        return f"{where}, let in"
    return f"{where}, wrote {writes.last}" if writes.last else None


def found(problems: list[str | None]) -> str:
    return "\n".join(each for each in problems if each)


def guarded() -> list[Place]:
    return [place for place in places() if not place.needs.is_public]


def test_every_address_says_who_may_open_it() -> None:
    assert undeclared() == []
    assert len(places()) > 250


def test_anonymous_people_are_sent_to_sign_in_from_everywhere() -> None:
    client, wrong = Client(), []
    for place in guarded():
        for method in METHODS:
            with undone(client) as writes:
                answer = getattr(client, method)(place.path())
            if not is_sent_to_sign_in(answer) or writes.last:
                wrong.append(f"{method} {place.name}: {answer.status_code} {writes.last}")
    assert found(wrong) == ""


@pytest.mark.parametrize(("role", "is_staff"), [(None, True), (None, False), ("boss", False)])
def test_without_a_role_or_not_of_the_team_nothing_opens_but_ones_own(role: str | None, is_staff: bool) -> None:
    client = person("eve", role=role, is_staff=is_staff)
    wrong = [
        problem(client, place, method, may=place.needs.look == EVERYBODY) for place in guarded() for method in METHODS
    ]
    assert found(wrong) == ""


@pytest.mark.parametrize("role", RIGHTS)
def test_each_role_opens_what_the_table_gives_it_and_nothing_else(role: str) -> None:
    client, rights, wrong = person("alice", role=role), roles()[role], []
    for place in guarded():
        for method in METHODS:
            needs = needed(place, method)
            wrong.append(problem(client, place, method, may=holds(rights, needs)))
    assert found(wrong) == ""


def test_everything_but_the_one_right_is_not_enough() -> None:
    everything, wrong = all_rights(), []
    by_right: dict[str, list[tuple[Place, str]]] = {}
    for place in guarded():
        for method in METHODS:
            for right in needed(place, method) or ():
                by_right.setdefault(right, []).append((place, method))
    for number, (right, pages) in enumerate(by_right.items()):
        client = person(f"almost-{number}", everything - set(right.split("|")))
        wrong += [problem(client, place, method, may=False) for place, method in pages]
    assert found(wrong) == ""


def test_exactly_the_rights_asked_for_are_enough() -> None:
    see, wrong = "governance.see_everything", []
    by_rights: dict[frozenset[str], list[tuple[Place, str]]] = {}
    for place in guarded():
        for method in METHODS:
            needs = needed(place, method)
            if needs is not None and not any(right.startswith("nobody.") for right in needs):
                rights = frozenset(right.partition("|")[0] for right in needs) | {see}
                by_rights.setdefault(rights, []).append((place, method))
    for number, (rights, pages) in enumerate(by_rights.items()):
        client = person(f"just-{number}", set(rights))
        wrong += [problem(client, place, method, may=True) for place, method in pages]
    assert found(wrong) == ""


def test_a_view_that_declares_nothing_is_refused_to_everybody(settings: Any) -> None:
    def forgotten(request: Any) -> HttpResponse:
        raise AssertionError

    assert access_of(forgotten) is None
    assert access_declared(forgotten, None) is None
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("forgotten/", forgotten), *urls.urlpatterns]})
    client = person("alice", all_rights())
    assert client.get("/forgotten/").status_code == HTTPStatus.FORBIDDEN
