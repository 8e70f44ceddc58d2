"""The team with its roles, as a fixture for any conftest that imports it, and what signing in leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from apps.core.stepup import FreshFactor, factor_remember
from apps.governance.models import SignIn
from apps.governance.people import session_digest
from apps.governance.services.roles import roles_sync
from kalshiops.roles import roles
from tests.factories import NOW, PASSWORD


def shows_factor(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Whoever a test signs in with `force_login` showed the second factor just now, as the sign-in pages see to.

    Requests that go through the application are left alone: there the pages themselves are under test.
    """
    if type(request) is not HttpRequest:
        return
    now = timezone.now()
    if request.session.session_key is None:
        request.session.create()
    factor_remember(request, FreshFactor(user.pk, now, "totp"))
    SignIn.objects.create(
        user=user,
        session_digest=session_digest(request.session.session_key),
        method="totp",
        started_at=now,
        seen_at=now,
    )


def connect_factor() -> None:
    user_logged_in.connect(shows_factor, dispatch_uid="tests.shows_factor")


@pytest.fixture
def team(db: None) -> dict[str, User]:
    """craig (boss), cliff (operations), scalper (trader), viewer, and eve, who is staff without any role."""
    roles_sync(roles=roles(), now=NOW, actor_label="system:test")
    people = {}
    for name, role in (("craig", "boss"), ("cliff", "operations"), ("scalper", "trader"), ("viewer", "viewer")):
        people[name] = User.objects.create_user(name, password=PASSWORD, is_staff=True)
        people[name].groups.add(Group.objects.get(name=role))
    people["eve"] = User.objects.create_user("eve", password=PASSWORD, is_staff=True)
    return people


@pytest.fixture
def client_of(team: dict[str, User]) -> Callable[[str], Client]:
    """A browser signed in as one of the team; "" is nobody, "outsider" may not enter the admin at all."""

    def make(name: str) -> Client:
        client = Client()
        if name == "outsider":
            client.force_login(User.objects.get_or_create(username="outsider")[0])
        elif name:
            client.force_login(team[name])
        return client

    return make


def assert_turned_away(make: Callable[[str], Client], url: str, data: dict[str, str], without_right: str) -> None:
    """Anonymous people are sent to sign in; outsiders, the wrong role and no role at all get 403, on GET and POST."""
    for response in (make("").get(url), make("").post(url, data)):
        assert response.status_code == 302
        assert response["Location"].startswith("/sign-in/")
    for name in ("outsider", without_right, "eve"):
        for response in (make(name).get(url), make(name).post(url, data)):
            assert response.status_code == 403, name
