"""The admin in a real browser: by keyboard alone, in both themes, on a phone, and without one rule of axe broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from apps.risk.models import KillRun, RiskLimit, TradingState
from tests import factories as make

from .test_accessibility import violations

pytestmark = pytest.mark.browser
Opens = Callable[..., Page]
RIGHTS = ("risk.trip_kill_switch", "governance.propose_change", "trading.operate_session", "trading.place_order")
PAGES = (
    "/admin/",
    "/admin/trading/order/",
    "/admin/trading/order/1/change/",
    "/admin/trading/tradingsession/",
    "/admin/risk/risklimit/1/change/",
    "/admin/risk/risklimit/1/lower/",
    "/admin/trading/tradingsession/selected/restart/?pk=1",
    "/admin/auth/user/",
    "/admin/auth/user/1/change/",
    "/admin/marketdata/feed/?stale=no",
)


@pytest.fixture
def desk(database: None) -> User:
    """cliff, who may do everything, and some rows to look at."""
    cliff = make.user("cliff", perms=RIGHTS, is_superuser=True)
    now = datetime.now(UTC)
    session = make.session(heartbeat_at=now)
    for number, status in enumerate(("accepted", "denied", "filled", "unknown")):
        make.order_event(make.order(session, status=status, client_order_id=f"desk-{number}", created_at=now))
    make.fill()
    TradingState.objects.create(
        scope="account", scope_id="main", state="reducing", reason="thin book", changed_by=cliff, changed_at=now
    )
    KillRun.objects.create(scope="global", reason="drill", pressed_by=cliff, pressed_at=now, outcome="blocked_only")
    RiskLimit.objects.create(scope="account", scope_id="main", rule="max_order_dollars", value=500, updated_at=now)
    return cliff


@pytest.fixture
def opens(desk: User, browser: Browser, server: str) -> Iterator[Opens]:
    """A window of cliff's on a page of the admin; what the browser complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(path: str, **options: Any) -> Page:
        client = Client()
        client.force_login(desk)
        context = browser.new_context(base_url=server, **({"viewport": {"width": 1440, "height": 900}} | options))
        contexts.append(context)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server}])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule(opens: Opens, scheme: str) -> None:
    page = opens("/admin/", color_scheme=scheme)
    broken = {}
    for path in PAGES:
        page.goto(path)
        if found := violations(page):
            broken[path] = found
    assert broken == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_question_and_the_palette_break_no_rule(opens: Opens, scheme: str) -> None:
    page = opens("/admin/trading/order/", color_scheme=scheme)
    page.locator("details.ask summary").first.click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type("fill")
    expect(page.locator("#command-results-list li").first).to_be_visible()
    assert violations(page) == []


def test_the_skip_link_is_first_and_leads_past_the_lists(opens: Opens) -> None:
    page = opens("/admin/trading/order/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.parametrize("path", ["/admin/", "/admin/trading/order/", "/admin/risk/risklimit/1/lower/"])
def test_every_stop_of_the_tab_key_is_seen(opens: Opens, path: str) -> None:
    page = opens(path)
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
                const outer = at.closest(".focus-within\\\\:outline-2");
                const rings = [style, ...(outer ? [getComputedStyle(outer)] : [])];
                return {
                    name: (at.textContent || at.name || at.id).trim().slice(0, 40),
                    ring: rings.some((s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1),
                    inside: at === document.body || (box.width > 0 && box.bottom > 0 && box.top < innerHeight),
                };
            }"""
        )
        if focused["name"] in names[-1:]:
            break
        names.append(focused["name"])
        assert focused["inside"], focused
        assert focused["ring"], focused
    assert "Stop trading" in " ".join(names) or len(names) == 40


def test_a_list_is_narrowed_by_keyboard_alone(opens: Opens) -> None:
    page = opens("/admin/trading/order/")
    page.locator("summary", has_text="Was it refused?").focus()
    page.keyboard.press("Enter")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.locator("a", has_text="Denied by us in the last hour")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#result_list tbody")).to_have_count(1)
    expect(page.locator("#result_list")).to_contain_text("Denied by us")
    expect(page.locator("summary b")).to_have_text("Denied by us in the last hour")


def test_a_step_is_taken_by_keyboard_alone(opens: Opens) -> None:
    page = opens("/admin/risk/risklimit/1/change/")
    page.locator("a.tool", has_text="Tighten now").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Tighten now")
    page.locator("[name=value]").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("400")
    page.keyboard.press("Tab")
    page.keyboard.type("the book is thin today")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("In force: Dollars per order 400")


def test_the_key_that_stops_works_on_every_page(opens: Opens) -> None:
    page = opens("/admin/marketdata/feed/")
    page.keyboard.press("Shift+Escape")
    page.wait_for_url("**/kill/")


def test_the_palette_goes_to_an_order_by_its_id(opens: Opens) -> None:
    page = opens("/admin/")
    page.locator(".side-find").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.type("desk-2")
    expect(page.locator("#command-results-list li")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/trading/order/*/change/")
    expect(page.locator("main")).to_contain_text("desk-2")


def test_light_or_dark_is_one_choice_for_admin_and_console(opens: Opens) -> None:
    page = opens("/admin/", color_scheme="light")
    page.locator("button", has_text="Light or dark").focus()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_class("dark")
    page.goto("/kill/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_the_page_without_scrolling_sideways(opens: Opens, path: str) -> None:
    page = opens(path, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator(".side")).to_be_hidden()
    page.locator(".head-menu").click()
    expect(page.locator(".side")).to_be_visible()
