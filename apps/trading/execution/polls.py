"""What the session asks the database all the time: may I trade, and is the lease still mine?"""

from __future__ import annotations

from dataclasses import dataclass

from apps.engine.limits import TradingState
from apps.risk.choices import Scope
from apps.risk.selectors import states_restricting, strictest
from apps.trading.models import TradingSession
from apps.trading.services.sessions import session_heartbeat

from .context import SessionContext


@dataclass(frozen=True, slots=True)
class StatePoll:
    """The account's trading state with its reason, and whether somebody asked the session to stop."""

    state: TradingState
    reason: str
    stop_requested: bool


def poll_state(*, context: SessionContext) -> StatePoll:
    """Reads only, so that it never waits for a writer."""
    account = context.account.name
    binding = [
        row
        for row in states_restricting()
        if row.scope == Scope.GLOBAL or (row.scope == Scope.ACCOUNT and row.scope_id == account)
    ]
    stop = TradingSession.objects.filter(pk=context.session.pk, stop_requested_at__isnull=False).exists()
    state = strictest(row.state for row in binding)
    return StatePoll(state, "; ".join(row.reason for row in binding), stop)


def renew_lease(*, context: SessionContext) -> None:
    """Renews the lease and shows the session's state. Raises `LeaseLost`."""
    session_heartbeat(
        session=context.session,
        state=context.state,
        reason=context.reason,
        counters=context.counters.as_json(),
        now=context.now(),
    )
