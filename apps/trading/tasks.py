from __future__ import annotations

from functools import cache

from celery import shared_task
from django.utils import timezone

from apps.core.shutdown import stopping
from apps.trading.execution import operations
from apps.trading.execution.launch import run_session
from apps.trading.models import Account
from apps.trading.services.versions import versions_register


@shared_task(name="trading.ensure_sessions", ignore_result=True)
def ensure_sessions(**_: object) -> None:
    _register_versions()
    operations.sessions_ensure(now=timezone.now())


@cache
def _register_versions() -> None:
    """Once in each process: what it runs is written down before it may trade. Raises `NameReused`; nothing starts."""
    versions_register(now=timezone.now())


@shared_task(name="trading.run_session", ignore_result=True)
def run_trading_session(*, account_id: int, **_: object) -> None:
    """Long-lived: ends when the worker stops, when asked to, or when another session holds the lease."""
    if not stopping.is_set():
        run_session(account=Account.objects.get(pk=account_id), stopping=stopping)
