from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from apps.core.shutdown import stopping

from .feeds.catalogue import catalogue_refresh
from .runner import run_market_data
from .services import session_ensure


@shared_task(name="marketdata.ensure_session")
def ensure_session(**_: object) -> None:
    session_ensure(now=timezone.now())


@shared_task(name="marketdata.run_session", acks_late=False, ignore_result=True)
def run_session(**_: object) -> None:
    run_market_data(stopping)


@shared_task(name="marketdata.sync_catalogue")
def sync_catalogue(**_: object) -> None:
    catalogue_refresh()
