"""Opening, renewing and closing a trading session under its lease."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.leases import LEASE_SECONDS, lease_acquire, lease_release, lease_renew
from apps.governance.services import audit_record
from apps.trading.choices import Permission, SessionState
from apps.trading.models import Account, TradingSession
from apps.trading.services.orders import lease_name

SYSTEM = "system:trading-session"
_ENDED = (SessionState.STOPPED, SessionState.FAILED)


def session_open(*, account: Account, holder: str, now: datetime) -> TradingSession | None:
    """A new session with the next fencing token, or None while another holds the account's lease."""
    with transaction.atomic():
        token = lease_acquire(name=lease_name(account.pk), holder=holder, now=now)
        if token is None:
            return None
        account.sessions.exclude(state__in=_ENDED).update(
            state=SessionState.FAILED, reason="its lease ran out and another session took over", ended_at=now
        )
        session = TradingSession.objects.create(
            account=account,
            fencing_token=token,
            holder=holder,
            release=settings.RELEASE,
            started_at=now,
            heartbeat_at=now,
            lease_expires_at=now + timedelta(seconds=LEASE_SECONDS),
        )
        audit_record(
            actor=None,
            actor_label=SYSTEM,
            action="trading.session.open",
            obj_type=TradingSession._meta.label,
            obj_id=str(session.pk),
            after={"account": account.name, "fencing_token": token, "holder": holder},
            now=now,
        )
    return session


def session_heartbeat(
    *, session: TradingSession, state: SessionState, reason: str, counters: Mapping[str, Any], now: datetime
) -> None:
    """Renews the lease and shows the session's state. Raises `LeaseLost`: the caller must stop sending at once."""
    lease_renew(name=lease_name(session.account_id), token=session.fencing_token, now=now)
    TradingSession.objects.filter(pk=session.pk).update(
        state=state,
        reason=reason,
        counters=dict(counters),
        heartbeat_at=now,
        lease_expires_at=now + timedelta(seconds=LEASE_SECONDS),
    )


def session_close(
    *, session: TradingSession, state: SessionState, reason: str, counters: Mapping[str, Any], now: datetime
) -> None:
    """Ends a session and gives its lease back."""
    with transaction.atomic():
        TradingSession.objects.filter(pk=session.pk).update(
            state=state, reason=reason, counters=dict(counters), heartbeat_at=now, ended_at=now
        )
        lease_release(name=lease_name(session.account_id), token=session.fencing_token, now=now)
        audit_record(
            actor=None,
            actor_label=SYSTEM,
            action="trading.session.close",
            obj_type=TradingSession._meta.label,
            obj_id=str(session.pk),
            after={"state": str(state), "counters": dict(counters)},
            reason=reason,
            now=now,
        )


def session_restart(*, session: TradingSession, actor: User, reason: str, now: datetime) -> None:
    """Asks a running session to cancel its orders and end; beat starts the next within seconds, on today's code.

    To keep an account from trading, halt it instead: that survives the restart.
    """
    if not actor.has_perm(Permission.OPERATE_SESSION.full):
        raise NotPermitted(f"This needs the right {Permission.OPERATE_SESSION.full}")
    if session.state in _ENDED:
        raise Refused(f"Session {session.pk} has ended already")
    with transaction.atomic():
        TradingSession.objects.filter(pk=session.pk, stop_requested_at__isnull=True).update(stop_requested_at=now)
        audit_record(
            actor=actor,
            action="trading.session.restart",
            obj_type=TradingSession._meta.label,
            obj_id=str(session.pk),
            reason=reason,
            now=now,
        )
