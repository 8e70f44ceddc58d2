"""The Celery application; tasks live in `apps/*/tasks.py`, the schedule in `kalshiops/schedule.py`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshiops.settings")

app = Celery("kalshiops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule_filename = os.path.join(os.environ.get("KALSHIOPS_RUN_DIR", ".run"), "celerybeat-schedule")


@app.on_after_configure.connect
def _load_schedule(sender: Celery, **_: object) -> None:
    from kalshiops.schedule import beat_schedule

    sender.conf.beat_schedule = beat_schedule()


@worker_shutting_down.connect
def _stop_sessions(**_: object) -> None:
    """A long-lived session sees this flag and ends in order; the worker then stops at once."""
    from apps.core.shutdown import stopping

    stopping.set()
