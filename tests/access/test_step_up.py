"""A fresh factor before what cannot easily be taken back, and the way there and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from apps.core.stepup import FreshFactor, StepUpNeeded, require_fresh
from apps.governance.middleware import AccessMiddleware
from apps.governance.models import RecoveryCode, SignIn
from apps.governance.services.factors import recovery_codes_make
from tests import factories as make
from tests.factories import NOW

from .browser import Person, app_for, code_of

pytestmark = pytest.mark.django_db
ASKS = "/step-up/?next=%2Fsecurity%2F"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def key() -> bytes:
    return app_for(make.user("dave"))


@pytest.fixture
def dave(key: bytes) -> Person:
    from django.contrib.auth.models import User

    person = Person(User.objects.get(username="dave"))
    assert person.sign_in(key) == "/"
    return person


def test_signing_in_counts_for_five_minutes(dave: Person, clock: time_machine.Traveller) -> None:
    clock.shift(timedelta(minutes=5))
    assert dave.client.get("/security/password/").status_code == 200
    clock.shift(timedelta(seconds=1))
    assert dave.client.get("/security/password/")["Location"] == "/step-up/?next=%2Fsecurity%2Fpassword%2F"


def test_there_and_back_with_a_word_on_what_became_of_the_form(
    dave: Person, key: bytes, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(minutes=6))
    sent = dave.client.post("/security/recovery-codes/", headers={"Referer": "http://testserver/security/"})
    assert sent["Location"] == ASKS
    assert not RecoveryCode.objects.exists()
    assert "Nothing was sent yet" in dave.client.get(ASKS).content.decode()
    assert dave.code(code_of(key), "/step-up/", next="/security/") == "/security/"
    back = dave.client.get("/security/").content.decode()
    assert "Second factor confirmed" in back
    dave.client.post("/security/recovery-codes/")
    assert RecoveryCode.objects.count() == 10


def test_an_htmx_form_takes_the_whole_page_there(dave: Person, clock: time_machine.Traveller) -> None:
    clock.shift(timedelta(minutes=6))
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/security/"}
    assert dave.client.post("/security/recovery-codes/", headers=headers)["HX-Redirect"] == ASKS


def test_a_page_of_somebody_elses_is_never_the_way_back(
    dave: Person, key: bytes, clock: time_machine.Traveller
) -> None:
    clock.shift(timedelta(minutes=6))
    sent = dave.client.post("/security/recovery-codes/", headers={"Referer": "https://example.com/security/"})
    assert sent["Location"] == "/step-up/"
    assert dave.code(code_of(key), "/step-up/", next="https://example.com/") == "/"


def test_a_code_that_signed_in_does_not_confirm_too(dave: Person, key: bytes, clock: time_machine.Traveller) -> None:
    assert dave.code(code_of(key), "/step-up/") == ""
    clock.shift(timedelta(seconds=30))
    assert dave.code(code_of(key), "/step-up/") == "/"


def test_five_wrong_answers_end_the_sign_in(dave: Person) -> None:
    assert [dave.code("000000", "/step-up/") for _ in range(5)] == ["", "", "", "", "/sign-in/"]
    assert not dave.is_in()
    assert SignIn.objects.get().ended_because == "factor"


def test_a_recovery_code_confirms_once(dave: Person) -> None:
    codes = recovery_codes_make(user=dave.user, factor=FreshFactor(dave.user.pk, NOW, "totp"), now=NOW)
    assert dave.code(codes[3], "/step-up/") == "/"
    assert dave.code(codes[3], "/step-up/") == ""


@pytest.mark.parametrize("age", [timedelta(minutes=5, microseconds=1), timedelta(seconds=-1)])
def test_a_factor_too_old_or_of_the_future_is_none(age: timedelta) -> None:
    dave = make.user("dave")
    with pytest.raises(StepUpNeeded):
        require_fresh(FreshFactor(dave.pk, NOW - age, "totp"), actor=dave, now=NOW)


def test_another_persons_factor_is_none() -> None:
    dave, erin = make.user("dave"), make.user("erin")
    with pytest.raises(StepUpNeeded):
        require_fresh(FreshFactor(erin.pk, NOW, "totp"), actor=dave, now=NOW)


def test_other_errors_are_left_to_others() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise AssertionError

    request = RequestFactory().get("/")
    assert AccessMiddleware(view).process_exception(request, ValueError()) is None


def test_recovery_codes_need_a_fresh_factor_in_the_service_itself() -> None:
    dave = make.user("dave")
    with pytest.raises(StepUpNeeded):
        recovery_codes_make(user=dave, factor=None, now=NOW)


def test_step_up_is_for_those_who_are_in(client: Client) -> None:
    assert client.get("/step-up/")["Location"].startswith("/sign-in/")
