"""The periodic jobs, and what the platform asks for when it starts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.signals import beat_init
from django.utils import timezone

from apps.governance import tasks
from apps.governance.models import AuditAnchor, AuditEvent, AuditVerification
from apps.governance.services.audit_anchors import WINDOW
from kalshiops.schedule import JOBS

Write = Callable[..., list[AuditEvent]]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("age", "is_signed"), [(timedelta(0), False), (WINDOW, True)])
def test_the_job_signs_what_is_old_enough(record: Write, places: list[Path], age: timedelta, is_signed: bool) -> None:
    record(1, now=timezone.now() - age)
    tasks.anchor_audit()
    assert AuditAnchor.objects.exists() is is_signed


def test_the_job_looks_often_enough_for_the_window() -> None:
    (job,) = [job for job in JOBS if job.task == "governance.anchor_audit"]
    assert timedelta(seconds=job.every_s) + WINDOW / 2 < WINDOW


def test_the_nightly_job_runs_once_and_the_start_looks_at_the_newest(record: Write, places: list[Path]) -> None:
    record(2)
    tasks.verify_audit()
    tasks.verify_audit()
    tasks.verify_audit(at_start=True)
    assert list(AuditVerification.objects.order_by("id").values_list("scope", "actor_label")) == [
        ("full", "system:nightly"),
        ("recent", "system:start"),
    ]


def test_the_scheduler_asks_for_a_verification_when_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(tasks.current_app, "send_task", lambda name, **kwargs: sent.append((name, kwargs["kwargs"])))
    beat_init.send(sender=None)
    assert sent == [("governance.verify_audit", {"at_start": True})]
