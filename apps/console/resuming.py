"""What has to be true before trading may resume, and what the platform knows of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.marketdata.selectors import feed_get
from apps.risk.choices import ResumeCheck
from apps.risk.models import KillRun, TradingState
from apps.risk.scopes import scope_text
from apps.risk.selectors import states_restricting
from apps.trading.models import Account, Reconciliation

from .risk_state import risk_build
from .switch_lines import switch_lines

CHECKS = dict(ResumeCheck.choices)


@dataclass(frozen=True, slots=True)
class Stop:
    """A scope that is not active."""

    scope: str
    scope_id: str
    state: str
    reason: str
    by: str
    at: datetime

    @property
    def text(self) -> str:
        return scope_text(self.scope, self.scope_id)

    @property
    def key(self) -> str:
        return f"{self.scope}:{self.scope_id}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the platform says about one line of the checklist; it does not tick the box."""

    is_good: bool | None
    text: str
    at: datetime | None = None

    @property
    def lamp(self) -> str:
        return {True: "ok", False: "stop", None: "idle"}[self.is_good]


def stops_in_force() -> list[Stop]:
    return [_stop(row) for row in states_restricting()]


def _stop(row: TradingState) -> Stop:
    by = row.changed_by.get_username() if row.changed_by else "the platform"
    return Stop(row.scope, row.scope_id, row.state, row.reason, by, row.changed_at)


def checks_known(*, account: Account | None, now: datetime) -> dict[str, Known]:
    """By name of the check."""
    return {
        "cause_known": _stop_known(),
        "reconciled_clean": _compared(account),
        "feeds_fresh": _feed(now),
        "limits_reviewed": _limits(account),
        "switches_live": _switches(account, now),
    }


def _stop_known() -> Known:
    run = KillRun.objects.first()
    if run is None:
        return Known(None, "no stop of the kill switch is recorded")
    return Known(None, f"last stop: {run.reason}", run.pressed_at)


def _compared(account: Account | None) -> Known:
    newest = Reconciliation.objects.filter(account=account).first() if account else None
    if newest is None:
        return Known(False, "never compared")
    return Known(newest.is_clean, "newest comparison is clean" if newest.is_clean else "it differs", newest.at)


def _feed(now: datetime) -> Known:
    row = feed_get(now=now)
    if row is None:
        return Known(False, "no feed has connected yet")
    is_live = row.feed.state == "live" and not row.is_stale
    return Known(is_live, f"{row.feed.name} is {row.feed.state}", row.feed.last_frame_at)


def _limits(account: Account | None) -> Known:
    tree = risk_build(account=account, with_quiet=False).tree
    if tree is None:
        return Known(None, "no live use of the limits is known")
    text = f"{tree.broken} broken" if tree.broken else "none is broken"
    return Known(not tree.broken, text, tree.at)


def _switches(account: Account | None, now: datetime) -> Known:
    lines = switch_lines(account=account, now=now)
    blocking = [line.row.switch.key for line in lines if line.blocks_arming]
    if blocking:
        return Known(False, f"{len(blocking)} block arming: {', '.join(blocking)}")
    return Known(True, f"all {len(lines)} are ready")
