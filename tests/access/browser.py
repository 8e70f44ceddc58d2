"""A person at a browser who goes through the sign-in pages, with an authenticator app at hand."""

from __future__ import annotations

import re
from base64 import b32decode
from dataclasses import dataclass, field

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.factories import PASSWORD

SECRET = re.compile(r'class="secret"[^>]*>([A-Z2-7]+)<')
CODE = re.compile(r"<li><code>([a-z0-9-]+)</code></li>")


def code_of(key: bytes, *, later: int = 0) -> str:
    """The six digits an app shows now, or `later` steps of 30 s from now."""
    totp = TOTP(key)
    totp.time = timezone.now().timestamp() + 30 * later
    return f"{totp.token():06d}"


def app_for(user: User) -> bytes:
    """Gives somebody an authenticator app, as if they had enrolled long ago."""
    return TOTPDevice.objects.create(user=user, name="Authenticator app", confirmed=True).bin_key


@dataclass
class Person:
    user: User
    client: Client = field(default_factory=Client)

    def password(self, password: str = PASSWORD, **extra: str) -> str:
        """Sends name and password; returns where that leads, empty when nowhere."""
        data = {"username": self.user.get_username(), "password": password, **extra}
        return self.client.post("/sign-in/", data).headers.get("Location", "")

    def code(self, code: str, page: str = "/sign-in/second-factor/", **extra: str) -> str:
        return self.client.post(page, {"code": code, **extra}).headers.get("Location", "")

    def sign_in(self, key: bytes, *, later: int = 0) -> str:
        self.password()
        return self.code(code_of(key, later=later))

    def enrol(self) -> tuple[bytes, list[str]]:
        """Sets the app up and signs in with it; returns its key and the recovery codes that were shown."""
        page = self.client.get("/sign-in/enrol/").content.decode()
        secret = SECRET.search(page)
        assert secret is not None
        key = b32decode(secret[1] + "=" * (-len(secret[1]) % 8))
        shown = self.client.post("/sign-in/enrol/", {"code": code_of(key)})
        return key, CODE.findall(shown.content.decode())

    def is_in(self) -> bool:
        return self.client.get("/orders/").status_code == 200
