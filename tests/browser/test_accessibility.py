"""What axe finds on the pages people decide and stop on, in both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from apps.console import consumers
from apps.core import live
from apps.governance.models import ApprovalRequest
from apps.trading.services.parameters import parameters_propose
from tests import factories as make
from tests.console import payload

pytestmark = pytest.mark.browser
SignIn = Callable[..., Page]
DECIDES = ("governance.propose_change", "governance.approve_change", "governance.approve_risk_raise")
GRAVE = ("serious", "critical")
OURS = ("/", "/kill/", "/approvals/", "/approvals/{key}/", "/parameters/", "/positions/", "/orders/")
ADMIN = ("/admin/", "/admin/password_change/")


def violations(page: Page, *impacts: str) -> list[str]:
    """`rule selector: what is wrong` for every element that breaks a rule, of any impact unless some are named."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} {node['target'][0]}: {node['failureSummary']}"
        for rule in found
        if not impacts or rule["impact"] in impacts
        for node in rule["nodes"]
    ]


@pytest.fixture
def asked(database: None, monkeypatch: pytest.MonkeyPatch) -> ApprovalRequest:
    """A running session on the screen, and a request that craig made and cliff may decide."""
    monkeypatch.setattr(live, "read", lambda topic: payload.of_now() if topic == "mission" else None)
    monkeypatch.setattr(consumers, "SLOW_S", 0.2)
    craig = make.user("craig", perms=DECIDES)
    make.user("cliff", perms=(*DECIDES, "risk.trip_kill_switch"), is_superuser=True)
    config = make.config()
    make.parameters(config)
    make.decision()
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
