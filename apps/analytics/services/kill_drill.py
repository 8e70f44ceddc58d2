"""Check 8 of `verify_liquidity`: the running guardian takes a press and proves zero. Never with a live account."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from apps.analytics.verification import Check
from apps.governance.services import audit_record
from apps.risk.choices import KillOutcome, Scope
from apps.risk.guardian.heartbeat import GUARDIAN_MAX_AGE_MS, guardian_age_ms
from apps.risk.models import KillRun
from apps.risk.services.switches import drills_due
from apps.trading.choices import Environment

DRILLED = (Environment.SIMULATED, Environment.PAPER, Environment.DEMO)
SOURCE, SCOPE_ID = "drill", "KALSHIOPS-DRILL"
POLL_S, SLOW_S = 0.1, 5.0


def check_emergency(*, now: datetime, by: str, wait_s: float, groups: int | None) -> Check:
    """8: guardian, switches and order groups are there; outside of live a drill runs through the guardian."""
    check = Check(8)
    age_ms = guardian_age_ms(int(now.timestamp() * 1000))
    check.facts["guardian_age_ms"] = age_ms
    has_guardian = age_ms is not None and age_ms <= GUARDIAN_MAX_AGE_MS
    if has_guardian:
        check.ok("a guardian is running")
    else:
        check.error("no guardian is running that would take orders off")
    if due := drills_due(now=now):
        check.error(f"no good drill in 30 days: {', '.join(due)}")
    else:
        check.ok("every switch was drilled within 30 days")
    check.facts["order_groups"] = groups
    if groups is None:
        check.not_checked("the exchange's order groups could not be read")
    if settings.KALSHI_ENVIRONMENT not in DRILLED:
        check.not_checked(f"no kill drill with a {settings.KALSHI_ENVIRONMENT} account; drill it on demo")
    elif has_guardian:
        _drill(check, by=by, now=now, wait_s=wait_s)
    else:
        check.not_checked("no kill drill without a guardian")
    return check


def _drill(check: Check, *, by: str, now: datetime, wait_s: float) -> None:
    run = drill_begin(by=by, now=now)
    ended = drill_wait(run.pk, wait_s=wait_s)
    check.facts |= {"kill_run": run.pk, "resting_before": ended.resting_before, "outcome": ended.outcome}
    if ended.outcome != KillOutcome.PROVED_ZERO or ended.proved_zero_at is None:
        check.error(f"the drill did not prove zero within {wait_s:g} s: {ended.detail or ended.outcome}")
        return
    seconds = (ended.proved_zero_at - run.pressed_at).total_seconds()
    check.facts["proved_zero_s"] = round(seconds, 2)
    line = f"drill: zero proved {seconds:.2f} s after the press, in a scope where nothing rests"
    if seconds > SLOW_S:
        check.warn(line)
    else:
        check.ok(line)


def drill_begin(*, by: str, now: datetime) -> KillRun:
    """A press of a market that does not exist: it halts nothing, and the guardian climbs its ladder as for any other.

    Raises `ValueError` with a live account.
    """
    if settings.KALSHI_ENVIRONMENT not in DRILLED:
        raise ValueError(f"no kill drill with a {settings.KALSHI_ENVIRONMENT} account")
    with transaction.atomic():
        run = KillRun.objects.create(
            scope=Scope.MARKET,
            scope_id=SCOPE_ID,
            reason=f"Drill by verify_liquidity, {by}: halts nothing",
            pressed_at=now,
            blocked_at=now,
            request_id=uuid.uuid4().hex,
            source=SOURCE,
        )
        audit_record(
            actor=None,
            actor_label=f"system:{SOURCE}",
            action="risk.kill_switch.drill",
            obj_type=KillRun._meta.label,
            obj_id=run.pk,
            after={"scope": run.scope, "scope_id": run.scope_id, "by": by},
            reason=run.reason,
            now=now,
        )
    return run


def drill_wait(pk: int, *, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> KillRun:
    """The run once its ladder has ended, or as it is after `wait_s`."""
    for _ in range(max(1, int(wait_s / POLL_S))):
        run = KillRun.objects.get(pk=pk)
        if run.outcome != KillOutcome.RUNNING:
            return run
        sleep(POLL_S)
    return KillRun.objects.get(pk=pk)
