"""What every switch says now, for the gate and for the page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from apps.engine.switches.base import Switch, SwitchState, Verdict
from apps.engine.switches.catalogue import SWITCHES
from apps.risk.services.switches import NavRecord, StatusRecord, nav_day_store, switch_statuses_store
from apps.trading.mapping import from_ms

from .context import SessionContext
from .switch_actions import Actions, ScopeKey

REFRESH_MS = 5_000
SEVERITY = {SwitchState.OK: 0, SwitchState.WARN: 1, SwitchState.NO_INPUT: 2, SwitchState.TRIPPED: 3}


@dataclass(frozen=True, slots=True)
class Seen:
    scope: ScopeKey
    verdict: Verdict
    at_ms: int | None


class StatusBoard:
    """The newest verdict of every switch in every scope; of several scopes the worst is shown."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._seen: dict[str, dict[ScopeKey, Seen]] = {key: {} for key in SWITCHES}
        self._tripped_ms: dict[str, int] = {}
        self._shown: dict[str, tuple[str, ...]] = {}
        self._posted_ms: dict[str, int] = {}

    def note(self, switch: Switch[Any, Any], scope: ScopeKey, verdict: Verdict, at_ms: int | None, now_ms: int) -> None:
        self._seen[switch.key][scope] = Seen(scope, verdict, at_ms if type(at_ms) is int else None)
        if verdict.is_tripped:
            self._tripped_ms[switch.key] = now_ms

    def verdict(self, key: str) -> Verdict | None:
        """The worst verdict of a switch, None when it was never judged."""
        seen = self._worst(key)
        return None if seen is None else seen.verdict

    def blind(self, optional: Collection[str]) -> Iterator[str]:
        """Switches that lack a live input, with why. One that nothing ever asked has none either."""
        for key in SWITCHES:
            if key in optional:
                continue
            seen = self._seen[key]
            if not seen and SWITCHES[key].scope != "strategy":
                yield f"{key} {SWITCHES[key].title} (never judged)"
            for found in seen.values():
                if found.verdict.state is SwitchState.NO_INPUT:
                    yield f"{key} {SWITCHES[key].title} ({found.verdict.reason})"
                    break

    def post(self, actions: Actions, now_ms: int) -> None:
        """Posts what has changed, and everything every five seconds."""
        records = []
        for key in SWITCHES:
            record = self._record(key, actions)
            shown = (record.state, record.scope_id, record.value, record.threshold)
            if shown == self._shown.get(key) and now_ms - self._posted_ms.get(key, 0) < REFRESH_MS:
                continue
            self._shown[key], self._posted_ms[key] = shown, now_ms
            records.append(record)
        if records:
            context = self._context
            context.journal.post(
                switch_statuses_store, account=context.account.name, records=records, now=context.now()
            )

    def post_nav(self, record: NavRecord) -> None:
        context = self._context
        context.journal.post(nav_day_store, account=context.account.name, record=record, now=context.now())

    def _worst(self, key: str) -> Seen | None:
        return max(self._seen[key].values(), key=lambda seen: SEVERITY[seen.verdict.state], default=None)

    def _record(self, key: str, actions: Actions) -> StatusRecord:
        """A switch that has tripped shows so until it is let go, whatever its input says by then."""
        seen, latches = self._worst(key), actions.latches(key)
        tripped_ms = self._tripped_ms.get(key)
        tripped_at = None if tripped_ms is None else from_ms(tripped_ms)
        if seen is None:
            message = "nothing has been sent yet" if SWITCHES[key].scope == "strategy" else "never judged"
            state = SwitchState.OK if SWITCHES[key].scope == "strategy" else SwitchState.NO_INPUT
            return StatusRecord(key, state.value, "", "", "", "", message, None, tripped_at)
        verdict, (scope, scope_id) = seen.verdict, seen.scope
        state, message = verdict.state, verdict.reason
        if latches:
            state, message, (scope, scope_id) = SwitchState.TRIPPED, latches[0].reason, latches[0].scope
        at = None if seen.at_ms is None else from_ms(seen.at_ms)
        return StatusRecord(
            key, state.value, str(scope), scope_id, verdict.value, verdict.threshold, message, at, tripped_at
        )
