"""Deciding on requests in the admin, and who is turned away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.governance.models import ApprovalRequest, ApprovalVote, AuditEvent, ReviewItem, SignIn
from apps.governance.services import approval_request
from tests.factories import PASSWORD
from tests.governance.conftest import ACTION, TARGET, NumberHandler
from tests.people import assert_turned_away

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
WHY = "a reason that is long enough"
DECISION = {"reason": WHY, "revision": "1"}


@pytest.fixture
def asked(team: dict[str, User], number: NumberHandler) -> ApprovalRequest:
    return approval_request(
        action=ACTION,
        target_type=TARGET,
        target_id="1",
        payload={"value": 9},
        reason="fills are rare",
        actor=team["scalper"],
        now=timezone.now(),
    )


def page(request: ApprovalRequest, name: str) -> str:
    return reverse(f"admin:governance_approvalrequest_{name}", args=[request.pk])


def test_request_page_shows_old_beside_new_and_its_effect(client_of: ClientOf, asked: ApprovalRequest) -> None:
    text = client_of("craig").get(page(asked, "change")).content.decode()
    row = text[text.index("<tbody>") : text.index("</tbody>")]
    assert row.index(">5<") < row.index(">9<") < row.index("Raises risk")
    assert "fills are rare" in text
    assert asked.digest in text


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("craig", {"approve", "reject"}),
        ("cliff", {"approve", "reject"}),
        ("scalper", {"withdraw"}),
        ("viewer", set()),
    ],
)
def test_buttons_are_those_the_person_may_use(
    client_of: ClientOf, asked: ApprovalRequest, name: str, offered: set[str]
) -> None:
    text = client_of(name).get(page(asked, "change")).content.decode()
    assert {step for step in ("approve", "reject", "withdraw") if page(asked, step) in text} == offered


def test_approving_applies_after_a_page_that_asks_why(
    client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler
) -> None:
    client = client_of("craig")
    confirm = client.get(page(asked, "approve")).content.decode()
    assert "The last signature that is needed applies the change" in confirm
    assert ">9<" in confirm
    assert number.numbers["1"] == 5

    response = client.post(page(asked, "approve"), DECISION, follow=True)

    assert "Signed and applied." in response.content.decode()
    assert number.numbers["1"] == 9
    asked.refresh_from_db()
    assert asked.status == "applied"
    assert page(asked, "approve") not in response.content.decode()


@pytest.mark.parametrize("step", ["approve", "reject"])
def test_deciding_turns_others_away(
    client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler, step: str
) -> None:
    for wrong in ("viewer", "scalper"):
        assert_turned_away(client_of, page(asked, step), DECISION, wrong)
    asked.refresh_from_db()
    assert (asked.status, number.numbers["1"]) == ("open", 5)
    assert not ApprovalVote.objects.exists()


def test_own_request_cannot_be_approved_by_going_to_its_address(
    client_of: ClientOf, team: dict[str, User], number: NumberHandler
) -> None:
    own = approval_request(
        action=ACTION,
        target_type=TARGET,
        target_id="2",
        payload={"value": 9},
        reason=WHY,
        actor=team["craig"],
        now=timezone.now(),
    )
    response = client_of("craig").post(page(own, "approve"), DECISION)
    assert response.status_code == 422
    assert "Another person must decide on your request" in response.content.decode()
    assert number.numbers["2"] == 7


def test_superuser_gets_no_further(client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    response = client.post(page(asked, "approve"), DECISION)
    assert response.status_code == 422
    assert number.numbers["1"] == 5


def test_short_reason_is_sent_back(client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler) -> None:
    response = client_of("craig").post(page(asked, "approve"), DECISION | {"reason": "ok"})
    assert response.status_code == 422
    assert "at least 10 characters" in response.content.decode()
    assert number.numbers["1"] == 5


def test_withdrawing_is_for_the_requester(client_of: ClientOf, asked: ApprovalRequest) -> None:
    refused = client_of("craig").post(page(asked, "withdraw"), {"reason": WHY})
    assert refused.status_code == 422
    asked.refresh_from_db()
    assert asked.status == "open"
    done = client_of("scalper").post(page(asked, "withdraw"), {"reason": WHY}, follow=True)
    assert "Withdrawn. Nothing was changed." in done.content.decode()


def test_waiting_filter_answers_its_question(client_of: ClientOf, asked: ApprovalRequest) -> None:
    listing = reverse("admin:governance_approvalrequest_changelist")
    found = {
        (name, answer): page(asked, "change") in client_of(name).get(listing, {"waiting": answer}).content.decode()
        for name in ("craig", "scalper")
        for answer in ("yes", "mine", "no")
    }
    assert [key for key, shown in found.items() if shown] == [("craig", "yes"), ("craig", "mine"), ("scalper", "yes")]


def test_people_see_no_password_and_cannot_grant_roles(client_of: ClientOf, team: dict[str, User]) -> None:
    team["viewer"].groups.set(Group.objects.filter(name="technical_admin"))
    change = reverse("admin:auth_user_change", args=[team["craig"].pk])
    text = client_of("scalper").get(change).content.decode()
    assert team["craig"].password not in text
    boss = Group.objects.get(name="boss")

    own = reverse("admin:auth_user_change", args=[team["viewer"].pk])
    data = {"username": "viewer", "first_name": "Vi", "is_active": "on", "is_superuser": "on", "groups": [boss.pk]}
    response = client_of("viewer").post(own, data)

    assert response.status_code == 302
    viewer = User.objects.get(username="viewer")
    assert (viewer.first_name, viewer.is_superuser) == ("Vi", False)
    assert [g.name for g in viewer.groups.all()] == ["technical_admin"]
    event = AuditEvent.objects.get(action="people.user.change")
    assert (event.actor, event.object_id, event.after["changed"]) == (viewer, str(viewer.pk), ["first_name"])


def test_setting_the_password_of_an_approver_is_not_for_the_technical_admin(
    client_of: ClientOf, team: dict[str, User]
) -> None:
    team["viewer"].groups.set(Group.objects.filter(name="technical_admin"))
    page_of_craig = reverse("admin:auth_user_password_change", args=[team["craig"].pk])
    data = {"password1": "a new long pass phrase", "password2": "a new long pass phrase", "usable_password": "true"}
    assert client_of("viewer").post(page_of_craig, data).status_code == 403
    assert User.objects.get(username="craig").check_password(PASSWORD)

    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    assert root.post(page_of_craig, data).status_code == 302
    assert User.objects.get(username="craig").check_password("a new long pass phrase")
    assert AuditEvent.objects.get(action="people.user.set_password").actor_label == "root"


def test_role_page_lists_rights_and_people(client_of: ClientOf) -> None:
    boss = Group.objects.get(name="boss")
    text = client_of("craig").get(reverse("admin:auth_group_change", args=[boss.pk])).content.decode()
    assert "governance.approve_risk_raise" in text
    assert "craig" in text


def test_waits_for_me_leaves_out_what_i_asked_for_and_what_i_have_signed(
    client_of: ClientOf, team: dict[str, User], asked: ApprovalRequest
) -> None:
    def waits(name: str) -> bool:
        listing = client_of(name).get(reverse("admin:governance_approvalrequest_changelist"), {"waiting": "mine"})
        on_index = client_of(name).get(reverse("admin:index")).context["waiting"]
        shown = asked in listing.context["cl"].result_list
        assert shown == any(line.label == "changes wait for you" for line in on_index)
        return shown

    assert [waits(name) for name in ("craig", "cliff", "scalper")] == [True, True, False]
    ApprovalVote.objects.create(
        request=asked, requester=team["scalper"], last_editor=team["scalper"], voter=team["craig"], vote="approve",
        digest="d", reason=WHY, voted_at=timezone.now(),
    )  # fmt: skip
    assert [waits(name) for name in ("craig", "cliff", "scalper")] == [False, True, False]


def test_overdue_steps_of_others_are_told_apart_from_ones_own(client_of: ClientOf, team: dict[str, User]) -> None:
    now = timezone.now()
    due = {"old": now - timedelta(hours=1), "new": now + timedelta(hours=1)}
    for name, by in (("old", "craig"), ("new", "cliff")):
        ReviewItem.objects.create(
            kind="stopped", what=name, object_type="risk.KillRun", object_id="1", opened_by=team[by], opened_at=now,
            due_at=due[name],
        )  # fmt: skip
    listing = reverse("admin:governance_reviewitem_changelist")

    def shown(name: str, answer: str) -> set[str]:
        return {row.what for row in client_of(name).get(listing, {"looked": answer}).context["cl"].result_list}

    assert shown("craig", "no") == {"old", "new"}
    assert shown("craig", "overdue") == {"old"}
    assert shown("craig", "mine") == {"new"}
    assert shown("craig", "yes") == set()


def test_no_page_of_a_sign_in_shows_its_digest(client_of: ClientOf, team: dict[str, User]) -> None:
    client = client_of("craig")
    row = SignIn.objects.latest("pk")
    pages = (
        reverse("admin:governance_signin_changelist"),
        reverse("admin:governance_signin_change", args=[row.pk]),
    )
    for page_of in pages:
        text = client.get(page_of).content.decode()
        assert "craig" in text
        assert row.session_digest not in text
