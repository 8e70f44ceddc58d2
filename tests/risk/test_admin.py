"""Stopping, resuming and limits from the admin, and who is turned away."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.governance.models import ApprovalRequest, AuditEvent
from apps.risk.choices import ResumeCheck
from apps.risk.models import KillRun, RestrictedMarket, RiskLimit, Theme, TradingState
from tests.factories import NOW
from tests.people import assert_turned_away

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
WHY = "a reason that is long enough"
HALT = "admin:risk_tradingstate_halt"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app, "send_task", lambda *args, **kwargs: None)


@pytest.fixture
def halted(db: None) -> TradingState:
    return TradingState.objects.create(scope="account", scope_id="main", state="halted", reason="x", changed_at=NOW)


@pytest.fixture
def limit(db: None) -> RiskLimit:
    return RiskLimit.objects.create(
        scope="account", scope_id="main", rule="max_order_dollars", value=Decimal(500), updated_at=NOW
    )


def test_viewer_halts_everything_from_the_list_without_words(client_of: ClientOf, team: dict[str, User]) -> None:
    client = client_of("viewer")
    page = reverse(HALT)
    assert page in client.get(reverse("admin:risk_tradingstate_changelist")).content.decode()
    assert "One person is enough" in client.get(page).content.decode()
    assert not TradingState.objects.exists()

    response = client.post(page, {"scope": "global", "scope_id": "", "reason": ""})

    assert (response.status_code, response["Location"]) == (302, reverse("admin:risk_tradingstate_changelist"))
    row = TradingState.objects.get()
    assert (row.scope, row.state, row.changed_by) == ("global", "halted", team["viewer"])
    assert KillRun.objects.get().pressed_by == team["viewer"]
    assert AuditEvent.objects.filter(action="risk.kill_switch.trip").count() == 1


def test_halt_of_one_scope_from_its_page(client_of: ClientOf) -> None:
    row = TradingState.objects.create(scope="series", scope_id="KX", state="active", reason="x", changed_at=NOW)
    response = client_of("viewer").post(reverse(HALT, args=[row.pk]), {"reason": "odd"})
    assert response.status_code == 302
    row.refresh_from_db()
    assert (row.state, row.reason) == ("halted", "odd")


def test_halt_with_a_scope_that_is_not_there_says_so_and_changes_nothing(client_of: ClientOf) -> None:
    response = client_of("viewer").post(reverse(HALT), {"scope": "market", "scope_id": "", "reason": ""})
    assert response.status_code == 422
    assert "needs to say which one" in response.content.decode()
    assert not TradingState.objects.exists()


def test_halt_turns_strangers_away(client_of: ClientOf) -> None:
    assert_turned_away(client_of, reverse(HALT), {"scope": "global", "reason": ""}, "eve")
    assert not TradingState.objects.exists()


def test_reduce_from_the_list(client_of: ClientOf) -> None:
    page = reverse("admin:risk_tradingstate_reduce")
    assert_turned_away(client_of, page, {"scope": "global"}, "eve")
    response = client_of("viewer").post(page, {"scope": "account", "scope_id": "main", "reason": ""})
    assert response.status_code == 302
    assert TradingState.objects.get().state == "reducing"


def test_resume_from_the_admin_is_only_a_proposal(client_of: ClientOf, halted: TradingState) -> None:
    page = reverse("admin:risk_tradingstate_resume", args=[halted.pk])
    assert_turned_away(client_of, page, {"reason": WHY}, "viewer")
    assert not ApprovalRequest.objects.exists()

    client_of("scalper").post(page, {"reason": WHY, "checked": ["cause_known"]})
    assert not ApprovalRequest.objects.exists()

    response = client_of("scalper").post(page, {"reason": WHY, "checked": ResumeCheck.values}, follow=True)

    assert "waits for another person. Nothing has changed yet." in response.content.decode()
    halted.refresh_from_db()
    assert halted.state == "halted"
    assert ApprovalRequest.objects.get().action == "risk.resume"


def test_resume_button_shows_only_to_those_who_may_and_where_it_helps(
    client_of: ClientOf, halted: TradingState
) -> None:
    page = reverse("admin:risk_tradingstate_change", args=[halted.pk])
    resume = reverse("admin:risk_tradingstate_resume", args=[halted.pk])
    assert resume in client_of("scalper").get(page).content.decode()
    assert resume not in client_of("viewer").get(page).content.decode()
    TradingState.objects.update(state="active")
    assert resume not in client_of("scalper").get(page).content.decode()


def test_limit_is_proposed_and_not_saved(client_of: ClientOf, limit: RiskLimit) -> None:
    page = reverse("admin:risk_risklimit_propose", args=[limit.pk])
    data = {"value": "600", "reason": WHY}
    assert_turned_away(client_of, page, data, "viewer")
    assert not ApprovalRequest.objects.exists()
    client = client_of("scalper")
    assert 'value="500"' in client.get(page).content.decode()

    response = client.post(page, data, follow=True)

    assert "waits for another person" in response.content.decode()
    limit.refresh_from_db()
    assert limit.value == 500
    request = ApprovalRequest.objects.get()
    assert (request.target_id, request.payload) == ("max_order_dollars:account:main", {"value": "600"})


def test_proposal_that_only_lowers_risk_is_in_force_at_once_and_says_so(client_of: ClientOf, limit: RiskLimit) -> None:
    page = reverse("admin:risk_risklimit_propose", args=[limit.pk])
    response = client_of("scalper").post(page, {"value": "400", "reason": WHY}, follow=True)
    assert "In force at once, since it only lowers risk." in response.content.decode()
    limit.refresh_from_db()
    assert limit.value == 400


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"value": "many", "reason": WHY}, "not a usable number"),
        ({"value": "400", "reason": "short"}, "at least 10 characters"),
        ({"value": "", "reason": WHY}, "This field is required"),
    ],
)
def test_bad_limit_proposal_keeps_what_was_typed(
    client_of: ClientOf, limit: RiskLimit, data: dict[str, str], says: str
) -> None:
    response = client_of("scalper").post(reverse("admin:risk_risklimit_propose", args=[limit.pk]), data)
    text = response.content.decode()
    assert response.status_code == 422
    assert says in text
    assert data["reason"] in text
    assert not ApprovalRequest.objects.exists()


def test_new_limit_is_proposed_from_the_list(client_of: ClientOf) -> None:
    page = reverse("admin:risk_risklimit_propose-new")
    data = {"scope": "series", "scope_id": "KX", "rule": "max_price", "value": "0.9", "reason": WHY}
    assert_turned_away(client_of, page, data, "viewer")
    assert client_of("scalper").post(page, data).status_code == 302
    assert not RiskLimit.objects.exists()
    assert ApprovalRequest.objects.get().target_id == "max_price:series:KX"


def test_page_of_an_object_that_is_not_there_is_not_found(client_of: ClientOf) -> None:
    assert client_of("scalper").get(reverse("admin:risk_risklimit_propose", args=[999])).status_code == 404


def test_limit_is_tightened_at_once_by_one_person(client_of: ClientOf, limit: RiskLimit) -> None:
    page = reverse("admin:risk_risklimit_lower", args=[limit.pk])
    data = {"value": "400", "reason": WHY}
    assert_turned_away(client_of, page, data, "viewer")
    client = client_of("scalper")
    response = client.post(page, data, follow=True)
    assert "In force: Dollars per order 400" in response.content.decode()
    limit.refresh_from_db()
    assert limit.value == 400
    refused = client.post(page, {"value": "401", "reason": WHY})
    assert refused.status_code == 422
    assert "takes a proposal and a second person" in refused.content.decode()
    limit.refresh_from_db()
    assert limit.value == 400


def test_limit_for_each_theme_is_added_at_once(client_of: ClientOf) -> None:
    page = reverse("admin:risk_risklimit_add-now")
    data = {"scope": "theme", "scope_id": "*", "rule": "max_nav_share", "value": "0.15", "reason": WHY}
    assert_turned_away(client_of, page, data, "viewer")
    client = client_of("scalper")
    assert client.post(page, data).status_code == 302
    assert RiskLimit.objects.get().value == Decimal("0.15")
    listed = client.get(reverse("admin:risk_risklimit_changelist")).content.decode()
    assert "Each theme" in listed
    assert "share (1 is all)" in listed


def test_theme_is_added_widened_and_proposed_smaller(client_of: ClientOf) -> None:
    new = reverse("admin:risk_theme_new")
    data = {"slug": "bitcoin", "name": "Bitcoin", "members": "KXBTC\nKXBTC15M", "reason": WHY}
    assert_turned_away(client_of, new, data, "viewer")
    client = client_of("scalper")
    assert client.post(new, data).status_code == 302
    theme = Theme.objects.get()
    widen, propose = (reverse(f"admin:risk_theme_{name}", args=[theme.pk]) for name in ("widen", "propose"))
    assert client.post(widen, {"members": "KXETH", "reason": WHY}).status_code == 302
    theme.refresh_from_db()
    assert theme.members == ["KXBTC", "KXBTC15M", "KXETH"]
    assert "KXBTC\nKXBTC15M\nKXETH" in client.get(propose).content.decode()
    response = client.post(propose, {"members": "KXBTC", "reason": WHY}, follow=True)
    assert "waits for another person" in response.content.decode()
    theme.refresh_from_db()
    assert len(theme.members) == 3
    assert "KXBTC, KXBTC15M, KXETH" in client.get(reverse("admin:risk_theme_change", args=[theme.pk])).content.decode()


def test_restriction_is_one_persons_act_and_lifting_a_proposal(client_of: ClientOf, team: dict[str, User]) -> None:
    page = reverse("admin:risk_restrictedmarket_restrict")
    data = {"scope": "market", "scope_id": "KX-1", "person": team["craig"].pk, "reason": "insider"}
    assert client_of("eve").post(page, data).status_code == 403
    assert client_of("viewer").post(page, data).status_code == 302
    row = RestrictedMarket.objects.get()
    assert (row.user, row.added_by) == (team["craig"], team["viewer"])
    lift = reverse("admin:risk_restrictedmarket_lift", args=[row.pk])
    assert client_of("viewer").post(lift, {"reason": WHY}).status_code == 403
    assert client_of("scalper").post(lift, {"reason": WHY}).status_code == 302
    row.refresh_from_db()
    assert row.lifted_at is None
    listed = client_of("viewer").get(reverse("admin:risk_restrictedmarket_changelist")).content.decode()
    assert "Market KX-1" in listed
    assert ApprovalRequest.objects.get().action == "risk.restriction.lift"
