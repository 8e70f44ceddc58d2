"""The pages of requests, signatures, rules and reviews, and who is turned away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.governance.evidence import EvidenceLink
from apps.governance.models import ApprovalRequest, ApprovalVote, ReviewItem, SignoffRule
from tests.governance.conftest import NumberHandler

from .acts import WHY, Team, ask, edit, hire, sign, smash

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
SIGN = {"vote": "approve", "revision": "1", "reason": WHY}
EMPTY = {f"evidence_{n}_{part}": "" for n in range(2) for part in ("kind", "title", "reference", "sha256")}
EDIT = {"value_value": "8", "revision": "1", "reason": WHY, "apply_after": ""} | EMPTY


def url(name: str, *args: object) -> str:
    return reverse(f"console:{name}", args=args)


@pytest.fixture
def asked(team: Team, number: NumberHandler) -> ApprovalRequest:
    return ask(team["scalper"], evidence=[EvidenceLink("backtest", "Six months", "run 41")], now=timezone.now())


def test_page_shows_all_that_a_signer_needs(
    client_of: ClientOf, asked: ApprovalRequest, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of("craig")
    client.get(url("approval", asked.pk))
    with django_assert_max_num_queries(26):
        html = client.get(url("approval", asked.pk)).content.decode()
    row = html[html.index('<tr class="changed">') :]
    row = row[: row.index("</tr>")]
    assert row.index(">5<") < row.index("9</b>") < row.index("Raises risk") < row.index("0 to 999")
    assert "Six months" in html
    assert "run 41" in html
    needs = html[html.index("Needed signatures") : html.index("<h2>Signatures")]
    assert "boss" in needs
    assert "craig" in needs
    assert asked.digest in html
    assert f"/audit/?object=governance.ApprovalRequest:{asked.pk}" in html
    assert 'value="approve"' in html


@pytest.mark.parametrize(
    ("name", "signs", "rejects", "edits", "withdraws", "breaks"),
    [
        ("craig", True, True, True, False, True),
        ("cliff", False, True, True, False, True),
        ("scalper", False, False, True, True, False),
        ("viewer", False, False, False, False, False),
    ],
)
def test_buttons_are_those_the_person_may_use(
    client_of: ClientOf,
    asked: ApprovalRequest,
    name: str,
    signs: bool,
    rejects: bool,
    edits: bool,
    withdraws: bool,
    breaks: bool,
) -> None:
    html = client_of(name).get(url("approval", asked.pk)).content.decode()
    assert ('value="approve"' in html) is signs
    assert ('value="reject"' in html) is rejects
    assert (f'href="{url("approval-edit", asked.pk)}"' in html) is edits
    assert (url("approval-withdraw", asked.pk) in html) is withdraws
    assert (url("approval-break-glass", asked.pk) in html) is breaks


def test_signing_applies(client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler) -> None:
    response = client_of("craig").post(url("approval", asked.pk), SIGN)
    assert response.status_code == 302
    assert number.numbers["1"] == 9


@pytest.mark.parametrize("step", ["approval", "approval-countersign"])
def test_deciding_turns_others_away(
    client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler, step: str
) -> None:
    for wrong in ("viewer", "scalper"):
        for name in (wrong, "eve", "outsider"):
            assert client_of(name).post(url(step, asked.pk), SIGN).status_code == 403
    assert client_of("").post(url(step, asked.pk), SIGN).status_code == 302
    asked.refresh_from_db()
    assert (asked.status, number.numbers["1"], ApprovalVote.objects.count()) == ("open", 5, 0)


@pytest.mark.parametrize(
    ("name", "data", "without_right"),
    [
        ("approval-edit", EDIT, "viewer"),
        ("approval-break-glass", {"revision": "1", "reason": WHY}, "scalper"),
        ("approval-withdraw", {"reason": WHY}, "eve"),
    ],
)
def test_other_steps_turn_others_away(
    client_of: ClientOf,
    asked: ApprovalRequest,
    number: NumberHandler,
    name: str,
    data: dict[str, str],
    without_right: str,
) -> None:
    for who in (without_right, "eve", "outsider"):
        assert client_of(who).post(url(name, asked.pk), data).status_code == 403
    assert client_of("").post(url(name, asked.pk), data).status_code == 302
    asked.refresh_from_db()
    assert (asked.status, asked.revision, number.numbers["1"]) == ("open", 1, 5)


def test_old_factor_leads_to_showing_it_and_signs_nothing(
    client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler
) -> None:
    client = client_of("craig")
    session = client.session
    session["second_factor"] = session["second_factor"] | {"at": "2026-01-01T00:00:00+00:00"}
    session.save()
    response = client.post(url("approval", asked.pk), SIGN)
    assert response.status_code == 302
    assert response["Location"].startswith("/step-up/")
    assert number.numbers["1"] == 5


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (SIGN | {"reason": "short"}, 422),
        (SIGN | {"reason": ""}, 422),
        (SIGN | {"vote": "perhaps"}, 422),
        (SIGN | {"revision": ""}, 422),
        (SIGN | {"revision": "7"}, 409),
    ],
)
def test_what_cannot_be_signed_is_sent_back(
    client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler, data: dict[str, str], status: int
) -> None:
    response = client_of("craig").post(url("approval", asked.pk), data)
    assert response.status_code == status
    assert 'role="alert"' in response.content.decode()
    assert number.numbers["1"] == 5


def test_edit_makes_a_revision_and_the_page_keeps_the_void_signature(
    client_of: ClientOf, team: Team, number: NumberHandler, two_signers: None
) -> None:
    rita, now = hire("rita", "risk"), timezone.now()
    request = ask(team["scalper"], now=now)
    sign(request, rita, now=now)
    form = client_of("cliff").get(url("approval-edit", request.pk)).content.decode()
    assert 'name="value_value" value="9"' in form

    response = client_of("cliff").post(url("approval-edit", request.pk), EDIT)

    assert response.status_code == 302
    html = client_of("craig").get(url("approval", request.pk)).content.decode()
    assert "revision 2" in html
    assert "<s>rita</s>" in html
    assert "void since the edit" in html
    assert "5 → 9" in html


def test_edit_carries_evidence_and_time(client_of: ClientOf, asked: ApprovalRequest) -> None:
    later = timezone.now() + timedelta(hours=2)
    data = EDIT | {
        "evidence_0_kind": "file",
        "evidence_0_title": "Results",
        "evidence_0_reference": "results.csv",
        "evidence_0_sha256": "a" * 64,
        "apply_after": later.strftime("%Y-%m-%dT%H:%M"),
    }
    assert client_of("cliff").post(url("approval-edit", asked.pk), data).status_code == 302
    asked.refresh_from_db()
    assert asked.apply_after == later.replace(second=0, microsecond=0)
    assert list(asked.evidence.filter(revision=2).values_list("kind", "title", "sha256")) == [
        ("file", "Results", "a" * 64)
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evidence_0_kind": "file", "evidence_0_title": "Results"}, "needs its SHA-256"),
        ({"apply_after": "2020-01-01T00:00"}, "within the next 7 days"),
        ({"reason": "short"}, "at least 10 characters"),
        (
            {
                "value_value": "9",
                "evidence_0_kind": "backtest",
                "evidence_0_title": "Six months",
                "evidence_0_reference": "run 41",
            },
            "Nothing would change",
        ),
    ],
)
def test_edit_that_cannot_be_is_sent_back(
    client_of: ClientOf, asked: ApprovalRequest, change: dict[str, str], words: str
) -> None:
    response = client_of("cliff").post(url("approval-edit", asked.pk), EDIT | change)
    assert response.status_code == 422
    assert words in response.content.decode()
    asked.refresh_from_db()
    assert asked.revision == 1


def test_moved_base_is_said_and_offers_a_new_one(
    client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler
) -> None:
    number.numbers["1"] = 6
    html = client_of("scalper").get(url("approval", asked.pk)).content.decode()
    assert "The target has changed since" in html
    response = client_of("craig").post(url("approval", asked.pk), SIGN)
    assert response.status_code == 409


def test_emergency_change_from_a_request_and_its_two_signatures(
    client_of: ClientOf, team: Team, asked: ApprovalRequest, number: NumberHandler
) -> None:
    response = client_of("cliff").post(url("approval-break-glass", asked.pk), {"revision": "1", "reason": WHY})
    made = ApprovalRequest.objects.get(path="break_glass")
    assert response["Location"] == url("approval", made.pk)
    assert number.numbers["1"] == 9
    html = client_of("craig").get(url("approval", made.pk)).content.decode()
    assert "2 more people must sign" in html
    assert client_of("craig").post(url("approval-countersign", made.pk), {"reason": WHY}).status_code == 302
    assert "1 more person must sign" in client_of("viewer").get(url("approval", made.pk)).content.decode()
    assert f"#{made.pk}" in client_of("viewer").get(url("approvals")).content.decode()


def test_void_request_says_so(client_of: ClientOf, asked: ApprovalRequest, number: NumberHandler) -> None:
    ApprovalRequest.objects.filter(pk=asked.pk).update(payload={"value": 900})
    response = client_of("craig").post(url("approval", asked.pk), SIGN)
    assert response.status_code == 409
    html = response.content.decode()
    assert "altered behind our back" in html
    assert 'value="approve"' not in html


def test_list_has_bounded_queries(
    client_of: ClientOf, team: Team, number: NumberHandler, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now()
    for value in (4, 3, 2):
        ask(team["scalper"], value, now=now)
    edit(ask(team["scalper"], now=now), team["cliff"], 7, now=now)
    ask(team["scalper"], target="2", now=now)
    client = client_of("viewer")
    client.get(url("approvals"))
    with django_assert_max_num_queries(10):
        html = client.get(url("approvals")).content.decode()
    assert html.count("Lowered risk, by one person") == 3
    assert html.count("Raises risk") == 2


def test_review_is_closed_on_its_page_by_another_person(client_of: ClientOf, team: Team, number: NumberHandler) -> None:
    ask(team["cliff"], 3, now=timezone.now())
    item = ReviewItem.objects.get()
    data = {"item": str(item.pk), "reason": "was right to do so"}
    assert "somebody else looks at yours" in client_of("cliff").get(url("reviews")).content.decode()
    assert client_of("cliff").post(url("reviews"), data).status_code == 403
    for name in ("scalper", "viewer", "eve", "outsider"):
        assert client_of(name).post(url("reviews"), data).status_code == 403
    assert client_of("").post(url("reviews"), data).status_code == 302
    assert client_of("craig").post(url("reviews"), data | {"reason": "ok"}).status_code == 422
    item.refresh_from_db()
    assert item.reviewed_at is None

    assert client_of("craig").post(url("reviews"), data).status_code == 302

    assert "was right to do so" in client_of("viewer").get(url("reviews")).content.decode()


def test_rule_is_asked_for_on_its_page(client_of: ClientOf, team: Team, number: NumberHandler) -> None:
    hire("rita", "risk")
    data = {
        "action": "risk.limit.change",
        "environment": "",
        "direction": "raises",
        "role_boss": "1",
        "role_operations": "0",
        "role_risk": "1",
        "reason": WHY,
    }
    for name in ("viewer", "eve", "outsider"):
        assert client_of(name).post(url("signoff-rules"), data).status_code == 403
    assert client_of("").post(url("signoff-rules"), data).status_code == 302
    assert not ApprovalRequest.objects.exists()

    response = client_of("scalper").post(url("signoff-rules"), data)

    request = ApprovalRequest.objects.get()
    assert response["Location"] == url("approval", request.pk)
    assert request.payload == {"needs": {"boss": 1, "risk": 1}}
    client_of("craig").post(url("approval", request.pk), SIGN)
    assert SignoffRule.objects.get().needs == {"boss": 1, "risk": 1}
    html = client_of("viewer").get(url("signoff-rules")).content.decode()
    assert "risk.limit.change" in html
    assert f"#{request.pk}" in html
    refused = client_of("scalper").post(url("signoff-rules"), data | {"role_boss": "3"})
    assert refused.status_code == 422
    assert "1 active people sign as boss" in refused.content.decode()


@pytest.mark.parametrize("name", ["approvals", "reviews", "signoff-rules"])
def test_pages_are_for_those_who_may_look(client_of: ClientOf, team: Team, name: str) -> None:
    assert client_of("viewer").get(url(name)).status_code == 200
    for who in ("eve", "outsider"):
        assert client_of(who).get(url(name)).status_code == 403
    assert client_of("").get(url(name)).status_code == 302


def test_page_of_an_emergency_change_offers_no_second_one(
    client_of: ClientOf, team: dict[str, User], number: NumberHandler
) -> None:
    made = smash(team["cliff"], now=timezone.now())
    html = client_of("craig").get(url("approval", made.pk)).content.decode()
    assert "Break the glass" not in html
    assert url("approval-countersign", made.pk) in html
