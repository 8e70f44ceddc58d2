"""Who may open what: nobody, a signed-in outsider, a viewer, and somebody with rights."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.analytics.models import MetricExport
from apps.console.resuming import CHECKS
from apps.governance.models import ApprovalRequest
from apps.risk.models import KillRun, TradingState
from tests import factories as make

pytestmark = pytest.mark.django_db

PAGES = [
    "mission",
    "kill",
    "resume",
    "orders",
    "manual",
    "fills",
    "positions",
    "risk",
    "switches",
    "approvals",
    "parameters",
    "feeds",
    "events",
    "exports",
]


def paths() -> list[str]:
    config = make.config()
    make.parameters(config)
    order = make.order()
    run = KillRun.objects.create(scope="global", reason="drill", pressed_at=make.NOW)
    return [
        *(reverse(f"console:{name}") for name in PAGES),
        reverse("console:market", args=[order.market.ticker]),
        reverse("console:order", args=[order.client_order_id]),
        reverse("console:kill-run", args=[run.pk]),
        reverse("console:parameters-propose", args=[config.pk]),
    ]


def statuses(client: Client) -> dict[str, int]:
    return {path: client.get(path).status_code for path in paths()}


def test_anonymous_is_sent_to_sign_in(client: Client) -> None:
    assert set(statuses(client).values()) == {302}
    assert client.get("/").headers["Location"].startswith(reverse("console:sign-in"))


def test_an_outsider_who_is_not_staff_sees_nothing(client: Client) -> None:
    client.force_login(make.user("eve", is_staff=False))
    assert set(statuses(client).values()) == {403}


def test_a_viewer_sees_every_page(viewer: Client) -> None:
    assert {p: s for p, s in statuses(viewer).items() if s != 200} == {}


def test_a_viewer_may_stop_but_not_propose_or_resume(viewer: Client) -> None:
    config = make.config()
    make.parameters(config)
    proposed = viewer.post(
        reverse("console:parameters-propose", args=[config.pk]), _proposal() | {"min_spread": "0.0300"}
    )
    assert proposed.status_code == 403
    viewer.post(reverse("console:kill"), {"target": "global:", "reason": ""})
    assert TradingState.objects.get().state == "halted"
    ticked = {"scope": "global", "scope_id": "", "reason": "all is well now"} | dict.fromkeys(CHECKS, "on")
    asked = viewer.post(reverse("console:resume"), ticked)
    assert asked.status_code == 403
    assert not ApprovalRequest.objects.exists()


def test_a_trader_may_propose(client: Client) -> None:
    make.user("carol", perms=("governance.approve_change", "governance.approve_risk_raise"))
    client.force_login(make.user("alice", perms=("governance.propose_change",)))
    config = make.config()
    make.parameters(config)
    response = client.post(
        reverse("console:parameters-propose", args=[config.pk]), _proposal() | {"min_spread": "0.0300"}
    )
    asked = ApprovalRequest.objects.get()
    assert response.headers["Location"] == reverse("console:approval", args=[asked.pk])
    assert asked.payload["values"]["min_spread"] == "0.0300"


@pytest.mark.parametrize("name", ["kill", "exports"])
def test_writes_need_a_token(name: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make.user("dave", perms=("risk.trip_kill_switch",)))
    account = make.account()
    assert strict.post(reverse(f"console:{name}"), {"target": "global:", "account": account.pk}).status_code == 403
    assert not KillRun.objects.exists()
    assert not MetricExport.objects.exists()


def test_nothing_is_written_by_looking(viewer: Client) -> None:
    for path in paths():
        viewer.get(path)
    assert KillRun.objects.count() == 1
    assert not TradingState.objects.exists()
    assert not MetricExport.objects.exists()


def test_pages_run_only_files_of_ours_and_are_not_kept(viewer: Client) -> None:
    response = viewer.get("/")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    html = response.content.decode()
    assert "<style" not in html
    assert " style=" not in html
    assert "<script>" not in html


def _proposal() -> dict[str, str]:
    return {**make.parameters().values, "reason": "the spread has widened a lot"}
