"""Three people change one parameter of the running platform and meet every rule of approvals and of the record.

The real launcher with all its processes, on files and ports of its own; three browsers; nothing is prepared by hand.
"""

from __future__ import annotations

import base64
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django_otp.oath import totp
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.parts import ROOT, end, outside, wait_until

PASSWORD = "three people walk past"
TAKEN_UP_S = 5.0
REASON = "What the recordings of last week say about the spread"


class Platform:
    """A running platform: its address and the one-time passwords it printed."""

    def __init__(self, run_dir: Path, log: Path) -> None:
        self.run_dir, self.log = run_dir, log

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def address(self) -> str:
        found = re.search(r"Mission control +(\S+)", self.said)
        assert found, self.said
        return found.group(1)

    def one_time_password(self, name: str) -> str:
        found = re.search(rf"^ +{name} +\w+ +(\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found.group(1)

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.run_dir / "kalshiops.sqlite3", timeout=20)

    def running_set(self) -> int | None:
        """Number of the parameter set that the session runs now, as it wrote down itself."""
        with self.database() as connection:
            row = connection.execute(
                "SELECT s.number FROM trading_strategyrun r JOIN trading_parameterset s ON s.id = r.parameters_id "
                "WHERE r.ended_at IS NULL ORDER BY r.id DESC LIMIT 1"
            ).fetchone()
        return None if row is None else int(row[0])


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    environment = outside() | {"KALSHIOPS_RUN_DIR": str(tmp_path / "run"), "PYTHONUNBUFFERED": "1"}
    made = Platform(tmp_path / "run", tmp_path / "up.log")
    with made.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.launcher.up"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: "Ctrl-C stops" in made.said or process.poll() is not None, 120, lambda: made.said)
        wait_until(lambda: made.running_set() == 1, 60, lambda: made.said)
        yield made
    finally:
        end(process)


@pytest.fixture
def person(browser: Browser, platform: Platform) -> Iterator[Callable[[str], tuple[Page, str]]]:
    """Signs somebody in for the first time, through every page there is; also gives a recovery code of theirs."""
    contexts = []

    def first_sign_in(name: str) -> tuple[Page, str]:
        context = browser.new_context(base_url=platform.address, viewport={"width": 1440, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.goto("/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", platform.one_time_password(name))
        page.click("button")
        for field in page.locator("input[type=password]").all():
            field.fill(PASSWORD)
        page.click("button")
        secret = page.locator("code.secret").inner_text()
        page.fill("[name=code] >> nth=0", code_of(secret))
        page.click("text=Confirm and sign in")
        recovery_code = page.locator(".panel code, .panel li").first.inner_text()
        page.click("text=I have kept them")
        page.wait_for_selector("#main")
        acknowledge_terms(page)
        return page, recovery_code

    yield first_sign_in
    for context in contexts:
        context.close()


def code_of(secret: str) -> str:
    text = re.sub(r"\s", "", secret)
    return f"{totp(base64.b32decode(text + '=' * (-len(text) % 8))):06d}"


def acknowledge_terms(page: Page) -> None:
    page.goto("/compliance/")
    page.locator("form[action$='/acknowledge/'] button").first.click()


def change_spread(page: Page, cents: str) -> None:
    page.locator("[name*=min_spread]").first.fill(cents)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_three_people_change_a_parameter_and_the_record_proves_it(
    platform: Platform, person: Callable[[str], tuple[Page, str]]
) -> None:
    scalper, _ = person("scalper")
    craig, craigs_code = person("craig")
    cliff, _ = person("cliff")

    # Scalper asks for a smaller spread, which raises risk, with evidence, for tomorrow; and cannot sign it.
    scalper.goto("/parameters/1/")
    change_spread(scalper, "0.0100")
    scalper.select_option("[name=evidence_0_kind]", "research")
    scalper.fill("[name=evidence_0_title]", "Spreads by hour, week of the recordings")
    scalper.fill("[name=evidence_0_reference]", "report 7")
    scalper.fill("[name=reason]", REASON)
    scalper.click("text=Ask for approval")
    request = re.sub(r"^https?://[^/]+", "", scalper.url)
    scalper.click("text=Edit this request")
    tomorrow = datetime.now(UTC) + timedelta(hours=20)
    scalper.fill("[name=apply_after]", tomorrow.strftime("%Y-%m-%dT%H:%M"))
    scalper.fill("[name=reason]", "Not before tonight's close of trading")
    scalper.click("text=Save as revision 2")
    expect(scalper.locator("text=You asked for this: somebody else has to sign.")).to_be_visible()
    assert scalper.locator("button[value=approve]").count() == 0

    # Craig signs; it waits for its time. Cliff edits, and Craig's signature is void.
    sign(craig, request)
    expect(craig.locator("text=Fully signed. It is applied at")).to_be_visible()
    cliff.goto(request)
    cliff.click("text=Edit this request")
    change_spread(cliff, "0.0150")
    cliff.fill("[name=apply_after]", "")
    cliff.fill("[name=reason]", "A cent is too near to the fee; and there is no need to wait")
    cliff.click("text=Save as revision 3")
    expect(cliff.locator("text=void since the edit")).to_be_visible()
    assert cliff.locator("button[value=approve]").count() == 0
    assert platform.running_set() == 1

    # Craig shows his second factor anew and signs; the running session takes it up.
    craig.goto(f"/step-up/?next={request}")
    craig.fill("[name=code]", craigs_code)
    craig.click("button:not(.quiet)")
    sign(craig, request)
    signed_at = time.monotonic()
    wait_until(lambda: platform.running_set() == 2, TAKEN_UP_S, lambda: platform.said)
    assert time.monotonic() - signed_at < TAKEN_UP_S + 1
    expect(craig.locator(".lamp.ok", has_text="Signed").first).to_be_visible()

    # The whole record is verified.
    craig.goto("/audit/")
    craig.click("text=Verify the whole chain")
    expect(craig.locator("text=The record is not as it was written")).to_have_count(0)
    trail = craig.locator("table.record")
    for action in ("approval.request", "approval.edit", "approval.approve", "trading.parameters.change"):
        expect(trail.locator(f"td:text-is('{action}')").first).to_be_visible()

    # Somebody with the database's password edits one row; the next verification finds it and says which.
    row = tamper(platform)
    craig.click("text=Verify the whole chain")
    expect(craig.locator("text=The record is not as it was written")).to_be_visible()
    expect(craig.locator(".denied th", has_text=f"{row}").first).to_be_visible()


def sign(page: Page, request: str) -> None:
    page.goto(request)
    page.fill("#vote-reason", "Read with the evidence; the limits hold")
    page.click("button[value=approve]")
    page.wait_for_url(f"**{request}")


def tamper(platform: Platform) -> int:
    """Changes a reason behind the platform's back; returns the row's number."""
    with platform.database() as connection:
        (key, sequence) = connection.execute(
            "SELECT id, sequence FROM governance_auditevent WHERE reason LIKE ? LIMIT 1", (f"{REASON}%",)
        ).fetchone()
        edit = ("UPDATE governance_auditevent SET reason = 'nothing of note' WHERE id = ?", (key,))
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(*edit)
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'governance_auditevent'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute(*edit)
    return int(sequence)
