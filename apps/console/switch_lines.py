"""The automatic stops as people see them, and why each that is not ready keeps trading from arming."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.engine.switches.base import Reset
from apps.risk.choices import SwitchState
from apps.risk.services.switches import SwitchRow, switch_rows, threshold_texts
from apps.trading.execution.switchboard import SHOWN_ONLY
from apps.trading.models import Account

from .guards import SWITCH_BOUND_S

STORED_EVERY_S = 6
_ACTIONS = {
    "none": "Nothing",
    "scale": "Trades smaller",
    "pull_quotes": "Takes quotes off",
    "refuse": "Sends nothing new",
    "pause_strategy": "Pauses the strategy",
    "reduce": "Only reduces positions",
    "halt": "Halts trading",
}


@dataclass(frozen=True, slots=True)
class SwitchLine:
    """`is_silent`: no session has judged it for longer than it ought to; then its last state proves nothing."""

    row: SwitchRow
    is_silent: bool

    @property
    def state(self) -> str:
        """A verdict that nobody renews is no input, whatever it was."""
        if self.row.status is None or (self.is_silent and self.row.status.state != SwitchState.TRIPPED):
            return SwitchState.NO_INPUT.value
        return self.row.status.state

    @property
    def state_label(self) -> str:
        return dict(SwitchState.choices).get(self.state, self.state)

    @property
    def message(self) -> str:
        if self.row.status is None:
            return "No session has judged it yet"
        if self.is_silent:
            return f"No session judges it now; it last said: {self.row.status.message}"
        return self.row.status.message

    @property
    def has_input(self) -> bool:
        return self.state != SwitchState.NO_INPUT

    @property
    def blocks_arming(self) -> bool:
        """The stored stop itself (KM) is shown, and blocks by what it says, not by being silent."""
        is_blind = not self.has_input and self.row.switch.key not in SHOWN_ONLY
        return is_blind or self.row.is_drill_due

    @property
    def action(self) -> str:
        return _ACTIONS.get(self.row.switch.action.value, self.row.switch.action.value)

    @property
    def reset(self) -> str:
        if self.row.switch.reset is Reset.MANUAL:
            return "Two people resume"
        return f"By itself after {self.row.switch.reset_after_ms / 1000:g} s of good input"

    @property
    def max_age_s(self) -> int:
        thresholds = self.row.thresholds or self.row.switch.thresholds
        return -(-int(thresholds.max_age_ms) // 1000)

    @property
    def bound_s(self) -> int:
        """Age on the screen at which an input is stale: its own bound and the pace at which states are stored."""
        return self.max_age_s + STORED_EVERY_S

    @property
    def thresholds(self) -> list[tuple[str, int, str]]:
        """(name, value, unit) in force; empty where the stored setting cannot be used."""
        return [] if self.row.thresholds is None else threshold_texts(self.row.thresholds)


def switch_lines(*, account: Account | None, now: datetime) -> list[SwitchLine]:
    rows = switch_rows(account=account.name if account else "", now=now)
    return [SwitchLine(row, _is_silent(row, now)) for row in rows]


def _is_silent(row: SwitchRow, now: datetime) -> bool:
    return row.status is not None and now - row.status.evaluated_at > timedelta(seconds=SWITCH_BOUND_S)
