"""What the guardian reads from and writes to the database, when there is one. Every function raises `django.db.Error`.

Trading's tables are read by name: risk stands below trading.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Q

from apps.governance.choices import Severity
from apps.governance.services import system_event_record
from apps.marketdata.models import Market
from apps.risk.blocks import Block, block_clear
from apps.risk.choices import KillOutcome, Scope, State
from apps.risk.exceptions import KillRunClosed
from apps.risk.models import KillRun, Theme, TradingState
from apps.risk.scopes import scope_text
from apps.risk.services import kill_run_late, kill_run_progress, kill_switch_trip

from .heartbeat import Heartbeat
from .reach import Reach, everything, of_client_ids, of_markets, of_prefix, reach_without_records
from .request import KillRequest

# A run somebody began and did not end within this is taken over.
TAKEN_FOR = timedelta(seconds=45)


def runs_waiting(*, now: datetime) -> list[KillRequest]:
    """Presses that nobody climbs the ladder for."""
    free = Q(taken_at=None) | Q(taken_at__lt=now - TAKEN_FOR)
    rows = KillRun.objects.filter(free, outcome=KillOutcome.RUNNING, request_id__isnull=False)
    if not rows.exists():  # nearly always, and a fraction of the cost of the join below
        return []
    return [_request(run) for run in rows.select_related("pressed_by")]


def request_record(*, request: KillRequest, now: datetime) -> int:
    """The row of a press that reached us without the database: made now, with its own time, and the scope halted.

    Where an approved resume has come after the press, the row is evidence only and the flag, a leftover, goes.
    """
    if (run := KillRun.objects.filter(request_id=request.request_id).first()) is not None:
        return run.pk
    label, source = request.by or "system:guardian", request.source or "file"
    if _is_lifted(request.scope, request.scope_id, request.at):
        made = kill_run_late(
            scope=request.scope,
            scope_id=request.scope_id,
            reason=request.reason,
            actor_label=label,
            now=request.at,
            request_id=request.request_id,
            source=source,
        )
        block_clear(scope=request.scope, scope_id=request.scope_id)
    else:
        made = kill_switch_trip(
            scope=request.scope,
            scope_id=request.scope_id,
            reason=request.reason,
            actor=None,
            actor_label=label,
            now=request.at,
            request_id=request.request_id,
            source=source,
        )
    KillRun.objects.filter(pk=made.pk).update(taken_at=now)
    return made.pk


def leftover_clear(*, block: Block) -> bool:
    """Takes away a flag that is older than an approved resume of its scope; whether it did."""
    if not _is_lifted(block.scope, block.scope_id, block.at):
        return False
    block_clear(scope=block.scope, scope_id=block.scope_id)
    return True


def progress_write(*, request: KillRequest, fields: dict[str, Any], now: datetime) -> int:
    """Writes the run's fields, making its row if it was pressed without the database; its key."""
    pk = request_record(request=request, now=now)
    known = {name: _moment(value) if name.endswith("_at") else value for name, value in fields.items()}
    try:
        kill_run_progress(kill_run_id=pk, now=now, **known)
    except KillRunClosed:
        return pk  # another ladder for the same press has proved zero already
    return pk


def beats_read() -> dict[str, Heartbeat]:
    """The last heartbeat of every session of this environment that has not ended."""
    session = apps.get_model("trading", "TradingSession")
    rows = session.objects.filter(ended_at=None, account__environment=settings.KALSHI_ENVIRONMENT)
    found: dict[str, Heartbeat] = {}
    for name, at in rows.order_by("heartbeat_at").values_list("account__name", "heartbeat_at"):
        found[name] = Heartbeat(name, int(at.timestamp() * 1000), settings.KALSHI_ENVIRONMENT)
    return found


def reach_of(*, scope: str, scope_id: str) -> Reach:
    """Which resting orders the scope covers, by our records."""
    text = scope_text(scope, scope_id)
    if scope == Scope.STRATEGY:
        order = apps.get_model("trading", "Order")
        found = order.objects.filter(config__version__strategy__slug=scope_id, closed_at=None)
        return of_client_ids(text, set(found.values_list("client_order_id", flat=True)))
    if scope == Scope.CATEGORY:
        return of_markets(text, _tickers(Q(event__series__category=scope_id)))
    if scope == Scope.THEME:
        theme = Theme.objects.filter(slug=scope_id).first()
        return (
            everything(text, f"there is no theme {scope_id}: every order is taken")
            if theme is None
            else of_markets(text, set(theme.members))
        )
    if scope == Scope.SERIES:
        return of_markets(text, {scope_id, *_tickers(Q(event__series__ticker=scope_id))})
    if scope == Scope.EVENT:
        return of_markets(text, {scope_id, *_tickers(Q(event__ticker=scope_id))})
    if scope == Scope.MARKET:
        return of_prefix(text, scope_id)
    return reach_without_records(scope, scope_id)


def accounts_elsewhere() -> set[str]:
    """Accounts of other environments: this process has no key for them."""
    account = apps.get_model("trading", "Account")
    return set(account.objects.exclude(environment=settings.KALSHI_ENVIRONMENT).values_list("name", flat=True))


def file_record(*, state: dict[str, Any], now: datetime) -> None:
    """Brings a finished run of a kill file into the database, as often as one likes."""
    request, fields = state["request"], state["fields"]
    if not state.get("is_dead_man"):
        press = KillRequest(**request | {"at": datetime.fromisoformat(request["at"])})
        progress_write(request=press, fields=fields, now=now)
        return
    system_event_record(
        code="DEAD_MAN",
        severity=Severity.CRITICAL,
        source="guardian",
        message=f"The trading session of {request['account']} fell silent with orders resting; "
        + ("they were taken off" if fields["is_zero"] else "taking them off is NOT proved"),
        details=fields | {"account": request["account"], "last_beat_ms": request["beat_ms"]},
        now=datetime.fromisoformat(request["at"]),
    )


def _is_lifted(scope: str, scope_id: str, at: datetime) -> bool:
    return TradingState.objects.filter(scope=scope, scope_id=scope_id, state=State.ACTIVE, changed_at__gt=at).exists()


def _tickers(where: Q) -> set[str]:
    return set(Market.objects.filter(where).values_list("ticker", flat=True))


def _request(run: KillRun) -> KillRequest:
    by = run.pressed_by.get_username() if run.pressed_by else ""
    return KillRequest(run.request_id or "", run.scope, run.scope_id, run.reason, by, run.pressed_at, run.source)


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
