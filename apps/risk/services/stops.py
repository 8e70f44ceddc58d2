"""Stopping: one person, one row, at once. Nothing here waits for a second person, a worker or the exchange.

The row in the database is the stop. The flags beside it (`risk.blocks`) reach the session and the guardian at once, and
the guardian, which looks for runs by itself, climbs the ladder.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import NotPermitted
from apps.governance.audit.errors import AuditBlocked
from apps.governance.choices import Severity
from apps.governance.services import audit_record, system_event_record
from apps.risk.blocks import block_write
from apps.risk.choices import KillOutcome, Permission, Scope, State
from apps.risk.exceptions import KillRunClosed, WouldLoosen
from apps.risk.guardian.heartbeat import GUARDIAN_MAX_AGE_MS, guardian_age_ms
from apps.risk.models import KillRun, TradingState
from apps.risk.scopes import checked_scope, scope_text

NO_REASON = "(no reason given)"
COMMAND, PAGE = "command", "page"
_PROGRESS = frozenset(
    {
        "taken_at", "triggered_at", "cancel_sent_at", "proved_zero_at", "resting_before", "canceled", "groups_total",
        "groups_triggered", "steps", "positions_left", "report", "outcome", "detail",
    }
)  # fmt: skip


def kill_switch_trip(
    *,
    scope: str,
    scope_id: str = "",
    reason: str,
    actor: User | None,
    now: datetime,
    actor_label: str | None = None,
    request_id: str | None = None,
    source: str = PAGE,
) -> KillRun:
    """Halts the scope in the database, which every session polls; the guardian takes its resting orders off.

    After the commit the stop is written to the file and to Redis as well; what fails there is recorded and undoes
    nothing. A person needs `risk.trip_kill_switch`; the platform itself acts with `actor=None` and an `actor_label`.
    An empty reason is accepted, since a stop must never wait for words. The same `request_id` again is the same press:
    it returns the run that stands. `source` "command" says that the caller climbs the ladder itself.
    """
    _require_right_to_stop(actor)
    kind, scope_id = checked_scope(scope, scope_id)
    reason, request_id = reason.strip() or NO_REASON, request_id or uuid.uuid4().hex
    if (standing := KillRun.objects.filter(request_id=request_id).first()) is not None:
        return standing
    try:
        with transaction.atomic():
            _set_state(kind, scope_id, State.HALTED, "risk.kill_switch.trip", reason, actor, actor_label, now)
            run = KillRun.objects.create(
                scope=kind,
                scope_id=scope_id,
                reason=reason,
                pressed_by=actor,
                pressed_at=now,
                blocked_at=now,
                request_id=request_id,
                source=source,
                taken_at=now if source == COMMAND else None,
            )
            by = actor.get_username() if actor is not None else actor_label or ""
            transaction.on_commit(partial(_flag, run, by))
    except IntegrityError:
        return KillRun.objects.get(request_id=request_id)
    return run


def kill_run_late(
    *, scope: str, scope_id: str, reason: str, actor_label: str, now: datetime, request_id: str, source: str
) -> KillRun:
    """Records a press, made at `now` without the database, that an approved resume has overtaken: it halts nothing."""
    kind, scope_id = checked_scope(scope, scope_id)
    with transaction.atomic():
        run, created = KillRun.objects.get_or_create(
            request_id=request_id,
            defaults={"scope": kind, "scope_id": scope_id, "reason": reason, "pressed_at": now, "source": source},
        )
        if created:
            _record(
                actor=None,
                actor_label=actor_label,
                action="risk.kill_switch.late",
                obj_type=KillRun._meta.label,
                obj_id=run.pk,
                after={"scope": kind, "scope_id": scope_id},
                reason=reason,
                now=now,
            )
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
        before = run.outcome
        for name, value in fields.items():
            setattr(run, name, value)
        run.outcome = KillOutcome(run.outcome)
        if run.outcome is KillOutcome.PROVED_ZERO and run.proved_zero_at is None:
            raise ValueError("zero was not proved without a time")
        run.save(update_fields=sorted(fields))
        if before != run.outcome and run.outcome is not KillOutcome.RUNNING:
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
    _record(
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


def _record(**row: Any) -> None:
    """The audit row of a stop. A record that takes no more rows, because somebody has been at it, stops no stop."""
    try:
        with transaction.atomic():
            audit_record(**row)
    except AuditBlocked as blocked:
        kept = {name: row[name] for name in ("action", "obj_type", "after", "reason", "actor_label") if name in row}
        actor = row["actor"]
        system_event_record(
            code="AUDIT_BLOCKED",
            severity=Severity.CRITICAL,
            source="risk",
            message=f"A stop is in force but not on the audit chain: {blocked.message}",
            details=kept | {"obj_id": str(row["obj_id"]), "actor": None if actor is None else actor.get_username()},
            now=row["now"],
        )


def _flag(run: KillRun, by: str) -> None:
    """Writes the stop where nothing needs the database, and says when that or the guardian is missing."""
    flags = block_write(
        scope=run.scope,
        scope_id=run.scope_id,
        reason=run.reason,
        by=by,
        at=run.pressed_at,
        request_id=run.request_id or "",
        source=run.source,
    )
    if not flags.is_complete:
        system_event_record(
            code="STOP_FLAG_INCOMPLETE",
            severity=Severity.WARNING,
            source="risk",
            message="The stop is in force by the database; one of its flags beside it could not be written",
            details={"kill_run_id": run.pk, "file": flags.file_error, "redis": flags.redis_error},
            now=run.pressed_at,
        )
    age_ms = guardian_age_ms(int(run.pressed_at.timestamp() * 1000))
    if run.source != COMMAND and (age_ms is None or age_ms > GUARDIAN_MAX_AGE_MS):
        system_event_record(
            code="KILL_NO_GUARDIAN",
            severity=Severity.CRITICAL,
            source="risk",
            message="New orders are blocked, but no guardian is running that would take resting orders off: "
            "start manage.py run_guardian, or use manage.py kill",
            details={"kill_run_id": run.pk, "guardian_age_ms": age_ms},
            now=run.pressed_at,
        )


def _record_outcome(run: KillRun, now: datetime) -> None:
    _record(
        actor=None,
        actor_label="system:kill-ladder",
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
