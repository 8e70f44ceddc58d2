"""What the session asks the database all the time: may I trade, and is the lease still mine?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from apps.engine.limits import TradingState as EngineState
from apps.risk.blocks import BlocksUnreadable, blocks_read_files
from apps.risk.choices import Scope, State
from apps.risk.models import TradingState
from apps.risk.scopes import EACH
from apps.risk.selectors import strictest
from apps.trading.models import TradingSession
from apps.trading.services.sessions import session_heartbeat

from .context import SessionContext

_STATES = (
    f"SELECT scope, scope_id, state, reason FROM {TradingState._meta.db_table} "  # noqa: S608  the name is the model's
    "WHERE state <> %s ORDER BY scope, scope_id"
)
_STOP = f"SELECT 1 FROM {TradingSession._meta.db_table} WHERE id = %s AND stop_requested_at IS NOT NULL"  # noqa: S608


@dataclass(frozen=True, slots=True)
class StatePoll:
    """The account's trading state with its reason, narrower stops by (scope, id), and whether the session shall end."""

    state: EngineState
    reason: str
    narrower: Mapping[tuple[str, str], EngineState]
    stop_requested: bool


def poll_state(*, context: SessionContext) -> StatePoll:
    """Reads only, so that it never waits for a writer; plain SQL, because it runs beside trading all the time.

    A stop in a file halts as one in the database does, and so does a folder of stops that cannot be read.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [State.ACTIVE])
        rows = [(scope, scope_id, state, reason) for scope, scope_id, state, reason in cursor.fetchall()]
        cursor.execute(_STOP, [context.session.pk])
        stop_requested = cursor.fetchone() is not None
    rows += _stop_files()
    wide = [(state, reason) for scope, scope_id, state, reason in rows if covers_account(scope, scope_id, context)]
    narrower: dict[tuple[str, str], EngineState] = {}
    for scope, scope_id, state, _ in rows:
        narrower[scope, scope_id] = strictest((state, narrower.get((scope, scope_id), EngineState.ACTIVE)))
    reason = "; ".join(dict.fromkeys(reason for _, reason in wide))
    return StatePoll(strictest(state for state, _ in wide), reason, narrower, stop_requested)


def _stop_files() -> list[tuple[str, str, str, str]]:
    try:
        found = blocks_read_files()
    except BlocksUnreadable as error:
        return [(Scope.GLOBAL, "", State.HALTED, str(error))]
    return [(block.scope, block.scope_id, State.HALTED, block.reason) for block in found]


def covers_account(scope: str, scope_id: str, context: SessionContext) -> bool:
    """Whether a scope holds all of the session's account."""
    account = context.account
    named = {Scope.ACCOUNT: account.name, Scope.ENVIRONMENT: account.environment}
    return scope == Scope.GLOBAL or (scope in named and scope_id in (named[Scope(scope)], EACH))


def renew_lease(*, context: SessionContext) -> None:
    """Renews the lease and shows the session's state. Raises `LeaseLost`."""
    session_heartbeat(
        session=context.session,
        state=context.state,
        reason=context.reason,
        counters=context.counters.as_json(),
        now=context.now(),
    )
