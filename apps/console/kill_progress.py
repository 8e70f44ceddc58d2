"""One stop, rung by rung: what its ladder has told so far, from the newest of live topic and database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.core import live
from apps.risk.choices import KillOutcome
from apps.risk.guardian.telling import topic
from apps.risk.models import KillRun
from apps.risk.scopes import scope_text

from .guards import guardian_tile
from .live_state import instant, needed_instant
from .state import GuardianTile
from .stopping import WHOLE_ACCOUNTS

WATCHED_FOR = timedelta(minutes=10)
"""A stop that is not proved is tried again and again; the page goes on looking for this long."""
PATIENCE = timedelta(seconds=3)
_TIMES = ("taken_at", "cancel_sent_at", "triggered_at", "proved_zero_at")
_FIELDS = (
    *_TIMES, "resting_before", "canceled", "groups_total", "groups_triggered", "steps", "positions_left", "report",
    "outcome", "detail",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StepLine:
    name: str
    text: str
    at: datetime | None
    after_ms: int | None
    resting: int | None


@dataclass(frozen=True, slots=True)
class Rung:
    """`state`: done, now, wait (for the one above), not (it was not reached) or na (it does not apply)."""

    name: str
    state: str
    text: str
    at: datetime | None = None
    after_ms: int | None = None
    has_begun: bool = False


@dataclass(frozen=True, slots=True)
class KillProgress:
    """`pause` says that cancelling is impossible now, and why; `trouble` what the reader has to do."""

    run: KillRun
    scope: str
    by: str
    rungs: tuple[Rung, ...]
    steps: tuple[StepLine, ...]
    outcome: str
    outcome_label: str
    pause: str
    trouble: str
    command: str
    report: tuple[str, ...]
    left: tuple[str, ...]
    positions: tuple[dict[str, str], ...]
    guardian: GuardianTile
    is_watched: bool

    @property
    def is_running(self) -> bool:
        return self.outcome == KillOutcome.RUNNING

    @property
    def is_proved(self) -> bool:
        return self.outcome == KillOutcome.PROVED_ZERO

    @property
    def summary(self) -> str:
        """One sentence for screen readers; changes with every rung, not with every step."""
        done = [rung.name for rung in self.rungs if rung.state == "done"]
        last = f" {done[-1]}." if done else ""
        return f"{self.pause or self.outcome_label}.{last}"


def kill_progress(run: KillRun, *, now: datetime) -> KillProgress:
    told = _newest(run)
    steps = tuple(_step(row, run.pressed_at) for row in told["steps"])
    guardian = guardian_tile(now=now)
    report, outcome = str(told["report"]).splitlines(), str(told["outcome"])
    is_open = outcome != KillOutcome.PROVED_ZERO
    return KillProgress(
        run=run,
        scope=scope_text(run.scope, run.scope_id),
        by=run.pressed_by.get_username() if run.pressed_by else "the platform",
        rungs=_in_turn(_Ladder(run, told, steps).rungs()),
        steps=steps,
        outcome=outcome,
        outcome_label=dict(KillOutcome.choices).get(outcome, outcome),
        pause=_pause(steps),
        trouble=_trouble(run, guardian, now) if is_open and not steps else "",
        command=kill_command(run.scope, run.scope_id),
        report=tuple(line for line in report if not line.startswith("  ")),
        left=tuple(line.strip() for line in report if line.startswith("  ")),
        positions=tuple(told["positions_left"]),
        guardian=guardian,
        is_watched=outcome == KillOutcome.RUNNING or (is_open and now - run.pressed_at < WATCHED_FOR),
    )


def kill_command(scope: str, scope_id: str) -> str:
    """The same stop from any shell."""
    which = f" --scope {scope} --scope-id {scope_id}" if scope_id else ""
    return f"manage.py kill{which}"


def _newest(run: KillRun) -> dict[str, Any]:
    """The run's fields as the ladder published them, where those are newer than the stored ones."""
    stored = {name: getattr(run, name) for name in _FIELDS}
    payload = live.read(topic(run.pk)) or (live.read(topic(run.request_id)) if run.request_id else None)
    if payload is None or not isinstance(payload.get("steps"), list):
        return stored
    try:
        if run.outcome != KillOutcome.RUNNING and _last(payload["steps"]) <= _last(run.steps):
            return stored
        if _last(payload["steps"]) < _last(run.steps):
            return stored
        times = {name: instant(payload[name]) for name in _TIMES if payload.get(name)}
        return stored | {name: payload[name] for name in _FIELDS if name in payload} | times
    except (KeyError, TypeError, ValueError, AttributeError):
        return stored


def _last(steps: Sequence[dict[str, Any]]) -> datetime:
    return needed_instant(steps[-1]["at"]) if steps else datetime.min.replace(tzinfo=UTC)


def _step(row: dict[str, Any], pressed_at: datetime) -> StepLine:
    try:
        at = instant(row.get("at"))
    except (TypeError, ValueError):
        at = None
    resting = row.get("resting")
    return StepLine(
        name=str(row.get("step", "")),
        text=str(row.get("text", "")),
        at=at,
        after_ms=_after(at, pressed_at),
        resting=resting if type(resting) is int else None,
    )


def _after(at: datetime | None, pressed_at: datetime) -> int | None:
    return None if at is None else max(0, (at - pressed_at) // timedelta(milliseconds=1))


def _pause(steps: Sequence[StepLine]) -> str:
    """The newest word of a pause that no later look has overtaken."""
    for step in reversed(steps):
        if step.name == "exchange_paused":
            return step.text
        if step.name in ("proved_zero", "begun") or (step.name == "look" and step.resting == 0):
            return ""
    return ""


def _trouble(run: KillRun, guardian: GuardianTile, now: datetime) -> str:
    if not guardian.is_alive:
        return "No guardian runs, so nobody takes resting orders off. New orders are blocked. From any shell:"
    if run.taken_at is None and now - run.pressed_at > PATIENCE:
        return "The guardian lives but has not taken this stop up. New orders are blocked. From any shell:"
    return ""


def _in_turn(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """Of those that are not done the first is under way, the others wait for it; a started one may overtake."""
    shown: list[Rung] = []
    for rung in rungs:
        waits = rung.state == "now" and not rung.has_begun and any(r.state == "now" for r in shown)
        shown.append(replace(rung, state="wait", text="") if waits else rung)
    return tuple(shown)


class _Ladder:
    """Says of every rung whether it was climbed, is being climbed, or could not be."""

    def __init__(self, run: KillRun, told: dict[str, Any], steps: Sequence[StepLine]) -> None:
        self._run, self._told, self._steps = run, told, steps
        self._is_running = told["outcome"] == KillOutcome.RUNNING
        self._is_wide = run.scope in WHOLE_ACCOUNTS or told["groups_total"] is not None

    def rungs(self) -> list[Rung]:
        blocked_at, proved_at = self._run.blocked_at, self._told["proved_zero_at"]
        begun_at, looks = self._told["cancel_sent_at"], self._looks()
        zero = next((s for s in reversed(looks) if s.resting == 0), None)
        is_zero = proved_at is not None or (bool(looks) and looks[-1].resting == 0)
        ended = next((s for s in reversed(self._steps) if s.name == "ended"), None)
        return [
            self._rung("New orders blocked", blocked_at, "in the database; the session is told over file and Redis"),
            self._rung(
                "Taken up", begun_at, "by the guardian, or the command that pressed", "waiting for the guardian"
            ),
            self._groups(),
            replace(
                self._rung("Resting orders swept", zero.at if is_zero and zero else proved_at, self._swept(looks)),
                has_begun=bool(looks),
            ),
            self._rung("Zero seen once", (zero.at if zero else proved_at) if is_zero else None, ""),
            self._rung("Zero seen twice", proved_at, "the proof"),
            self._rung("Reported", ended.at if ended else None, ""),
        ]

    def _looks(self) -> list[StepLine]:
        """Looks that the proof rests on; the third one, which comes after it, only confirms."""
        names = [step.name for step in self._steps]
        until = len(names)
        if self._told["proved_zero_at"] is not None and "proved_zero" in names:
            until -= names[::-1].index("proved_zero")
        return [step for step in self._steps[:until] if step.name == "look"]

    def _rung(self, name: str, at: datetime | None, text: str, waiting: str = "waiting") -> Rung:
        if at is not None:
            return Rung(name, "done", text, at, _after(at, self._run.pressed_at))
        if not self._is_running:
            return Rung(name, "not", text or "not done")
        return Rung(name, "now", text if self._steps and text else waiting)

    def _groups(self) -> Rung:
        if not self._is_wide:
            return Rung("Order groups triggered", "na", "not used: orders outside this scope stand in the same groups")
        total, done = self._told["groups_total"], self._told["groups_triggered"]
        rung = self._rung("Order groups triggered", self._told["triggered_at"], "under way")
        if total is None:
            return rung
        state = rung.state if done == total else ("now" if self._is_running else "not")
        return Rung(rung.name, state, f"{done} of {total}", rung.at, rung.after_ms, has_begun=True)

    def _swept(self, looks: Sequence[StepLine]) -> str:
        before, canceled = self._told["resting_before"], self._told["canceled"]
        now = looks[-1].resting if looks else None
        first = before if before is not None else (looks[0].resting if looks else None)
        if first == 0:
            return "nothing rested"
        if canceled is not None and first is not None:
            return f"{canceled} of {first} gone"
        if first is None or now is None:
            return ""
        return f"{first - now if first >= now else 0} of {first} gone, {now} rest"
