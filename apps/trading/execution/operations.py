"""What tasks and commands ask for: start sessions that are missing, sweep after a kill."""

from __future__ import annotations

import asyncio
from datetime import datetime

from django.conf import settings

from apps.core.jobs import enqueue
from apps.core.leases import lease_is_held
from apps.gateway.clock import Clock, SystemClock
from apps.risk.choices import KillOutcome
from apps.risk.models import KillRun
from apps.trading.mapping import from_ms
from apps.trading.models import Account
from apps.trading.services.orders import lease_name
from apps.trading.venues import venue_open

from .kill import sweep

START_EXPIRES_S = 5.0


def sessions_ensure(*, now: datetime) -> int:
    """Asks a worker to run each account of this environment that has an enabled strategy and no session."""
    accounts = Account.objects.filter(
        is_active=True, environment=settings.KALSHI_ENVIRONMENT, strategy_configs__is_enabled=True
    ).distinct()
    asked = 0
    for account in accounts:
        if not lease_is_held(name=lease_name(account.pk), now=now):
            enqueue("trading.run_session", queue="trading", expires_s=START_EXPIRES_S, account_id=account.pk)
            asked += 1
    return asked


def kill_sweep(*, kill_run_id: int) -> KillOutcome:
    """Runs the sweep of one kill for every active account of this environment."""
    run = KillRun.objects.get(pk=kill_run_id)
    clock = SystemClock()
    outcome = KillOutcome.PROVED_ZERO
    for account in Account.objects.filter(is_active=True, environment=settings.KALSHI_ENVIRONMENT):
        if run.scope != "account" or run.scope_id == account.name:
            outcome = asyncio.run(_sweep_account(run, account, clock))
    return outcome


async def _sweep_account(run: KillRun, account: Account, clock: Clock) -> KillOutcome:
    venue, rest = venue_open(account, clock)
    try:
        return await sweep(run=run, venue=venue, now=lambda: from_ms(clock.now_ms()))
    finally:
        await rest.aclose()
