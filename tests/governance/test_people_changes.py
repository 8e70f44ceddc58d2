"""New second factors and new roles: a technical admin asks, somebody else signs, and never about themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from apps.core.exceptions import ApplicationError, NotPermitted, Refused
from apps.core.stepup import FreshFactor
from apps.governance.choices import ApprovalStatus
from apps.governance.models import ApprovalRequest, AuditEvent, OneTimePassword, SignIn
from apps.governance.people import factors_of, recovery_codes_left
from apps.governance.services import approval_vote
from apps.governance.services.factors import recovery_codes_make
from apps.governance.services.people import factor_reset_request, roles_request
from tests.access.browser import Person, app_for
from tests.factories import NOW, PASSWORD
from tests.people import assert_turned_away

pytestmark = pytest.mark.django_db
WHY = "Lost the phone, checked by a video call"


@pytest.fixture(autouse=True)
def _at_a_fixed_time() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def admin(team: dict[str, User]) -> User:
    """Looks after people; in the team of the other fixtures."""
    user = User.objects.create_user("admin", password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name="technical_admin"))
    return user


@pytest.fixture
def scalper(team: dict[str, User], client_of: Callable[[str], Client]) -> User:
    """With an app, recovery codes, and signed in somewhere."""
    user = team["scalper"]
    app_for(user)
    recovery_codes_make(user=user, factor=shown(user), now=NOW)
    client_of("scalper")
    return user


def shown(user: User) -> FreshFactor:
    return FreshFactor(user.pk, NOW, "totp")


def sign(request: ApprovalRequest, signer: User) -> ApprovalRequest:
    return approval_vote(
        request_id=request.pk,
        revision=request.revision,
        vote="approve",
        reason="Spoke to them, it is them",
        actor=signer,
        factor=shown(signer),
        now=NOW,
    )


def test_a_reset_takes_everything_away_once_another_signed(team: dict[str, User], admin: User, scalper: User) -> None:
    asked = factor_reset_request(user=scalper, reason=WHY, actor=admin, now=NOW)
    assert factors_of(scalper)
    sign(asked, team["craig"])
    assert factors_of(scalper) == []
    assert recovery_codes_left(scalper) == 0
    assert SignIn.objects.get(user=scalper).ended_because == "reset"
    event = AuditEvent.objects.get(action="people.factor.reset")
    assert event.before == {"factors": ["totp"], "codes_left": 10}
    assert Person(scalper).password() == "/sign-in/enrol/"


def test_compliance_may_sign_it_since_the_boss_may_be_who_lost_it(team: dict[str, User], admin: User) -> None:
    carol = User.objects.create_user("carol", is_staff=True)
    carol.groups.add(Group.objects.get(name="risk"))
    app_for(team["craig"])
    sign(factor_reset_request(user=team["craig"], reason=WHY, actor=admin, now=NOW), carol)
    assert factors_of(team["craig"]) == []


@pytest.mark.parametrize("name", ["cliff", "scalper", "viewer", "admin"])
def test_nobody_else_may_sign_it(team: dict[str, User], admin: User, scalper: User, name: str) -> None:
    asked = factor_reset_request(user=scalper, reason=WHY, actor=admin, now=NOW)
    with suppress(ApplicationError):
        sign(asked, {**team, "admin": admin}[name])
    assert ApprovalRequest.objects.get(pk=asked.pk).status == ApprovalStatus.OPEN
    assert factors_of(scalper)


def test_nobody_signs_a_reset_of_their_own(team: dict[str, User], admin: User) -> None:
    app_for(team["craig"])
    carol = User.objects.create_user("carol", is_staff=True)
    carol.groups.add(Group.objects.get(name="risk"))
    asked = factor_reset_request(user=team["craig"], reason=WHY, actor=admin, now=NOW)
    with pytest.raises(ApplicationError):
        sign(asked, team["craig"])
    assert factors_of(team["craig"])


@pytest.mark.parametrize("name", ["craig", "cliff", "scalper", "viewer"])
def test_only_who_looks_after_people_may_ask(team: dict[str, User], scalper: User, name: str) -> None:
    with pytest.raises(NotPermitted):
        factor_reset_request(user=scalper, reason=WHY, actor=team[name], now=NOW)
    with pytest.raises(NotPermitted):
        roles_request(user=scalper, roles=["boss"], reason=WHY, actor=team[name], now=NOW)


def test_there_must_be_something_to_reset(team: dict[str, User], admin: User) -> None:
    with pytest.raises(Refused, match="no second factor"):
        factor_reset_request(user=team["viewer"], reason=WHY, actor=admin, now=NOW)


def test_roles_change_once_the_boss_signed_and_the_person_signs_in_anew(
    team: dict[str, User], admin: User, scalper: User
) -> None:
    asked = roles_request(user=scalper, roles=["operations", "trader"], reason=WHY, actor=admin, now=NOW)
    assert [group.name for group in scalper.groups.all()] == ["trader"]
    sign(asked, team["craig"])
    assert sorted(group.name for group in scalper.groups.all()) == ["operations", "trader"]
    assert SignIn.objects.get(user=scalper).ended_because == "role"
    assert AuditEvent.objects.get(action="people.roles.change").before == {"roles": ["trader"]}


@pytest.mark.parametrize(
    ("roles", "says"),
    [(["king"], "no role king"), (["technical_admin", "trader"], "no other role"), (["trader"], "already")],
)
def test_roles_that_make_no_sense_are_refused(
    team: dict[str, User], admin: User, scalper: User, roles: list[str], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        roles_request(user=scalper, roles=roles, reason=WHY, actor=admin, now=NOW)


def test_an_admin_cannot_make_themselves_boss_alone(team: dict[str, User], admin: User) -> None:
    asked = roles_request(user=admin, roles=["boss"], reason=WHY, actor=admin, now=NOW)
    with pytest.raises(ApplicationError):
        sign(asked, admin)
    assert [group.name for group in admin.groups.all()] == ["technical_admin"]


def test_both_are_asked_for_on_the_persons_page(
    client_of: Callable[[str], Client], team: dict[str, User], admin: User, scalper: User
) -> None:
    client = Client()
    client.force_login(admin)
    for page, data in (("reset-factor", {}), ("roles", {"roles": ["viewer"]})):
        url = reverse(f"admin:auth_user_{page}", args=[scalper.pk])
        assert_turned_away(client_of, url, {"reason": WHY, **data}, "cliff")
        assert client.get(url).status_code == 200
        assert client.post(url, {"reason": WHY, **data}).status_code == 302
    assert ApprovalRequest.objects.filter(requester=admin).count() == 2
    assert factors_of(scalper)


def test_a_password_an_admin_typed_is_good_for_one_sign_in(team: dict[str, User], admin: User) -> None:
    client = Client()
    client.force_login(admin)
    typed = "typed-by-an-admin-1"
    data = {"username": "erin", "password1": typed, "password2": typed, "usable_password": "true"}
    made = client.post(reverse("admin:auth_user_add"), data)
    assert made["Location"].startswith("/admin/auth/user/")
    erin = User.objects.get(username="erin")
    assert OneTimePassword.objects.get().user == erin
    assert not erin.is_staff
    assert Person(erin).password(typed) == "/sign-in/password/"
