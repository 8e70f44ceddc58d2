"""What axe finds on the pages people decide and stop on, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page

from apps.console import consumers
from apps.core import live
from apps.governance.models import ApprovalRequest
from apps.risk.models import KillRun, SwitchStatus, TradingState
from apps.risk.services.switches import switch_drills_run
from apps.trading.services.parameters import parameters_propose
from tests import factories as make
from tests.console import payload

pytestmark = pytest.mark.browser
SignIn = Callable[..., Page]
DECIDES = ("governance.propose_change", "governance.approve_change", "governance.approve_risk_raise")
GRAVE = ("serious", "critical")
OURS = (
    "/",
    "/kill/",
    "/kill/1/",
    "/resume/",
    "/risk/?all=on",
    "/switches/",
    "/by-hand/",
    "/approvals/",
    "/approvals/{key}/",
    "/parameters/",
    "/positions/",
    "/orders/",
    "/orders/denied/",
    "/strategies/",
    "/proposals/",
    "/proposals/new/",
    "/reviews/",
    "/signoff-rules/",
    "/audit/",
    "/incidents/",
    "/lessons/",
    "/compliance/",
    "/security/",
)
ADMIN = ("/admin/",)


def violations(page: Page, *impacts: str) -> list[str]:
    """`rule selector: what is wrong` for every element that breaks a rule, of any impact unless some are named."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} {node['target'][0]}: {node['failureSummary']}"
        for rule in found
        if not impacts or rule["impact"] in impacts
        for node in rule["nodes"]
    ]


def a_stop(user: User) -> None:
    """One market, in the middle of its ladder, with the exchange paused."""
    scope = {"scope": "market", "scope_id": payload.TICKER}
    now = datetime.now(UTC)
    steps = [
        {"at": now.isoformat(), "step": "look", "text": "3 orders rest", "resting": 3},
        {"at": now.isoformat(), "step": "exchange_paused", "text": "the exchange is paused"},
    ]
    report = f"NOT proved.\n  {payload.TICKER} o-1: paused"
    TradingState.objects.create(**scope, state="halted", reason="odd book", changed_by=user, changed_at=now)
    KillRun.objects.create(
        **scope, reason="odd book", pressed_by=user, pressed_at=now, blocked_at=now, steps=steps, report=report,
        positions_left=[{"ticker": payload.TICKER, "quantity": "5.00"}],
    )  # fmt: skip


def a_denial() -> None:
    outcome = "account main: max_total_exposure would be $2003.000000, limit $2000.000000"
    order = make.order(client_order_id="denied", status="denied", remaining=0, outcome=outcome)
    make.order_event(order, kind="deny", source="own", status="denied", detail={"rule": "max_total_exposure"})


def one_of_each_switch() -> None:
    now = datetime.now(UTC)
    switch_drills_run(by="system:test", now=now, keys=["K1", "K2", "K3"])
    for key, state in (("K1", "ok"), ("K2", "warn"), ("K3", "tripped"), ("K4", "no_input")):
        SwitchStatus.objects.create(account="main", key=key, state=state, input_at=now, evaluated_at=now)


@pytest.fixture
def asked(database: None, monkeypatch: pytest.MonkeyPatch) -> ApprovalRequest:
    """A running session on the screen, and a request that craig made and cliff may decide."""
    monkeypatch.setattr(live, "read", lambda topic: payload.topics_of_now().get(topic))
    monkeypatch.setattr(consumers, "SLOW_S", 0.2)
    craig = make.user("craig", perms=DECIDES)
    rights = (*DECIDES, "risk.trip_kill_switch", "trading.place_order")
    cliff = make.user("cliff", perms=rights, is_superuser=True)
    config = make.config()
    make.parameters(config)
    make.decision()
    a_stop(cliff)
    a_denial()
    one_of_each_switch()
    reason = "Spreads have widened since the open"
    values = {"min_spread": "0.0300"}
    return parameters_propose(config=config, values=values, reason=reason, actor=craig, now=make.NOW)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", OURS)
def test_our_pages_break_no_rule(asked: ApprovalRequest, sign_in: SignIn, scheme: str, path: str) -> None:
    page = sign_in("cliff", color_scheme=scheme)
    page.goto(path.format(key=asked.pk))
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_stop_question_breaks_no_rule(asked: ApprovalRequest, sign_in: SignIn, scheme: str) -> None:
    page = sign_in("cliff", color_scheme=scheme)
    page.keyboard.press("Shift+Escape")
    page.wait_for_selector("#kill-dialog[open]")
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ADMIN)
def test_the_admin_breaks_no_grave_rule(asked: ApprovalRequest, sign_in: SignIn, scheme: str, path: str) -> None:
    """Its landmarks, of moderate impact, are the admin theme's own."""
    page = sign_in("cliff", color_scheme=scheme)
    page.goto(path)
    assert violations(page, *GRAVE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_breaks_no_grave_rule(browser: Browser, server: str, scheme: str) -> None:
    context = browser.new_context(base_url=server, color_scheme=scheme)
    page = context.new_page()
    page.goto("/admin/login/")
    found = violations(page, *GRAVE)
    context.close()
    assert found == []
