from __future__ import annotations

from typing import Any

from celery import shared_task
from django.utils import timezone

from .services import approval_expire_due


@shared_task(name="governance.expire_approvals")
def expire_approvals(**_: Any) -> None:
    approval_expire_due(now=timezone.now())
