"""Sign-ins: begun with password and second factor, ended by their person, by time, or by a change of either."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from apps.core.stepup import FreshFactor
from apps.governance.choices import Severity, SignInEnd
from apps.governance.models import SignIn, SystemEvent
from apps.governance.people import session_digest

from .records import audit_record, system_event_record

LOCKED = "SIGN_IN_LOCKED"
SEEN_EVERY = timedelta(seconds=30)
_LABEL = SignIn._meta.label


@transaction.atomic
def sign_in_begin(
    *, user: User, session_key: str | None, factor: FreshFactor, address: str | None, browser: str, now: datetime
) -> SignIn:
    """Call with the session's new key. Raises `ValueError` without a key or with another person's factor."""
    if not session_key or factor.user_id != user.pk:
        raise ValueError("a sign-in needs a stored session and the person's own factor")
    row = SignIn.objects.create(
        user=user,
        session_digest=session_digest(session_key),
        method=factor.method,
        started_at=now,
        seen_at=now,
        address=address,
        browser=browser[:200],
    )
    _audit(row, "people.sign_in.begin", now, {"method": factor.method}, actor=user)
    return row


def sign_in_seen(*, row: SignIn, now: datetime) -> None:
    """Notes a step of the person's own; at most one write in 30 s, and none to a sign-in that has ended."""
    if now - row.seen_at >= SEEN_EVERY:
        SignIn.objects.filter(pk=row.pk, ended_at=None).update(seen_at=now)


def sign_in_rekey(*, old_key: str | None, new_key: str | None) -> None:
    """The browser got a new session key, as it does with a new password."""
    SignIn.objects.filter(session_digest=session_digest(old_key)).update(session_digest=session_digest(new_key))


@transaction.atomic
def sign_in_end(*, row: SignIn, because: SignInEnd, now: datetime, actor: User | None) -> bool:
    """False when it had ended already; then nothing changes."""
    ended = SignIn.objects.filter(pk=row.pk, ended_at=None).update(ended_at=now, ended_because=because)
    if ended:
        _audit(row, "people.sign_in.end", now, {"because": because}, actor=actor)
    return bool(ended)


@transaction.atomic
def sign_ins_end(*, user: User, because: SignInEnd, now: datetime, actor: User | None, keep: str | None = None) -> int:
    """Ends every open sign-in of a person, except the one of session key `keep`; returns how many."""
    rows = SignIn.objects.filter(user=user, ended_at=None)
    if keep is not None:
        rows = rows.exclude(session_digest=session_digest(keep))
    return sum(sign_in_end(row=row, because=because, now=now, actor=actor) for row in list(rows))


def sign_in_locked(*, username: str, **_: Any) -> None:
    """Five wrong tries for one name from one address: told once to whoever watches, without the address."""
    now, message = timezone.now(), f"Sign-in as {username} is locked from one address after too many wrong tries"
    told = SystemEvent.objects.filter(code=LOCKED, message=message, created_at__gt=now - settings.AXES_COOLOFF_TIME)
    if not told.exists():
        system_event_record(code=LOCKED, severity=Severity.WARNING, source="governance", message=message, now=now)


def _audit(row: SignIn, action: str, now: datetime, after: dict[str, str], *, actor: User | None) -> None:
    audit_record(
        actor=actor,
        actor_label=None if actor else "system:sign-in",
        action=action,
        obj_type=_LABEL,
        obj_id=row.pk,
        after={"user": row.user_id, **after},
        now=now,
    )
