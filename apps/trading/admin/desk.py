"""The trading state of every account, for the top of the admin's index page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from apps.core.admin_columns import OK, STOP, WARN, Mark
from apps.core.admin_index import PANELS, Panel
from apps.risk.choices import Permission, Scope, State
from apps.risk.models import TradingState
from apps.risk.scopes import EACH, scope_text
from apps.risk.selectors import kill_run_latest, states_all, strictest
from apps.trading.models import Account, TradingSession

_MARKS: dict[str, Mark] = {State.ACTIVE: OK, State.REDUCING: WARN, State.HALTED: STOP}


@dataclass(frozen=True, slots=True)
class StateLine:
    """What may trade, and the row that says so; without a row nobody ever stopped it."""

    what: str
    detail: str
    state: str
    row: TradingState | None
    session: TradingSession | None = None

    @property
    def mark(self) -> Mark:
        return _MARKS.get(self.state, STOP)

    @property
    def word(self) -> str:
        return self.state.capitalize()


def _binding(account: Account, rows: Iterable[TradingState]) -> list[TradingState]:
    """The rows about the whole of an account; a narrower one holds back a part and has a line of its own."""
    ids: dict[str, tuple[str, ...]] = {
        Scope.GLOBAL: ("",),
        Scope.ACCOUNT: (account.name, EACH),
        Scope.ENVIRONMENT: (account.environment, EACH),
    }
    return [row for row in rows if row.scope_id in ids.get(row.scope, ())]


def _account_line(account: Account, binding: list[TradingState], session: TradingSession | None) -> StateLine:
    state = strictest(row.state for row in binding).value
    # Of the rows that say so the newest; a stored state that is not known counts as halted.
    saying = [row for row in binding if strictest([row.state]).value == state]
    newest = max(saying, key=lambda row: row.changed_at, default=None)
    return StateLine(account.name, account.get_environment_display(), state, newest, session)


def desk(request: HttpRequest, now: datetime) -> dict[str, Any]:
    rows = states_all()
    sessions = {row.account_id: row for row in TradingSession.objects.filter(ended_at=None).order_by("id")}
    bound = [(account, _binding(account, rows)) for account in Account.objects.filter(is_active=True)]
    told = {row.pk for _, binding in bound for row in binding}
    others = [row for row in rows if row.state != State.ACTIVE and row.pk not in told]
    lines = [_account_line(account, binding, sessions.get(account.pk)) for account, binding in bound]
    return {
        "lines": lines + [StateLine(scope_text(row.scope, row.scope_id), "", row.state, row) for row in others],
        "kill_run": kill_run_latest(),
        "may_stop": request.user.has_perm(Permission.TRIP_KILL_SWITCH.full),
        "may_resume": request.user.has_perm(Permission.RESUME_TRADING.full),
        "halt_url": reverse("admin:risk_tradingstate_halt"),
    }


PANELS.append(Panel(template="admin/trading/_desk.html", permission="risk.view_tradingstate", context=desk))
