"""Stopping and resuming as a person does it: by mouse, by keyboard, and with scripts off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.console import consumers
from apps.core import live
from apps.governance.models import ApprovalRequest
from apps.risk.guardian import heartbeat
from apps.risk.models import KillRun, TradingState
from apps.risk.services import kill_switch_trip
from tests import factories as make
from tests.console import payload

pytestmark = pytest.mark.browser
SignIn = Callable[..., Page]
MAY = ("risk.resume_trading", "governance.approve_change", "governance.approve_risk_raise")


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the session and the ladder publish; the test's to change."""
    published: dict[str, Any] = {"mission": payload.of_now()}
    monkeypatch.setattr(live, "read", published.get)
    monkeypatch.setattr(consumers, "SLOW_S", 0.1)
    return published


@pytest.fixture
def people(database: None) -> None:
    make.order()
    make.user("dave", perms=("risk.trip_kill_switch",))
    make.user("craig", perms=MAY)
    make.user("cliff", perms=MAY, role="risk")
    heartbeat.guardian_beat(int(datetime.now(UTC).timestamp() * 1000))


class Ladder:
    """Publishes one step after the other, as the guardian does."""

    def __init__(self, topics: dict[str, Any], run: KillRun) -> None:
        self._topics, self._run = topics, run
        self._state: dict[str, Any] = {"outcome": "running", "steps": []}

    def step(self, name: str, text: str, detail: dict[str, Any] | None = None, **fields: Any) -> None:
        ms = 100 * (len(self._state["steps"]) + 1)
        at = (self._run.pressed_at + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")
        times = {key: at for key, value in fields.items() if value is True}
        steps = [*self._state["steps"], {"at": at, "step": name, "text": text} | (detail or {})]
        self._state = self._state | fields | times | {"steps": steps}
        self._topics[f"kill.{self._run.pk}"] = self._state


def rung(page: Page, name: str) -> Any:
    return page.locator("#progress .steps li", has_text=name)


def test_a_stop_streams_every_step_of_its_ladder(people: None, topics: dict[str, Any], sign_in: SignIn) -> None:
    page = sign_in("dave")
    page.goto("/kill/")
    page.select_option("[name=target]", "account:main")
    page.click("#kill-confirm")
    page.wait_for_url("**/kill/*/")
    page.evaluate("window.sameDocument = true")
    expect(rung(page, "New orders blocked")).to_have_class("done")
    expect(rung(page, "Taken up")).to_have_class("now")
    assert TradingState.objects.get(scope="account").state == "halted"
    ladder = Ladder(topics, KillRun.objects.get())
    ladder.step("begun", "ladder begun for Account main", cancel_sent_at=True)
    ladder.step("look", "9 orders rest", {"resting": 9})
    expect(rung(page, "Taken up")).to_have_class("done")
    expect(rung(page, "Resting orders swept")).to_contain_text("0 of 9 gone, 9 rest")
    ladder.step("triggered", "3 of 4 order groups triggered", triggered_at=True, groups_total=4, groups_triggered=3)
    expect(rung(page, "Order groups triggered")).to_contain_text("3 of 4")
    expect(rung(page, "Order groups triggered")).to_have_class("now")
    ladder.step("exchange_paused", "the exchange is paused: cancelling is impossible until it resumes")
    expect(page.locator("#progress [role=alert]")).to_contain_text("cancelling is impossible until it resumes")
    ladder.step("look", "0 orders rest", {"resting": 0}, groups_triggered=4)
    expect(page.locator("#progress [role=alert]")).to_have_count(0)
    expect(rung(page, "Zero seen once")).to_have_class("done")
    expect(rung(page, "Zero seen twice")).to_have_class("now")
    ladder.step("proved_zero", "zero resting orders, seen twice", proved_zero_at=True)
    expect(rung(page, "Zero seen twice")).to_have_class("done")
    held = [{"ticker": payload.TICKER, "quantity": "5.00"}]
    ladder.step(
        "ended", "ended, zero proved", outcome="proved_zero", positions_left=held, report="Zero resting orders."
    )
    expect(page.locator(".verdict")).to_have_text("Zero resting orders, seen twice")
    expect(page.locator("#progress")).to_contain_text("Positions left")
    expect(page.locator("#announce")).to_contain_text("Zero resting orders, seen twice")
    assert page.evaluate("window.sameDocument")


def test_the_progress_goes_on_when_the_socket_is_refused(people: None, topics: dict[str, Any], sign_in: SignIn) -> None:
    def refuse(page: Page) -> None:
        page.route_web_socket("**/ws/**", lambda socket: socket.close())

    page = sign_in("dave", refuse)
    page.goto("/kill/")
    page.click("#kill-confirm")
    page.wait_for_url("**/kill/*/")
    Ladder(topics, KillRun.objects.get()).step("begun", "ladder begun for Everything", cancel_sent_at=True)
    expect(rung(page, "Taken up")).to_have_class("done")


def test_the_whole_stop_works_without_scripts(people: None, topics: dict[str, Any], sign_in: SignIn) -> None:
    page = sign_in("dave", java_script_enabled=False)
    page.click("#kill")
    page.select_option("[name=target]", "series:KXTEST")
    page.click("#kill-confirm")
    page.wait_for_url("**/kill/*/")
    assert TradingState.objects.get().scope_id == "KXTEST"
    expect(page.locator("#progress")).to_contain_text("not used: orders outside this scope")
    Ladder(topics, KillRun.objects.get()).step("begun", "ladder begun for Series KXTEST", cancel_sent_at=True)
    # The page asks anew by itself.
    expect(rung(page, "Taken up")).to_have_class("done")


def test_a_stop_by_keyboard_alone(people: None, topics: dict[str, Any], sign_in: SignIn) -> None:
    page = sign_in("dave")
    page.goto("/risk/")
    page.keyboard.press("Shift+Escape")
    page.wait_for_url("**/kill/")
    expect(page.locator("#kill-confirm")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/kill/*/")
    assert TradingState.objects.get(scope="global").state == "halted"


def test_without_a_guardian_the_command_is_on_the_page(people: None, topics: dict[str, Any], sign_in: SignIn) -> None:
    heartbeat.guardian_file().unlink()
    del topics["mission"]
    page = sign_in("dave")
    page.goto("/kill/")
    expect(page.locator("[role=alert]")).to_contain_text("manage.py kill")


def test_resuming_takes_a_ticked_checklist_a_reason_and_a_second_person(
    people: None, topics: dict[str, Any], sign_in: SignIn
) -> None:
    now = datetime.now(UTC)
    kill_switch_trip(scope="global", reason="runaway quotes", actor=None, actor_label="system:test", now=now)
    craig, cliff = sign_in("craig"), sign_in("cliff")
    craig.goto("/resume/")
    craig.fill("[name=reason]", "A bad parameter, which is retired")
    boxes = craig.locator("input[type=checkbox]")
    for number in range(4):
        boxes.nth(number).check()
    craig.click("text=Ask a second person")
    # The browser itself asks for the last one.
    assert craig.url.endswith("/resume/")
    assert not ApprovalRequest.objects.exists()
    boxes.nth(4).check()
    craig.click("text=Ask a second person")
    craig.wait_for_url("**/approvals/*/")
    expect(craig.locator("main")).to_contain_text("somebody else has to sign")
    assert TradingState.objects.get().state == "halted"
    cliff.goto(craig.url)
    expect(cliff.locator("main")).to_contain_text("every switch has a live input")
    cliff.fill("#vote-reason", "I have seen the comparison and the feeds")
    cliff.click("button[value=approve]")
    expect(cliff.locator("main")).to_contain_text("Approved and applied")
    assert TradingState.objects.get().state == "active"


def test_the_lease_of_an_order_runs_down_by_itself(people: None, topics: dict[str, Any], sign_in: SignIn) -> None:
    make.order(client_order_id="leased", expires_at=datetime.now(UTC) + timedelta(seconds=50))
    del topics["mission"]
    page = sign_in("dave")
    page.goto("/orders/leased/")
    left = page.locator("time.left")
    before = left.inner_text()
    expect(left).not_to_have_text(before)
    assert int(left.inner_text().removesuffix(" s")) < int(before.removesuffix(" s"))
    page.clock.install()
    page.clock.run_for(60_000)
    expect(left).to_contain_text("over for")
