"""One context builder for mission control: page, polled fragments and socket all show what this returns."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.core import live
from apps.governance.choices import Severity
from apps.governance.models import SystemEvent
from apps.governance.selectors import approval_list_open
from apps.risk.choices import KillOutcome
from apps.risk.models import TradingState
from apps.risk.scopes import scope_text
from apps.risk.selectors import kill_run_latest, states_restricting
from apps.trading.models import Account
from apps.trading.selectors import account_default, position_list

from .decisions import decision_groups
from .guards import guardian_tile, switches_tile
from .ladder import ladder_build
from .live_state import UnreadableState, from_payload
from .state import EventLine, Facts, KillLine, Ladder, LiveState, MarketRow, Mission, TradingTile
from .stored_state import from_database

MARKETS_SHOWN = 60
EVENT_WINDOW = timedelta(hours=1)
SILENT = "No live state: the trading session or Redis is silent. These numbers come from the database."
_STRICTNESS = {"active": 0, "partly reducing": 1, "partly halted": 2, "reducing": 3, "halted": 4}


def live_state(*, account: Account | None, now: datetime) -> LiveState:
    """What the session publishes, else what the database holds, saying so."""
    payload = live.read("mission")
    if payload is None:
        return from_database(account=account, notice=SILENT, now=now)
    try:
        return from_payload(payload)
    except UnreadableState as unreadable:
        notice = f"The live state could not be read ({unreadable}). These numbers come from the database."
        return from_database(account=account, notice=notice, now=now)


def guardian_told() -> datetime | None:
    """When the guardian last beat, as the session knows; None when it is silent or not to be understood."""
    payload = live.read("mission")
    try:
        return None if payload is None else from_payload(payload).guardian_at
    except UnreadableState:
        return None


def facts_read(*, account: Account | None, now: datetime) -> Facts:
    return Facts(
        read_at=now,
        restriction=_restriction(account),
        approvals_open=approval_list_open(now=now).count(),
        events=_events(now),
        kill=_kill(),
        positions=position_list(account=account) if account else (),
        decisions=decision_groups(account=account),
        switches=switches_tile(account=account, now=now),
    )


def mission_build(*, selected: str, query: str, now: datetime, facts: Facts | None = None) -> Mission:
    """`facts` may be handed in by a caller that refreshes them at its own pace."""
    account = account_default()
    state = live_state(account=account, now=now)
    facts = facts or facts_read(account=account, now=now)
    markets = _ordered(state.markets, query)
    selected = selected or (markets[0].ticker if markets else "")
    title = next((m.title for m in state.markets if m.ticker == selected), "")
    return Mission(
        now=now,
        live=state,
        facts=facts,
        trading=_strictest(state.trading, facts.restriction),
        markets=markets[:MARKETS_SHOWN],
        markets_total=state.markets_total,
        ladder=_ladder(state, selected, title) if selected else None,
        selected=selected,
        query=query,
        guardian=guardian_tile(now=now, told_at=state.guardian_at),
    )


def _ladder(state: LiveState, selected: str, title: str) -> Ladder | None:
    published_at = state.at if state.is_live else None
    return ladder_build(ticker=selected, title=title, orders=state.orders, published_at=published_at)


def _ordered(markets: tuple[MarketRow, ...], query: str) -> tuple[MarketRow, ...]:
    """Where we have orders or a position first, then by ticker; a stable order, so that rows do not jump."""
    wanted = query.lower()
    found = [m for m in markets if wanted in m.ticker.lower() or wanted in m.title.lower()]
    return tuple(sorted(found, key=lambda m: (not m.has_interest, m.ticker)))


def _strictness(state: str) -> int:
    return _STRICTNESS.get(state, 4)


def _strictest(said: TradingTile, restriction: TradingTile | None) -> TradingTile:
    if restriction is None or _strictness(restriction.state) < _strictness(said.state):
        return said
    return restriction


def _restriction(account: Account | None) -> TradingTile | None:
    """The strictest stop in force; one that covers only a part of the account's trading is called partly."""
    tiles = [_restriction_tile(row, account) for row in states_restricting()]
    return max(tiles, key=lambda tile: _strictness(tile.state), default=None)


def _restriction_tile(row: TradingState, account: Account | None) -> TradingTile:
    return TradingTile(
        state=row.state if _covers_everything(row, account) else f"partly {row.state}",
        reason=row.reason,
        at=row.changed_at,
        by=row.changed_by.get_username() if row.changed_by else "the platform",
        scope=scope_text(row.scope, row.scope_id),
    )


def _covers_everything(row: TradingState, account: Account | None) -> bool:
    return row.scope == "global" or (row.scope == "account" and account is not None and row.scope_id == account.name)


def _events(now: datetime) -> tuple[EventLine, ...]:
    rows = SystemEvent.objects.filter(created_at__gte=now - EVENT_WINDOW).exclude(severity=Severity.INFO)[:20]
    return tuple(EventLine(e.code, e.severity, e.message, e.created_at) for e in rows)


def _kill() -> KillLine | None:
    run = kill_run_latest()
    if run is None:
        return None
    return KillLine(run.pk, run.pressed_at, run.outcome == KillOutcome.RUNNING, run.get_outcome_display())
