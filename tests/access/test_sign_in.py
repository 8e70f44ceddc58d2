"""The one way in: password, second factor, and what happens when either is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.test import Client

from apps.core.stepup import FreshFactor
from apps.governance.models import AuditEvent, OneTimePassword, SignIn, SystemEvent
from apps.governance.services.factors import recovery_codes_make
from apps.governance.services.roles import person_create
from tests import factories as make
from tests.factories import NOW, PASSWORD

from .browser import Person, app_for, code_of

pytestmark = pytest.mark.django_db
OWN = "a much better one of my own"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def dave() -> Person:
    return Person(make.user("dave"))


def test_password_alone_opens_nothing(dave: Person) -> None:
    app_for(dave.user)
    assert dave.password() == "/sign-in/second-factor/"
    assert not dave.is_in()
    assert dave.client.get("/admin/").status_code == 302
    assert "_auth_user_id" not in dave.client.session


def test_password_and_code_sign_in_and_are_on_record(dave: Person) -> None:
    key = app_for(dave.user)
    dave.password()
    before = dave.client.session.session_key
    assert dave.code(code_of(key)) == "/"
    assert dave.is_in()
    assert dave.client.session.session_key != before
    row = SignIn.objects.get()
    assert (row.user, row.method, row.ended_at) == (dave.user, "totp", None)
    assert dave.client.session.session_key not in row.session_digest
    assert AuditEvent.objects.get(action="people.sign_in.begin").actor == dave.user


def test_the_way_leads_back_to_where_one_wanted_to_go(dave: Person) -> None:
    key = app_for(dave.user)
    asked = dave.client.get("/orders/?market=KX")
    assert asked["Location"] == "/sign-in/?next=%2Forders%2F%3Fmarket%3DKX"
    dave.password(next="/orders/?market=KX")
    assert dave.code(code_of(key)) == "/orders/?market=KX"


@pytest.mark.parametrize("foreign", ["https://example.com/", "//example.com/", "javascript:alert(1)", "/\\example.com"])
def test_the_way_never_leads_to_somebody_elses_address(dave: Person, foreign: str) -> None:
    key = app_for(dave.user)
    dave.password(next=foreign)
    assert dave.code(code_of(key)) == "/"


def test_the_admin_uses_the_same_door(client: Client) -> None:
    assert client.get("/admin/")["Location"] == "/sign-in/?next=%2Fadmin%2F"
    assert client.get("/admin/login/?next=/admin/")["Location"] == "/sign-in/?next=%2Fadmin%2F"


def test_a_code_works_once(dave: Person) -> None:
    key = app_for(dave.user)
    code = code_of(key)
    dave.password()
    assert dave.code(code) == "/"
    again = Person(dave.user)
    again.password()
    assert again.code(code) == ""
    assert not again.is_in()


def test_after_a_wrong_code_the_next_try_has_to_wait(dave: Person, clock: time_machine.Traveller) -> None:
    key = app_for(dave.user)
    dave.password()
    assert dave.code("000000") == ""
    assert dave.code(code_of(key)) == ""
    clock.shift(timedelta(seconds=2))
    assert dave.code(code_of(key)) == "/"


def test_five_wrong_codes_send_back_to_the_password_and_lock(dave: Person) -> None:
    key = app_for(dave.user)
    dave.password()
    assert [dave.code("000000") for _ in range(5)] == ["", "", "", "", "/sign-in/"]
    assert dave.code(code_of(key)) == "/sign-in/"
    assert dave.password() == ""
    assert SystemEvent.objects.get(code="SIGN_IN_LOCKED").severity == "warning"


def test_five_wrong_passwords_lock_this_name_from_this_address_only(
    dave: Person, clock: time_machine.Traveller
) -> None:
    key = app_for(dave.user)
    said = {dave.client.post("/sign-in/", {"username": "dave", "password": "wrong"}).content for _ in range(5)}
    locked = dave.client.post("/sign-in/", {"username": "dave", "password": PASSWORD})
    assert locked.status_code == 422
    assert "Location" not in locked
    elsewhere = Person(dave.user, Client(REMOTE_ADDR="192.0.2.7"))
    assert elsewhere.password() == "/sign-in/second-factor/"
    erin = Person(make.user("erin"))
    assert erin.password() == "/sign-in/enrol/"
    clock.shift(timedelta(minutes=16))
    assert dave.sign_in(key) == "/"
    assert len({len(page) for page in said}) == 1


def test_the_page_says_the_same_of_a_wrong_password_an_unknown_name_and_a_lock(client: Client) -> None:
    make.user("dave")

    def said(name: str, password: str) -> str:
        page = client.post("/sign-in/", {"username": name, "password": password}).content.decode()
        return page.split('role="alert"')[1].split("</div>")[0]

    wrong, unknown = said("dave", "wrong"), said("nobody", "wrong")
    for _ in range(5):
        said("dave", "wrong")
    assert wrong == unknown == said("dave", PASSWORD)


def test_nothing_secret_is_kept_of_a_wrong_try(client: Client) -> None:
    make.user("dave")
    client.post("/sign-in/", {"username": "dave", "password": "wrong-but-telling"})
    kept = AccessAttempt.objects.get()
    assert "wrong-but-telling" not in f"{kept.post_data}{kept.get_data}"


def test_an_inactive_person_and_one_without_password_do_not_come_in() -> None:
    carol = Person(make.user("carol", is_active=False))
    app_for(carol.user)
    assert carol.password() == ""


def test_a_half_done_sign_in_is_over_after_a_quarter_of_an_hour(dave: Person, clock: time_machine.Traveller) -> None:
    key = app_for(dave.user)
    dave.password()
    clock.shift(timedelta(minutes=15))
    assert dave.code(code_of(key)) == "/sign-in/"


def test_a_half_done_sign_in_does_not_outlive_the_password_it_began_with(dave: Person) -> None:
    key = app_for(dave.user)
    dave.password()
    dave.user.set_password("another one altogether")
    dave.user.save()
    assert dave.code(code_of(key)) == "/sign-in/"


def test_a_proxy_in_front_does_not_make_everybody_one_address(settings: object, dave: Person) -> None:
    settings.PROXY_DEPTH = 1  # type: ignore[attr-defined]
    for _ in range(5):
        dave.client.post(
            "/sign-in/", {"username": "dave", "password": "wrong"}, HTTP_X_FORWARDED_FOR="203.0.113.9, 192.0.2.1"
        )
    same = dave.client.post(
        "/sign-in/", {"username": "dave", "password": PASSWORD}, HTTP_X_FORWARDED_FOR="198.51.100.2, 192.0.2.1"
    )
    other = dave.client.post(
        "/sign-in/", {"username": "dave", "password": PASSWORD}, HTTP_X_FORWARDED_FOR="203.0.113.9, 192.0.2.8"
    )
    assert (same.status_code, other.status_code) == (422, 302)


def test_the_first_sign_in_takes_a_new_password_then_a_factor_and_shows_the_codes() -> None:
    Group.objects.create(name="viewer")
    given = "given-word-1234"
    user = person_create(username="carol", password=given, role="viewer", now=NOW, actor_label="test")
    assert user is not None
    carol = Person(user)
    assert carol.password(given) == "/sign-in/password/"
    for page in ("/", "/admin/", "/orders/", "/security/"):
        assert carol.client.get(page)["Location"].startswith("/sign-in/")
    assert carol.client.get("/sign-in/enrol/")["Location"] == "/sign-in/password/"
    chosen = carol.client.post("/sign-in/password/", {"new_password1": OWN, "new_password2": OWN})
    assert chosen["Location"] == "/sign-in/enrol/"
    _, codes = carol.enrol()
    assert len(set(codes)) == 10
    assert "_auth_user_id" in carol.client.session
    assert User.objects.get(username="carol").check_password(OWN)
    assert OneTimePassword.objects.get().password != User.objects.get(username="carol").password


def test_a_given_password_cannot_be_kept() -> None:
    Group.objects.create(name="viewer")
    user = person_create(username="carol", password="given-word-1234", role="viewer", now=NOW, actor_label="test")
    assert user is not None
    carol = Person(user)
    carol.password("given-word-1234")
    same = {"new_password1": "given-word-1234", "new_password2": "given-word-1234"}
    assert carol.client.post("/sign-in/password/", same).status_code == 422


def test_who_has_a_factor_shows_it_before_a_new_password_can_be_chosen(dave: Person) -> None:
    key = app_for(dave.user)
    OneTimePassword.objects.create(user=dave.user, password=dave.user.password)
    assert dave.password() == "/sign-in/second-factor/"
    data = {"new_password1": OWN, "new_password2": OWN}
    assert dave.client.post("/sign-in/password/", data)["Location"] == "/sign-in/second-factor/"
    assert dave.code(code_of(key)) == "/sign-in/password/"
    assert not dave.is_in()
    assert dave.client.post("/sign-in/password/", data)["Location"] == "/"
    assert dave.is_in()


def test_a_recovery_code_works_once_and_by_its_owner_only(dave: Person) -> None:
    app_for(dave.user)
    codes = recovery_codes_make(user=dave.user, factor=FreshFactor(dave.user.pk, NOW, "totp"), now=NOW)
    erin = Person(make.user("erin"))
    app_for(erin.user)
    erin.password()
    assert erin.code(codes[0]) == ""
    dave.password()
    assert dave.code(codes[0].upper().replace("-", " ")) == "/"
    again = Person(dave.user)
    again.password()
    assert again.code(codes[0]) == ""
    assert again.code(codes[1]) == "/"
    used = AuditEvent.objects.filter(action="people.recovery_code.use")
    assert [event.after["left"] for event in used.order_by("pk")] == [9, 8]


def test_recovery_codes_are_not_stored_as_they_are(dave: Person) -> None:
    codes = recovery_codes_make(user=dave.user, factor=FreshFactor(dave.user.pk, NOW, "totp"), now=NOW)
    stored = " ".join(dave.user.recovery_codes.values_list("digest", flat=True))
    assert not any(part in stored for code in codes for part in (code, code.replace("-", "")))


@pytest.mark.parametrize("page", ["/sign-in/", "/sign-in/second-factor/", "/sign-in/enrol/", "/sign-in/password/"])
def test_fields_take_what_a_password_manager_and_a_clipboard_give(dave: Person, page: str) -> None:
    if page == "/sign-in/second-factor/":
        app_for(dave.user)
    if page == "/sign-in/password/":
        OneTimePassword.objects.create(user=dave.user, password=dave.user.password)
    if page != "/sign-in/":
        dave.password()
    text = dave.client.get(page).content.decode()
    wanted = {
        "/sign-in/": ("username", "current-password"),
        "/sign-in/second-factor/": ("one-time-code",),
        "/sign-in/enrol/": ("one-time-code",),
        "/sign-in/password/": ("username", "new-password"),
    }[page]
    assert all(f'autocomplete="{kind}"' in text for kind in wanted)
    assert "onpaste" not in text
