"""What is known of a person's sign-in: reads only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from .choices import SignInEnd
from .models import OneTimePassword, RecoveryCode, SignIn

TOTP, PASSKEY, RECOVERY_CODE = "totp", "passkey", "recovery_code"


@dataclass(frozen=True, slots=True)
class Factor:
    """One second factor as its owner sees it; the secret is not part of it."""

    kind: str
    pk: int
    name: str
    added_at: datetime | None
    used_at: datetime | None


def uses_one_time_password(user: User) -> bool:
    return OneTimePassword.objects.filter(user_id=user.pk, password=user.password).exists()


def factors_of(user: User) -> list[Factor]:
    """The confirmed factors, the authenticator app first; recovery codes are none."""
    apps = TOTPDevice.objects.filter(user_id=user.pk, confirmed=True)
    keys = WebAuthnCredential.objects.filter(user_id=user.pk, confirmed=True)
    return [
        Factor(kind, device.pk, device.name, device.created_at, device.last_used_at)
        for kind, devices in ((TOTP, apps), (PASSKEY, keys))
        for device in devices.order_by("pk")
    ]


def recovery_codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user_id=user.pk, used_at=None).count()


def sign_ins_open(user: User, *, now: datetime) -> QuerySet[SignIn]:
    """Those that still count; a browser that was just closed says nothing, so its row may stay open."""
    oldest = now - timedelta(hours=settings.SIGN_IN_HOURS)
    return SignIn.objects.filter(user_id=user.pk, ended_at=None, started_at__gt=oldest)


def session_digest(session_key: str | None) -> str:
    return hashlib.sha256((session_key or "").encode()).hexdigest()


def sign_in_of(user: User, session_key: str | None) -> SignIn | None:
    """The sign-in this browser session belongs to, ended or not."""
    return SignIn.objects.filter(user_id=user.pk, session_digest=session_digest(session_key)).first()


def sign_in_over(row: SignIn, user: User, *, now: datetime) -> SignInEnd | None:
    """Why the sign-in no longer counts; `None` while it does. A closed one stays closed."""
    if row.ended_at is not None:
        return SignInEnd(row.ended_because)
    if now - row.started_at >= timedelta(hours=settings.SIGN_IN_HOURS):
        return SignInEnd.TOO_LONG
    if now - row.seen_at >= timedelta(minutes=settings.SIGN_IN_IDLE_MINUTES) and holds_live_rights(user):
        return SignInEnd.IDLE
    return None


def holds_live_rights(user: User) -> bool:
    """Whether the person may do more than look, stop and export figures; a screen on the wall may not."""
    harmless = settings.SIGN_IN_IDLE_EXEMPT
    return any(
        right not in harmless and not right.partition(".")[2].startswith("view_")
        for right in user.get_all_permissions()
    )
