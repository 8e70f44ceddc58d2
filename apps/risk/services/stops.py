"""Stopping: one person, one row, at once. Nothing here waits for a second person, a broker or the exchange."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.core.exceptions import NotPermitted
from apps.core.jobs import enqueue
from apps.governance.choices import Severity
from apps.governance.services import audit_record, system_event_record
from apps.risk.choices import KillOutcome, Permission, Scope, State
from apps.risk.exceptions import KillRunClosed, WouldLoosen
from apps.risk.models import KillRun, TradingState
from apps.risk.scopes import checked_scope, scope_text

SWEEP_TASK = "trading.kill_sweep"
NO_REASON = "(no reason given)"
_PROGRESS = frozenset({"cancel_sent_at", "proved_zero_at", "resting_before", "canceled", "outcome", "detail"})


def kill_switch_trip(
    *,
    scope: str,
    scope_id: str = "",
    reason: str,
    actor: User | None,
    now: datetime,
    actor_label: str | None = None,
) -> KillRun:
    """Halts the scope in the database, which every session polls, then asks for the sweep of resting orders.

    A person needs `risk.trip_kill_switch`; the platform itself acts with `actor=None` and an `actor_label`.
    A broker that is away does not undo the stop: it is recorded as `KILL_SWEEP_NOT_QUEUED`. An empty reason is
    accepted, since a stop must never wait for words.
    """
    _require_right_to_stop(actor)
    kind, scope_id = checked_scope(scope, scope_id)
    reason = reason.strip() or NO_REASON
    with transaction.atomic():
        _set_state(kind, scope_id, State.HALTED, "risk.kill_switch.trip", reason, actor, actor_label, now)
        run = KillRun.objects.create(
            scope=kind, scope_id=scope_id, reason=reason, pressed_by=actor, pressed_at=now, blocked_at=now
        )
        transaction.on_commit(partial(_queue_sweep, run.pk, now))
    return run


def trading_state_reduce(
    *,
    scope: str,
    scope_id: str = "",
    reason: str,
    actor: User | None,
    now: datetime,
    actor_label: str | None = None,
) -> TradingState:
    """Lets the scope only close what it holds. Refuses with `WouldLoosen` while it is halted."""
    _require_right_to_stop(actor)
    kind, scope_id = checked_scope(scope, scope_id)
    reason = reason.strip() or NO_REASON
    with transaction.atomic():
        return _set_state(kind, scope_id, State.REDUCING, "risk.trading_state.reduce", reason, actor, actor_label, now)


def kill_run_progress(*, kill_run_id: int, now: datetime, **fields: Any) -> KillRun:
    """Writes what the sweep has done so far; an outcome is audited, and one short of zero raises an event.

    Raises `ValueError` for a field that is not part of the progress, or for `proved_zero` without its time, and
    `KillRunClosed` once zero has been proved.
    """
    if unknown := set(fields) - _PROGRESS:
        raise ValueError(f"not part of a kill run's progress: {sorted(unknown)}")
    with transaction.atomic():
        run = KillRun.objects.select_for_update().get(pk=kill_run_id)
        if run.outcome == KillOutcome.PROVED_ZERO:
            raise KillRunClosed(f"Kill run {run.pk} has already proved zero")
        for name, value in fields.items():
            setattr(run, name, value)
        run.outcome = KillOutcome(run.outcome)
        if run.outcome is KillOutcome.PROVED_ZERO and run.proved_zero_at is None:
            raise ValueError("zero was not proved without a time")
        run.save(update_fields=sorted(fields))
        if "outcome" in fields and run.outcome is not KillOutcome.RUNNING:
            _record_outcome(run, now)
    return run


def _require_right_to_stop(actor: User | None) -> None:
    if actor is not None and not actor.has_perm(Permission.TRIP_KILL_SWITCH.full):
        raise NotPermitted(f"This needs the right {Permission.TRIP_KILL_SWITCH.full}")


def _set_state(
    scope: Scope,
    scope_id: str,
    state: State,
    action: str,
    reason: str,
    actor: User | None,
    actor_label: str | None,
    now: datetime,
) -> TradingState:
    row, created = TradingState.objects.select_for_update().get_or_create(
        scope=scope,
        scope_id=scope_id,
        defaults={"state": state, "reason": reason, "changed_by": actor, "changed_at": now},
    )
    before = State.ACTIVE if created else row.state
    if state is State.REDUCING and before == State.HALTED:
        raise WouldLoosen(f"{scope_text(scope, scope_id)} is halted; only an approved resume can loosen that")
    row.state, row.reason, row.changed_by, row.changed_at = state, reason, actor, now
    row.save()
    audit_record(
        actor=actor,
        actor_label=actor_label,
        action=action,
        obj_type=TradingState._meta.label,
        obj_id=row.pk,
        before={"state": before},
        after={"scope": scope, "scope_id": scope_id, "state": state},
        reason=reason,
        now=now,
    )
    return row


def _queue_sweep(kill_run_id: int, now: datetime) -> None:
    try:
        enqueue(SWEEP_TASK, queue="default", kill_run_id=kill_run_id)
    except (OperationalError, RedisError, OSError) as error:
        system_event_record(
            code="KILL_SWEEP_NOT_QUEUED",
            severity=Severity.CRITICAL,
            source="risk",
            message="New orders are blocked, but the sweep of resting orders could not be queued",
            details={"kill_run_id": kill_run_id, "error": f"{type(error).__name__}: {error}"},
            now=now,
        )


def _record_outcome(run: KillRun, now: datetime) -> None:
    audit_record(
        actor=None,
        actor_label="system:kill-sweep",
        action="risk.kill_run.outcome",
        obj_type=KillRun._meta.label,
        obj_id=run.pk,
        after={"outcome": run.outcome, "resting_before": run.resting_before, "canceled": run.canceled},
        reason=run.detail,
        now=now,
    )
    if run.outcome is KillOutcome.BLOCKED_ONLY:
        system_event_record(
            code="KILL_NOT_PROVED",
            severity=Severity.CRITICAL,
            source="risk",
            message="New orders are blocked, but resting orders are not proved gone",
            details={"kill_run_id": run.pk, "detail": run.detail},
            now=now,
        )
