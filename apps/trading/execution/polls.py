"""What the session asks the database all the time: may I trade, and is the lease still mine?"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from apps.engine.limits import TradingState as EngineState
from apps.risk.choices import Scope, State
from apps.risk.models import TradingState
from apps.risk.selectors import strictest
from apps.trading.models import TradingSession
from apps.trading.services.sessions import session_heartbeat

from .context import SessionContext

_STATES = (
    f"SELECT state, reason FROM {TradingState._meta.db_table} "  # noqa: S608  names come from the models
    "WHERE state <> %s AND (scope = %s OR (scope = %s AND scope_id = %s)) ORDER BY scope, scope_id"
)
_STOP = f"SELECT 1 FROM {TradingSession._meta.db_table} WHERE id = %s AND stop_requested_at IS NOT NULL"  # noqa: S608


@dataclass(frozen=True, slots=True)
class StatePoll:
    """The account's trading state with its reason, and whether somebody asked the session to stop."""

    state: EngineState
    reason: str
    stop_requested: bool


def poll_state(*, context: SessionContext) -> StatePoll:
    """Reads only, so that it never waits for a writer; plain SQL, because it runs beside trading all the time."""
    account = context.account.name
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [State.ACTIVE, Scope.GLOBAL, Scope.ACCOUNT, account])
        binding = cursor.fetchall()
        cursor.execute(_STOP, [context.session.pk])
        stop_requested = cursor.fetchone() is not None
    state = strictest(state for state, _ in binding)
    return StatePoll(state, "; ".join(reason for _, reason in binding), stop_requested)


def renew_lease(*, context: SessionContext) -> None:
    """Renews the lease and shows the session's state. Raises `LeaseLost`."""
    session_heartbeat(
        session=context.session,
        state=context.state,
        reason=context.reason,
        counters=context.counters.as_json(),
        now=context.now(),
    )
