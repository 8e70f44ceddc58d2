"""A sign-in under way: the password was right, the second factor is still to come.

Until both were shown nobody is signed in, so nothing else has to know of this state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from apps.core.stepup import FreshFactor, factor_remember
from apps.governance.addresses import client_address
from apps.governance.people import factors_of, uses_one_time_password
from apps.governance.services.sign_ins import sign_in_begin

KEY = "signing_in"
MAX_AGE = timedelta(minutes=15)
TRIES = 5
_BACKEND = "django.contrib.auth.backends.ModelBackend"


@dataclass(slots=True)
class Under:
    """Whose sign-in is under way, and what they have shown so far."""

    user: User
    back: str
    factor: FreshFactor | None

    def step(self) -> str | None:
        """The URL name of what is still to be done, or None.

        Who has a factor shows it before anything can be changed; who has none first replaces a password others know.
        """
        if self.factor is None and factors_of(self.user):
            return "console:sign-in-factor"
        if uses_one_time_password(self.user):
            return "console:sign-in-password"
        return None if self.factor else "console:sign-in-enrol"


def begin(request: HttpRequest, user: User, back: str, now: datetime) -> Under:
    """After the right password. Nothing of what the browser's session held before survives."""
    request.session.flush()
    request.session[KEY] = {
        "user": user.pk,
        "hash": user.get_session_auth_hash(),
        "at": now.isoformat(),
        "back": back,
        "tries": 0,
    }
    return Under(user, back, None)


def under_way(request: HttpRequest, now: datetime) -> Under | None:
    """None when nothing is under way, it took too long, or the person or their password has changed since."""
    stored = request.session.get(KEY)
    if stored is None:
        return None
    user = User.objects.filter(pk=stored["user"], is_active=True).first()
    is_young = now - datetime.fromisoformat(stored["at"]) < MAX_AGE
    if user is None or not is_young or not constant_time_compare(stored["hash"], user.get_session_auth_hash()):
        del request.session[KEY]
        return None
    shown = stored.get("factor")
    factor = FreshFactor(user.pk, datetime.fromisoformat(shown["at"]), shown["method"]) if shown else None
    return Under(user, stored["back"], factor)


def shown(request: HttpRequest, under: Under, factor: FreshFactor) -> None:
    under.factor = factor
    kept = {"at": factor.verified_at.isoformat(), "method": factor.method}
    request.session[KEY] = {**request.session[KEY], "factor": kept}


def password_chosen(request: HttpRequest, under: Under) -> None:
    request.session[KEY] = {**request.session[KEY], "hash": under.user.get_session_auth_hash()}


def failed(request: HttpRequest, user: User) -> bool:
    """Counts a wrong second factor with the wrong passwords of the same person and address.

    True when this browser has none left: then it starts again with the password.
    """
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)
    stored = request.session.get(KEY)
    if stored is None:
        return False
    tries = stored["tries"] + 1
    request.session[KEY] = {**stored, "tries": tries}
    if tries >= TRIES:
        request.session.flush()
    return tries >= TRIES


def finish(request: HttpRequest, under: Under, now: datetime) -> None:
    """Signs in: a new session key, the factor remembered, the sign-in on record."""
    assert under.factor is not None
    del request.session[KEY]
    login(request, under.user, backend=_BACKEND)
    factor_remember(request, under.factor)
    sign_in_begin(
        user=under.user,
        session_key=request.session.session_key,
        factor=under.factor,
        address=client_address(request),
        browser=request.headers.get("User-Agent", ""),
        now=now,
    )
