"""A given password opens one door only: the one to choose another."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from apps.governance.services.roles import person_create
from tests.factories import NOW

pytestmark = pytest.mark.django_db

GIVEN, OWN = "given-word-1234", "a much better one of my own"


@pytest.fixture
def signed_in() -> Client:
    Group.objects.create(name="viewer")
    person_create(username="carol", password=GIVEN, role="viewer", now=NOW, actor_label="test")
    client = Client()
    assert client.login(username="carol", password=GIVEN)
    return client


@pytest.mark.parametrize("path", ["/", "/admin/", "/orders/", "/kill/"])
def test_every_page_leads_to_the_change_of_password(signed_in: Client, path: str) -> None:
    response = signed_in.get(path)
    assert (response.status_code, response["Location"]) == (302, "/admin/password_change/")


def test_the_change_itself_is_open_and_after_it_the_rest_is(signed_in: Client) -> None:
    assert signed_in.get("/admin/password_change/").status_code == 200
    changed = signed_in.post(
        "/admin/password_change/", {"old_password": GIVEN, "new_password1": OWN, "new_password2": OWN}
    )
    assert (changed.status_code, changed["Location"]) == (302, "/admin/password_change/done/")
    assert signed_in.get("/orders/").status_code == 200
    assert User.objects.get(username="carol").check_password(OWN)


def test_a_password_of_ones_own_opens_everything(client: Client) -> None:
    User.objects.create_user("dave", password=OWN, is_staff=True)
    client.login(username="dave", password=OWN)
    assert client.get("/orders/").status_code == 200
