"""Mission control as a person meets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.console import consumers
from apps.core import live
from apps.risk.models import KillRun, TradingState
from apps.trading.models import ParameterSet
from tests import factories as make
from tests.console import payload

pytestmark = pytest.mark.browser
SignIn = Callable[..., Page]
DECIDES = ("governance.propose_change", "governance.approve_change", "governance.approve_risk_raise")


class Publisher:
    """What the session would publish, always of this moment; `cash` and `is_silent` are the test's to change."""

    def __init__(self) -> None:
        self.cash = "9990.500000"
        self.is_silent = False

    def read(self, topic: str) -> dict[str, Any] | None:
        if self.is_silent or topic != "mission":
            return None
        state = payload.of_now()
        state["cash"] |= {"own": self.cash}
        return state


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    publisher = Publisher()
    monkeypatch.setattr(live, "read", publisher.read)
    monkeypatch.setattr(consumers, "SLOW_S", 0.2)
    return publisher


@pytest.fixture
def people(database: None) -> None:
    make.account()
    make.user("dave", perms=("risk.trip_kill_switch",))
    make.user("craig", perms=DECIDES)
    make.user("cliff", perms=DECIDES, role="boss")


def refuse_sockets(page: Page) -> None:
    page.route_web_socket("**/ws/live/**", lambda socket: socket.close())


def test_numbers_are_live_without_a_reload(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave")
    expect(page.locator("#link")).to_have_text("live")
    expect(page.locator("#environment")).to_contain_text("SIMULATED")
    expect(page.locator("#status")).to_contain_text("$9,990.50")
    page.evaluate("window.sameDocument = true")
    published.cash = "8888.250000"
    expect(page.locator("#status")).to_contain_text("$8,888.25")
    assert page.evaluate("window.sameDocument")


def test_ages_tick_and_turn_stale_by_themselves(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave", refuse_sockets)
    expect(page.locator("#link")).to_contain_text("polling")
    page.clock.install()
    page.context.set_offline(True)
    age = page.locator("#status time.age").first
    page.clock.run_for(3_000)
    expect(age).to_have_text("3 s")
    page.clock.run_for(20_000)
    expect(age).to_contain_text("stale since")
    expect(page.locator("#link")).to_contain_text("stale since")
    expect(page.locator("#status .tile").first).to_have_class("tile is-stale")


def test_it_goes_on_by_polling_when_the_socket_is_refused(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave", refuse_sockets)
    expect(page.locator("#link")).to_have_text("polling every 2 s")
    published.cash = "7777.000000"
    expect(page.locator("#status")).to_contain_text("$7,777.00")


def test_a_silent_session_is_said_to_be_silent(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave")
    expect(page.locator("#link")).to_have_text("live")
    published.is_silent = True
    expect(page.locator("#status")).to_contain_text("These numbers come from the database")
    expect(page.locator("#environment")).to_contain_text("Stored numbers")
    expect(page.locator("#link")).to_have_text("live, but stored numbers")


def test_one_chord_and_enter_stop_trading(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave")
    page.keyboard.press("Shift+Escape")
    expect(page.locator("#kill-dialog")).to_be_visible()
    expect(page.locator("#kill-confirm")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/kill/*/")
    expect(page.locator("#progress")).to_contain_text("New orders blocked")
    assert TradingState.objects.get(scope="global").state == "halted"
    run = KillRun.objects.get()
    assert run.pressed_by is not None
    assert run.pressed_by.get_username() == "dave"
    now = datetime.now(UTC)
    KillRun.objects.update(outcome="proved_zero", cancel_sent_at=now, proved_zero_at=now, resting_before=3, canceled=3)
    expect(page.locator("#progress")).to_contain_text("Zero resting orders, seen twice")
    page.goto("/")
    expect(page.locator("#status")).to_contain_text("halted")


def test_the_stop_button_asks_first_and_may_be_left(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave")
    page.click("#kill")
    page.click("[data-closes]")
    expect(page.locator("#kill-dialog")).to_be_hidden()
    assert not KillRun.objects.exists()


def test_everything_works_without_scripts(people: None, published: Publisher, sign_in: SignIn) -> None:
    page = sign_in("dave", java_script_enabled=False)
    expect(page.locator("#markets tbody tr")).to_have_count(2)
    page.click("#kill")
    page.wait_for_url("**/kill/")
    page.click("#kill-confirm")
    page.wait_for_url("**/kill/*/")
    assert TradingState.objects.get().state == "halted"


def test_one_proposes_and_another_approves(people: None, published: Publisher, sign_in: SignIn) -> None:
    make.parameters(make.config())
    craig, cliff = sign_in("craig"), sign_in("cliff")
    craig.click("nav >> text=Review")
    craig.click("nav.places >> text=Parameters")
    craig.click("text=Propose a change")
    craig.fill("[name=min_spread]", "0.0100")
    craig.fill("[name=reason]", "Spreads have narrowed since the open")
    craig.click("text=Ask for approval")
    craig.wait_for_url("**/approvals/*/")
    expect(craig.locator("main")).to_contain_text("somebody else has to sign")
    expect(craig.locator("button[value=approve]")).to_have_count(0)
    cliff.click("nav >> text=Review")
    cliff.click("text=Change parameters")
    expect(cliff.locator(".diff tr.changed")).to_contain_text("0.0100")
    cliff.fill("#vote-reason", "Agreed, I have seen the spreads")
    cliff.click("button[value=approve]")
    expect(cliff.locator("main")).to_contain_text("Approved and applied")
    assert ParameterSet.objects.get(status="approved").values["min_spread"] == "0.0100"


def test_a_row_in_use_is_not_pulled_away(people: None, published: Publisher, sign_in: SignIn) -> None:
    """The keyboard's place survives a swap, and a press is not swallowed by one."""
    page = sign_in("dave")
    expect(page.locator("#link")).to_have_text("live")
    page.locator("#markets tbody a").nth(1).focus()
    name = page.evaluate("document.activeElement.id")
    published.cash = "6666.000000"
    expect(page.locator("#status")).to_contain_text("$6,666.00")
    assert page.evaluate("document.activeElement.id") == name
    page.mouse.move(*_middle(page, "#markets header h2"))
    page.mouse.down()
    published.cash = "5555.000000"
    page.wait_for_timeout(150)
    page.mouse.up()
    expect(page.locator("#status")).to_contain_text("$5,555.00")


def _middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(("scheme", "other"), [("dark", "light"), ("light", "dark")])
def test_the_theme_follows_the_system_until_chosen(
    people: None, published: Publisher, sign_in: SignIn, scheme: str, other: str
) -> None:
    page = sign_in("dave", color_scheme=scheme)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == other
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == other
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_old_facts_show_how_old_they_are(people: None, published: Publisher, sign_in: SignIn) -> None:
    published.is_silent = True
    make.fill(filled_at=datetime.now(UTC) - timedelta(hours=2, minutes=5))
    page = sign_in("dave")
    expect(page.locator("#fills")).to_contain_text("2 h 5 min")
