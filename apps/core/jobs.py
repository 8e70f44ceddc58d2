"""Starting Celery tasks by name, after the transaction commits; services never import tasks."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction


def enqueue(task: str, *, queue: str = "default", expires_s: float | None = None, **kwargs: Any) -> None:
    """Sends `task` with keyword arguments once the current transaction has committed."""
    transaction.on_commit(
        partial(current_app.send_task, task, kwargs=kwargs, queue=queue, expires=expires_s, ignore_result=True)
    )
