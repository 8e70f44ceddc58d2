"""The team with its roles, as a fixture for any conftest that imports it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from apps.governance.services.roles import roles_sync
from kalshiops.roles import roles
from tests.factories import NOW, PASSWORD


@pytest.fixture
def team(db: None) -> dict[str, User]:
    """craig (boss), cliff (operations), scalper (trader), viewer and eve, who has no role at all."""
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
    """Anonymous and outsiders are sent to sign in; the wrong role and the one without any get 403, on GET and POST."""
    for name in ("", "outsider"):
        for response in (make(name).get(url), make(name).post(url, data)):
            assert response.status_code == 302
            assert "/admin/login/" in response["Location"]
    for name in (without_right, "eve"):
        for response in (make(name).get(url), make(name).post(url, data)):
            assert response.status_code == 403, name
