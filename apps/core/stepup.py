"""A fresh second factor: what a person shows again before a step that cannot easily be taken back.

The sign-in app writes when and how the factor was shown into the browser session; services that need it take it as an
argument, so that no interface can forget to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.http import HttpRequest

SESSION_KEY = "second_factor"
MAX_AGE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class FreshFactor:
    """Who showed which factor when; `method` is "totp", "passkey" or "recovery_code"."""

    user_id: int
    verified_at: datetime
    method: str


class StepUpNeeded(Exception):
    """The second factor was never shown in this session, or longer ago than `MAX_AGE`.

    No `ApplicationError`: a view that turns those into a sentence on its form must not swallow this one, which the
    access middleware turns into the page that asks for the factor.
    """

    code = "step_up_needed"

    def __init__(self) -> None:
        self.message = "Confirm this with your second factor first"
        super().__init__(self.message)


def factor_remember(request: HttpRequest, factor: FreshFactor) -> None:
    request.session[SESSION_KEY] = {
        "user": factor.user_id,
        "at": factor.verified_at.isoformat(),
        "method": factor.method,
    }


def factor_of(request: HttpRequest) -> FreshFactor | None:
    """The factor this session last showed, however old; `None` when it showed none."""
    stored = request.session.get(SESSION_KEY)
    if stored is None:
        return None
    return FreshFactor(stored["user"], datetime.fromisoformat(stored["at"]), stored["method"])


def require_fresh(factor: FreshFactor | None, *, actor: User, now: datetime) -> FreshFactor:
    """The factor, if it is the actor's own and between 0 and 5 minutes old; else raises `StepUpNeeded`."""
    if factor is None or factor.user_id != actor.pk or not timedelta(0) <= now - factor.verified_at <= MAX_AGE:
        raise StepUpNeeded
    return factor
