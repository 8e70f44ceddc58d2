"""What tasks ask for: start the sessions that are missing."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from apps.core.jobs import enqueue
from apps.core.leases import lease_is_held
from apps.trading.models import Account
from apps.trading.services.orders import lease_name

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
