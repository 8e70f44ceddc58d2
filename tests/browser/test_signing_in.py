"""The whole way in, in a real browser: given password, own password, factor, recovery codes; then a passkey."""

from __future__ import annotations

import re
import time
from base64 import b32decode
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django_otp.oath import TOTP
from playwright.sync_api import Browser, Page

from apps.governance.services.roles import person_create, roles_sync
from kalshiops.roles import roles
from tests import factories as make

from .test_accessibility import violations

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("database")]
GIVEN, OWN = "given-word-1234", "a much better one of my own"


def code_of(secret: str, *, step: int = 0) -> str:
    totp = TOTP(b32decode(secret + "=" * (-len(secret) % 8)))
    totp.time = time.time() + 30 * step
    return f"{totp.token():06d}"


@pytest.fixture
def page(browser: Browser, server: str) -> Any:
    """By name, since browsers bind passkeys to names; complaints about the page's policy fail the test."""
    complaints: list[str] = []
    context = browser.new_context(base_url=server.replace("127.0.0.1", "localhost"))
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def carol() -> User:
    roles_sync(roles=roles(), now=make.NOW, actor_label="system:test")
    made = person_create(username="carol", password=GIVEN, role="viewer", now=make.NOW, actor_label="test")
    assert made is not None
    assert Group.objects.filter(user=made).count() == 1
    return made


def first_half(page: Page, password: str) -> None:
    page.goto("/orders/")
    page.get_by_label("Name").fill("carol")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_first_sign_in_by_keyboard_and_a_passkey_for_the_next(page: Page, carol: User) -> None:
    first_half(page, GIVEN)
    page.get_by_label("New password").fill(OWN)
    page.get_by_label("The same again").fill(OWN)
    page.keyboard.press("Enter")
    secret = page.get_by_label("Secret of the authenticator app").inner_text()
    page.get_by_label("The six digits it shows now").fill(code_of(secret))
    page.keyboard.press("Enter")
    page.get_by_text("I have kept them").wait_for()
    assert page.locator(".codes code").count() == 10
    page.get_by_text("I have kept them").click()
    page.wait_for_url("**/orders/")

    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    device = {"options": {**kind, "isUserVerified": True, "automaticPresenceSimulation": True}}
    devices.send("WebAuthn.addVirtualAuthenticator", device)
    page.goto("/security/factor/")
    page.get_by_label(re.compile("Name, to tell it")).fill("laptop")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("rowheader", name="laptop").wait_for()

    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in/")
    first_half(page, OWN)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/orders/")
    assert list(carol.sign_ins.order_by("pk").values_list("method", flat=True)) == ["totp", "passkey"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_way_in(browser: Browser, server: str, carol: User, scheme: Any) -> None:
    context = browser.new_context(base_url=server, color_scheme=scheme)
    page = context.new_page()
    page.goto("/sign-in/")
    found = violations(page)
    first_half(page, "wrong")
    page.get_by_role("alert").wait_for()
    found += violations(page)
    first_half(page, GIVEN)
    page.get_by_label("New password").fill(OWN)
    found += violations(page)
    page.get_by_label("The same again").fill(OWN)
    page.keyboard.press("Enter")
    secret = page.get_by_label("Secret of the authenticator app").inner_text()
    found += violations(page)
    page.get_by_label("The six digits it shows now").fill(code_of(secret))
    page.keyboard.press("Enter")
    page.get_by_text("I have kept them").wait_for()
    for path in ("", "/security/", "/security/factor/", "/security/password/", "/step-up/"):
        if path:
            page.goto(path)
        found += [f"{path}: {each}" for each in violations(page)]
    context.close()
    assert found == []


def test_the_way_in_works_without_scripts(browser: Browser, server: str, carol: User) -> None:
    context = browser.new_context(base_url=server, java_script_enabled=False)
    page = context.new_page()
    first_half(page, GIVEN)
    page.get_by_label("New password").fill(OWN)
    page.get_by_label("The same again").fill(OWN)
    page.keyboard.press("Enter")
    secret = page.get_by_label("Secret of the authenticator app").inner_text()
    page.get_by_label("The six digits it shows now").fill(code_of(secret))
    page.keyboard.press("Enter")
    page.get_by_text("I have kept them").click()
    page.wait_for_url("**/orders/")
    context.close()
