"""What every page is sent with, and what the cookies are like."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.contrib import admin
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from apps.governance.models import RecoveryCode
from tests import factories as make
from tests.architecture.sources import ROOT

pytestmark = pytest.mark.django_db
LOCKED = ("frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'", "form-action 'self'")


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/security/", "/admin/", "/admin/auth/user/", "/nowhere/"])
def test_every_page_says_what_may_run_on_it(path: str) -> None:
    client = Client()
    client.force_login(make.user("dave", perms=("auth.view_user",)))
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert all(part in policy for part in LOCKED)
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-inline" not in scripts
    assert "http" not in policy
    if not path.startswith("/admin/"):
        assert "unsafe" not in policy
    assert "no-store" in headers["Cache-Control"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_no_page_of_the_admin_shows_a_factor() -> None:
    assert not {TOTPDevice, WebAuthnCredential, RecoveryCode} & set(admin.site._registry)


def test_behind_tls_the_cookies_are_bound_to_this_host() -> None:
    """In a process of its own, since names of cookies are read once."""
    script = (
        "import django, json; django.setup(); from django.conf import settings as s; "
        "print(json.dumps([s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE,"
        " s.SESSION_COOKIE_HTTPONLY, s.SESSION_COOKIE_SAMESITE, s.SESSION_COOKIE_PATH, s.SESSION_COOKIE_DOMAIN]))"
    )
    environment = {**os.environ, "SECURE_COOKIES": "1", "DJANGO_SETTINGS_MODULE": "kalshiops.settings_test"}
    run = [sys.executable, "-c", script]
    printed = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == ["__Host-sessionid", "__Host-csrftoken", True, True, True, "Lax", "/", None]
