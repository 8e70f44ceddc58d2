"""What a switch does: shuts the gate at once, says why, makes it stand in the database, and lets go again.

A manual switch holds the gate until its stop stands in the database and the session sees it there; from then on the
stored state binds, and only an approved resume ends it. An automatic one lets go once its input has been good for a
while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.engine.limits import TradingState as EngineState
from apps.engine.switches.base import Action, Reset, Switch, SwitchState, Verdict
from apps.governance.choices import Severity
from apps.risk.choices import Scope, State
from apps.risk.exceptions import WouldLoosen
from apps.risk.services import kill_switch_trip, trading_state_reduce

from .context import SessionContext
from .incidents import Incidents

# A stored state that no desk shows by itself has reached every desk by then.
RELOADED_MS = 2_500
STOPPING = frozenset({Action.PAUSE_STRATEGY, Action.REDUCE, Action.HALT})
STRICTNESS = list(Action)

ScopeKey = tuple[str, str]


@dataclass(slots=True)
class Latch:
    """A switch that has tripped in one scope and has not been let go. `stored_ms`: its state was first seen stored."""

    switch: Switch[Any, Any]
    scope: ScopeKey
    action: Action
    reason: str
    tripped_ms: int
    stored_ms: int | None = None
    good_since_ms: int | None = None

    @property
    def block(self) -> str:
        return f"switch {self.switch.key} {self.scope[1]}".strip()


class Actions:
    """`on_pull(why)` takes every quote off; `on_release(key, scope_id)` is called when people have resumed."""

    def __init__(
        self,
        context: SessionContext,
        incidents: Incidents,
        *,
        on_pull: Callable[[str], None],
        on_release: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._incidents = incidents
        self._on_pull = on_pull
        self._on_release = on_release
        self._latches: dict[tuple[str, ScopeKey], Latch] = {}
        self._warned: set[tuple[str, ScopeKey]] = set()

    def take(self, switch: Switch[Any, Any], scope: ScopeKey, verdict: Verdict, now_ms: int) -> None:
        """One verdict of one switch in one scope; its targets, where it names some, are what it acts on."""
        if verdict.is_tripped:
            for target in verdict.targets or (scope,):
                self._trip(switch, target, verdict, now_ms)
            return
        self._warn(switch, scope, verdict)
        if switch.reset is Reset.AUTOMATIC:
            self._recover(switch, scope, verdict, now_ms)

    def is_held(self, key: str, scope: ScopeKey) -> bool:
        return (key, scope) in self._latches

    def stopped(self, *scopes: ScopeKey) -> str | None:
        """Why nothing of these scopes may leave: a switch has stopped one of them, and nobody has resumed."""
        for latch in self._latches.values():
            if latch.action in (Action.PAUSE_STRATEGY, Action.HALT) and latch.scope in scopes:
                return f"stopped by {latch.reason}"
        return None

    def latches(self, key: str) -> list[Latch]:
        """Where a switch has tripped and still holds."""
        return [latch for (held, _), latch in self._latches.items() if held == key]

    def scopes(self) -> set[ScopeKey]:
        """Scopes whose stored state decides when a switch lets go."""
        return {latch.scope for latch in self._latches.values() if latch.switch.reset is Reset.MANUAL}

    def see(self, states: Mapping[ScopeKey, str], now_ms: int) -> None:
        """The stored states of those scopes."""
        for key, latch in list(self._latches.items()):
            state = states.get(latch.scope)
            if state is None or latch.switch.reset is not Reset.MANUAL:
                continue
            if state != State.ACTIVE:
                latch.stored_ms = now_ms if latch.stored_ms is None else latch.stored_ms
                if self._is_bound(latch, now_ms):
                    self._context.gate.unblock(latch.block)
            elif latch.stored_ms is not None:
                del self._latches[key]
                self._context.gate.unblock(latch.block)
                self._on_release(latch.switch.key, latch.scope[1])

    def _trip(self, switch: Switch[Any, Any], scope: ScopeKey, verdict: Verdict, now_ms: int) -> None:
        latch = self._latches.get((switch.key, scope))
        if latch is not None:
            latch.good_since_ms = None
            if STRICTNESS.index(verdict.action) <= STRICTNESS.index(latch.action):
                return
        reason = f"{switch.key} {switch.title}: {verdict.reason}"
        latch = Latch(switch, scope, verdict.action, reason, now_ms)
        self._latches[(switch.key, scope)] = latch
        self._context.gate.block(latch.block, reason)
        self._on_pull(reason)
        self._say(latch, verdict)
        if verdict.action in STOPPING:
            self._make_it_stand(latch)

    def _say(self, latch: Latch, verdict: Verdict) -> None:
        details = {
            "scope": " ".join(latch.scope).strip(),
            "value": verdict.value,
            "threshold": verdict.threshold,
            "action": verdict.action.value,
            "switch": latch.switch.trips_when,
            "window": latch.switch.window,
        }
        self._incidents.raise_event(latch.switch.code, Severity.CRITICAL, latch.reason, details)
        if latch.switch.key == "K7":
            self._incidents.raise_event("DESYNC", Severity.CRITICAL, latch.reason, details)

    def _make_it_stand(self, latch: Latch) -> None:
        context, (scope, scope_id) = self._context, latch.scope
        values: dict[str, Any] = {
            "scope": scope,
            "scope_id": scope_id,
            "reason": latch.reason,
            "actor": None,
            "actor_label": f"switch:{latch.switch.key}",
            "now": context.now(),
        }
        if latch.action is Action.REDUCE:
            context.journal.post(_reduce, **values)
            return
        press = f"{context.session.pk} {latch.switch.key} {scope} {scope_id} {latch.tripped_ms}"
        request_id = hashlib.sha256(press.encode()).hexdigest()[:40]
        context.journal.post(kill_switch_trip, **values, request_id=request_id, source="switch")

    def _warn(self, switch: Switch[Any, Any], scope: ScopeKey, verdict: Verdict) -> None:
        """A warning is an event once, until it has gone away."""
        key = (switch.key, scope)
        if verdict.state is not SwitchState.WARN:
            self._warned.discard(key)
        elif key not in self._warned:
            self._warned.add(key)
            message = f"{switch.key} {switch.title}: {verdict.reason}"
            details = {"value": verdict.value, "threshold": verdict.threshold}
            self._incidents.raise_event(f"{switch.code}_WARNING", Severity.WARNING, message, details)

    def _recover(self, switch: Switch[Any, Any], scope: ScopeKey, verdict: Verdict, now_ms: int) -> None:
        latch = self._latches.get((switch.key, scope))
        if latch is None:
            return
        if verdict.state is SwitchState.NO_INPUT:
            latch.good_since_ms = None
            return
        if latch.good_since_ms is None:
            latch.good_since_ms = now_ms
        if now_ms - latch.good_since_ms >= switch.reset_after_ms:
            del self._latches[(switch.key, scope)]
            self._context.gate.unblock(latch.block)
            held_s = (now_ms - latch.tripped_ms) / 1000
            message = f"{switch.key} {switch.title}: good again after {held_s:.0f} s"
            self._incidents.raise_event(f"{switch.code}_OVER", Severity.INFO, message)

    def _is_bound(self, latch: Latch, now_ms: int) -> bool:
        """True once the stored state binds every order it should, so that the gate need not hold everybody else."""
        context, (scope, scope_id) = self._context, latch.scope
        if latch.stored_ms is None or now_ms - latch.stored_ms < RELOADED_MS:
            return False
        if scope in (Scope.ACCOUNT, Scope.GLOBAL):
            return latch.action is not Action.HALT and context.gate.state is not EngineState.ACTIVE
        desks = [d for d in context.desks.values() if _covers(scope, scope_id, d.ticker, d.armed.armed.slug)]
        return all(desk.armed.state is not EngineState.ACTIVE for desk in desks)


def _covers(scope: str, scope_id: str, ticker: str, slug: str) -> bool:
    """Whether a desk is known to lie in a scope; of scopes that cannot be told here the time of a reload is waited."""
    return (scope == Scope.STRATEGY and slug == scope_id) or (scope == Scope.MARKET and ticker == scope_id)


def _reduce(*, scope: str, scope_id: str, reason: str, actor: None, actor_label: str, now: datetime) -> None:
    """What is halted already is stricter than what was asked for."""
    try:
        trading_state_reduce(
            scope=scope, scope_id=scope_id, reason=reason, actor=actor, actor_label=actor_label, now=now
        )
    except WouldLoosen:
        return
