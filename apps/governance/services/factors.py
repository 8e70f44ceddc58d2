"""Second factors: an authenticator app, passkeys, and recovery codes for when both are gone.

An app's codes are checked by django-otp, which refuses a code that was used before and makes the next try wait longer
after each wrong one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django_otp import verify_token
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from apps.core.exceptions import Refused
from apps.core.stepup import FreshFactor, require_fresh
from apps.governance.choices import SignInEnd
from apps.governance.models import RecoveryCode
from apps.governance.people import PASSKEY, RECOVERY_CODE, TOTP, factors_of

from .records import audit_record
from .sign_ins import sign_ins_end

CODES = 10
# Letters and digits that cannot be mistaken for each other.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_APP_NAME = "Authenticator app"


class WrongCode(Refused):
    """One message for every cause: a wrong code, a used one, and one that came too soon after a wrong one."""

    code = "wrong_code"

    def __init__(self) -> None:
        super().__init__("That did not work. Wait for the next code and try again.")


def written_code(groups: int = 4) -> str:
    """Groups of four characters a person can copy from paper; 16 of them are about 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(groups))


def app_begin(*, user: User) -> TOTPDevice:
    """The secret an authenticator app is to learn. It counts only once a code of it was shown."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": _APP_NAME})
    return device


def app_forget(*, user: User) -> None:
    """Throws away a secret that was shown and never confirmed, so that the next page shows another."""
    TOTPDevice.objects.filter(user=user, confirmed=False).delete()


@transaction.atomic
def app_confirm(
    *, user: User, code: str, factor: FreshFactor | None, now: datetime, keep: str | None = None
) -> FreshFactor:
    """Makes the begun app the person's only one, and ends their sign-ins except that of session key `keep`.

    Raises `WrongCode`, and `StepUpNeeded` where a factor is held already and was not shown just now.
    """
    _require_own(user, factor, now)
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or not device.verify_token(_digits(code)):
        raise WrongCode
    TOTPDevice.objects.filter(user=user, confirmed=True).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    _changed(user, "people.factor.add", {"kind": TOTP}, now, keep)
    return FreshFactor(user.pk, now, TOTP)


@transaction.atomic
def passkey_add(
    *,
    user: User,
    prove: Callable[[], WebAuthnCredential],
    name: str,
    factor: FreshFactor | None,
    now: datetime,
    keep: str | None = None,
) -> FreshFactor:
    """Stores what `prove` returns once the browser's answer was checked; otherwise as `app_confirm`."""
    _require_own(user, factor, now)
    passkey = prove()
    passkey.name = name.strip()[:64] or "Passkey"
    passkey.save(update_fields=["name"])
    _changed(user, "people.factor.add", {"kind": PASSKEY, "id": passkey.pk}, now, keep)
    return FreshFactor(user.pk, now, PASSKEY)


@transaction.atomic
def factor_remove(
    *, user: User, kind: str, pk: int, factor: FreshFactor | None, now: datetime, keep: str | None = None
) -> None:
    """Raises `StepUpNeeded`, and `Refused` for the last factor or one that is not theirs."""
    require_fresh(factor, actor=user, now=now)
    held = factors_of(user)
    if not any((each.kind, each.pk) == (kind, pk) for each in held):
        raise Refused("There is no such factor", code="no_factor")
    if len(held) == 1:
        raise Refused("This is your only second factor; add another one first", code="last_factor")
    model = TOTPDevice if kind == TOTP else WebAuthnCredential
    model.objects.filter(user=user, pk=pk).delete()
    _changed(user, "people.factor.remove", {"kind": kind, "id": pk}, now, keep)


@transaction.atomic
def recovery_codes_make(*, user: User, factor: FreshFactor | None, now: datetime) -> list[str]:
    """Ten new codes, which can be shown this once; the old ones stop working. Raises `StepUpNeeded`."""
    require_fresh(factor, actor=user, now=now)
    codes = [written_code() for _ in range(CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(user, code), made_at=now) for code in codes)
    _audit(user, "people.recovery_codes.make", {"codes": CODES}, now)
    return codes


def code_verify(*, user: User, code: str, now: datetime) -> FreshFactor:
    """Takes the app's six digits or one recovery code; raises `WrongCode`."""
    digits = _digits(code)
    if digits.isdigit():
        for device in TOTPDevice.objects.filter(user=user, confirmed=True):
            if verify_token(user, device.persistent_id, digits) is not None:
                return FreshFactor(user.pk, now, TOTP)
        raise WrongCode
    return _recovery_code_use(user, code, now)


@transaction.atomic
def _recovery_code_use(user: User, code: str, now: datetime) -> FreshFactor:
    unused = RecoveryCode.objects.filter(user=user, digest=_digest(user, code), used_at=None)
    if not unused.update(used_at=now):
        raise WrongCode
    left = RecoveryCode.objects.filter(user=user, used_at=None).count()
    _audit(user, "people.recovery_code.use", {"left": left}, now)
    return FreshFactor(user.pk, now, RECOVERY_CODE)


def _require_own(user: User, factor: FreshFactor | None, now: datetime) -> None:
    """The first factor is added with nothing but the password; every later one by somebody who shows one."""
    if factors_of(user):
        require_fresh(factor, actor=user, now=now)


def _digits(code: str) -> str:
    """Apps show `123 456`."""
    return "".join(code.split())


def _digest(user: User, code: str) -> str:
    """A plain hash is enough: a code is 79 random bits, which no list of guesses covers."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return hashlib.sha256(f"{user.pk}:{plain}".encode()).hexdigest()


def _changed(user: User, action: str, after: dict[str, object], now: datetime, keep: str | None) -> None:
    """Whoever signed in with what held before has to do it again, except the browser that made the change."""
    _audit(user, action, after, now)
    sign_ins_end(user=user, because=SignInEnd.FACTOR, now=now, actor=user, keep=keep)


def _audit(user: User, action: str, after: dict[str, object], now: datetime) -> None:
    audit_record(actor=user, action=action, obj_type=User._meta.label, obj_id=user.pk, after=after, now=now)
