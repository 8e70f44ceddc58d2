"""The Celery application; tasks live in `apps/*/tasks.py`, the schedule in `kalshiops/schedule.py`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshiops.settings")

app = Celery("kalshiops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule_filename = os.path.join(os.environ.get("KALSHIOPS_RUN_DIR", ".run"), "celerybeat-schedule")


@app.on_after_configure.connect
def _load_schedule(sender: Celery, **_: object) -> None:
    from kalshiops.schedule import beat_schedule

    sender.conf.beat_schedule = beat_schedule()


@worker_ready.connect
def _report_worker(sender: Any, **_: object) -> None:
    """Each long-lived process tells what it runs; a mixture stops arming."""
    from apps.core.processes import report_always

    report_always(f"worker {str(sender.hostname).partition('@')[0]}")


@beat_init.connect
def _report_beat(**_: object) -> None:
    from apps.core.processes import report_always

    report_always("beat")


@worker_shutting_down.connect
def _stop_sessions(**_: object) -> None:
    """A long-lived session sees this flag and ends in order; the worker then stops at once."""
    from apps.core.shutdown import stopping

    stopping.set()
