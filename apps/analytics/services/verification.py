"""`verify_liquidity`: the eight checks of the seed in one run that is stored with what it saw."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from apps.analytics.models import LiquidityCheckRun
from apps.analytics.verification import Report
from apps.core.redaction import redacted_value
from apps.gateway.clock import Clock, SystemClock
from apps.governance.services import audit_record
from apps.trading.selectors import account_default

from .checks_exchange import check_batches, check_books, check_limits, exchange_ask, sample_tickers
from .checks_stored import check_environment, check_maker, check_second_source, check_spread
from .kill_drill import check_emergency


def liquidity_verify(
    *, now: datetime, by: str, drill_wait_s: float = 15.0, clock: Clock | None = None
) -> tuple[LiquidityCheckRun, Report]:
    """Runs all eight, stores the run and its audit event. Whatever cannot be checked says so and is no pass."""
    clock = clock or SystemClock()
    begun = clock.monotonic()
    account = account_default()
    seen = asyncio.run(exchange_ask(sample_tickers(now=now), clock=clock))
    report = Report(
        (
            check_maker(account),
            check_environment(account),
            check_books(seen, now=now),
            check_limits(seen),
            check_spread(account),
            check_second_source(account, now=now),
            asyncio.run(check_batches(seen, clock=clock)),
            check_emergency(now=now, by=by, wait_s=drill_wait_s, groups=seen.groups),
        )
    )
    return _store(report, now=now, by=by, seconds=Decimal(f"{clock.monotonic() - begun:.3f}")), report


def _store(report: Report, *, now: datetime, by: str, seconds: Decimal) -> LiquidityCheckRun:
    with transaction.atomic():
        run = LiquidityCheckRun.objects.create(
            ran_at=now,
            seconds=seconds,
            environment=settings.KALSHI_ENVIRONMENT,
            release=settings.RELEASE,
            ran_by=by,
            errors=report.errors,
            warnings=report.warnings,
            not_checked=report.not_checked,
            results=redacted_value([check.as_json() for check in report.checks]),
        )
        audit_record(
            actor=None,
            actor_label=by,
            action="analytics.liquidity.verify",
            obj_type=LiquidityCheckRun._meta.label,
            obj_id=run.pk,
            after={"errors": run.errors, "warnings": run.warnings, "not_checked": run.not_checked},
            now=now,
        )
    return run
