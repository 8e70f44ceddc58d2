"""How long a sign-in lasts, and what ends it before its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client

from apps.governance.models import AuditEvent, SignIn
from tests import factories as make
from tests.factories import NOW, PASSWORD
from tests.people import client_of, team  # noqa: F401  fixtures

from .browser import Person, app_for, code_of

pytestmark = pytest.mark.django_db
OWN = "a much better one of my own"
TRADES = ("trading.place_order",)
POLL = {"headers": {"HX-Request": "true"}}
RELOAD = {"headers": {"Sec-Fetch-Mode": "navigate"}}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def signed_in(*perms: str) -> Client:
    client = Client()
    client.force_login(make.user("dave", perms=perms))
    return client


def is_in(client: Client, **extra: Any) -> bool:
    return client.get("/orders/", **extra).status_code == 200


def ended_because() -> str:
    return SignIn.objects.get().ended_because


def test_who_has_live_rights_is_out_after_half_an_hour_of_nothing(clock: time_machine.Traveller) -> None:
    client = signed_in(*TRADES)
    clock.shift(timedelta(minutes=29))
    assert is_in(client)
    clock.shift(timedelta(minutes=29, seconds=59))
    assert is_in(client)
    clock.shift(timedelta(minutes=30))
    assert not is_in(client)
    assert ended_because() == "idle"
    assert "nothing done for too long" in client.get("/sign-in/").content.decode()


@pytest.mark.parametrize("asked", [POLL, RELOAD])
def test_a_page_that_asks_again_by_itself_keeps_nobody_signed_in(clock: time_machine.Traveller, asked: Any) -> None:
    client = signed_in(*TRADES)
    for _ in range(6):
        clock.shift(timedelta(minutes=5))
        client.get("/orders/", **asked)
    assert not is_in(client)
    assert ended_because() == "idle"


def test_a_persons_own_steps_do(clock: time_machine.Traveller) -> None:
    client = signed_in(*TRADES)
    for _ in range(6):
        clock.shift(timedelta(minutes=20))
        assert is_in(client, headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"})


def test_a_screen_on_the_wall_may_stay_for_a_working_day(clock: time_machine.Traveller) -> None:
    client = signed_in("risk.trip_kill_switch", "governance.export_metrics", "trading.view_order")
    clock.shift(timedelta(hours=11, minutes=59))
    assert is_in(client, **POLL)
    clock.shift(timedelta(minutes=1))
    assert not is_in(client)
    assert ended_because() == "too_long"


def test_nobody_is_in_for_longer_than_that_however_busy(clock: time_machine.Traveller) -> None:
    client = signed_in(*TRADES)
    for _ in range(12 * 3 - 1):
        clock.shift(timedelta(minutes=20))
        assert is_in(client)
    clock.shift(timedelta(minutes=20))
    assert not is_in(client)


def test_a_fragment_of_somebody_signed_out_sends_the_whole_page_to_sign_in(clock: time_machine.Traveller) -> None:
    client = signed_in(*TRADES)
    clock.shift(timedelta(minutes=31))
    answer = client.get("/orders/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/orders/?q=1"})
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Forders%2F%3Fq%3D1"
    assert answer.content == b""


def test_a_session_without_a_sign_in_on_record_is_nobodys() -> None:
    client = signed_in()
    SignIn.objects.all().delete()
    assert not is_in(client)


def test_a_session_that_showed_no_factor_is_nobodys() -> None:
    client = signed_in()
    session = client.session
    del session["second_factor"]
    session.save()
    assert not is_in(client)


def test_signing_out_ends_it_for_good() -> None:
    client = signed_in()
    cookies = dict(client.cookies)
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    client.cookies.update(cookies)
    assert not is_in(client)
    assert ended_because() == "signed_out"
    assert AuditEvent.objects.filter(action="people.sign_in.end").count() == 1


@pytest.fixture
def two() -> tuple[Person, Person, bytes]:
    """One person in two browsers, and the key of their app."""
    user = make.user("dave", perms=TRADES)
    key = app_for(user)
    here, there = Person(user), Person(user)
    here.sign_in(key)
    there.sign_in(key, later=1)
    assert here.is_in()
    assert there.is_in()
    return here, there, key


def test_a_new_password_ends_every_other_sign_in(two: tuple[Person, Person, bytes]) -> None:
    here, there, _ = two
    before = here.client.session.session_key
    data = {"old_password": PASSWORD, "new_password1": OWN, "new_password2": OWN}
    assert here.client.post("/security/password/", data)["Location"] == "/security/"
    assert here.is_in()
    assert here.client.session.session_key != before
    assert not there.is_in()
    assert sorted(SignIn.objects.values_list("ended_because", flat=True)) == ["", "password"]
    assert User.objects.get().check_password(OWN)


def test_a_new_password_needs_the_old_one(two: tuple[Person, Person, bytes]) -> None:
    here, there, _ = two
    data = {"old_password": "not it", "new_password1": OWN, "new_password2": OWN}
    assert here.client.post("/security/password/", data).status_code == 422
    assert there.is_in()


def test_a_new_app_takes_the_old_ones_place_and_ends_every_other_sign_in(two: tuple[Person, Person, bytes]) -> None:
    from .browser import SECRET, b32decode

    here, there, key = two
    shown = SECRET.search(here.client.get("/security/factor/").content.decode())
    assert shown is not None
    new = b32decode(shown[1] + "=" * (-len(shown[1]) % 8))
    assert here.code(code_of(key, later=2), "/security/factor/") == ""
    assert there.is_in()
    assert here.code(code_of(new), "/security/factor/") == "/security/"
    assert here.is_in()
    assert not there.is_in()
    assert Person(here.user).sign_in(key, later=2) == ""


def test_an_unfinished_new_app_is_forgotten(two: tuple[Person, Person, bytes]) -> None:
    from .browser import SECRET

    here, _, _ = two
    shown = [SECRET.search(here.client.get("/security/factor/").content.decode()) for _ in range(2)]
    assert shown[0] is not None
    assert shown[1] is not None
    assert shown[0][1] != shown[1][1]


def test_the_only_factor_cannot_be_removed(two: tuple[Person, Person, bytes]) -> None:
    here, there, _ = two
    device = here.user.totpdevice_set.get()
    page = here.client.post(f"/security/factor/totp/{device.pk}/remove/", follow=True)
    assert "only second factor" in page.content.decode()
    assert here.user.totpdevice_set.count() == 1
    assert there.is_in()


def test_other_browsers_can_be_signed_out_from_this_one(two: tuple[Person, Person, bytes]) -> None:
    here, there, _ = two
    here.client.post("/security/sign-out-elsewhere/")
    assert here.is_in()
    assert not there.is_in()


def test_nobody_reaches_another_persons_factors(two: tuple[Person, Person, bytes]) -> None:
    here, _, _ = two
    erin = Person(make.user("erin"))
    app_for(erin.user)
    theirs = erin.user.totpdevice_set.get()
    here.client.post(f"/security/factor/totp/{theirs.pk}/remove/")
    assert erin.user.totpdevice_set.count() == 1
    assert "erin" not in here.client.get("/security/").content.decode()


def test_who_is_made_inactive_is_out_at_once(client_of: Callable[[str], Client], team: dict[str, User]) -> None:  # noqa: F811
    client = client_of("scalper")
    assert is_in(client)
    User.objects.filter(pk=team["scalper"].pk).update(is_active=False)
    assert not is_in(client)
