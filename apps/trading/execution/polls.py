"""What the session asks the database four times a second, in one go."""

from __future__ import annotations

from dataclasses import dataclass

from apps.engine.limits import TradingState
from apps.risk.choices import Scope
from apps.risk.selectors import states_restricting, strictest
from apps.trading.services.sessions import session_heartbeat

from .context import SessionContext


@dataclass(frozen=True, slots=True)
class HeartbeatPoll:
    """The account's trading state with its reason, and whether somebody asked the session to stop."""

    state: TradingState
    reason: str
    stop_requested: bool


def heartbeat(*, context: SessionContext) -> HeartbeatPoll:
    """Renews the lease and reads the state. Raises `LeaseLost`, or the database's own error while it is away."""
    stop_requested = session_heartbeat(
        session=context.session,
        state=context.state,
        reason=context.reason,
        counters=context.counters.as_json(),
        now=context.now(),
    )
    account = context.account.name
    binding = [
        row
        for row in states_restricting()
        if row.scope == Scope.GLOBAL or (row.scope == Scope.ACCOUNT and row.scope_id == account)
    ]
    state = strictest(row.state for row in binding)
    return HeartbeatPoll(state, "; ".join(row.reason for row in binding), stop_requested)
