from __future__ import annotations

from typing import Any

from celery import current_app, shared_task
from celery.signals import beat_init
from django.utils import timezone

from .choices import AuditScope
from .services import (
    approval_apply_due,
    approval_expire_due,
    break_glass_tell_overdue,
    review_open_for_stops,
    review_tell_overdue,
    signoff_verify,
)
from .services.audit_anchors import audit_anchor
from .services.audit_verification import audit_verify, audit_verify_if_due
from .services.wording import wording_scan
from .services.work_items import work_overdue_tell


@shared_task(name="governance.expire_approvals")
def expire_approvals(**_: Any) -> None:
    approval_expire_due(now=timezone.now())


@shared_task(name="governance.apply_approvals")
def apply_approvals(**_: Any) -> None:
    approval_apply_due(now=timezone.now())


@shared_task(name="governance.review_steps")
def review_steps(**_: Any) -> None:
    """What one person did alone: opened for review, and told when nobody has looked at it in time."""
    now = timezone.now()
    review_open_for_stops(now=now)
    review_tell_overdue(now=now)
    break_glass_tell_overdue(now=now)
    signoff_verify(now=now)


@shared_task(name="governance.tell_overdue_work")
def tell_overdue_work(**_: Any) -> None:
    work_overdue_tell(now=timezone.now())


@shared_task(name="governance.scan_wording")
def scan_wording(**_: Any) -> None:
    wording_scan(now=timezone.now())


@shared_task(name="governance.anchor_audit")
def anchor_audit(**_: Any) -> None:
    audit_anchor(now=timezone.now())


@shared_task(name="governance.verify_audit")
def verify_audit(*, at_start: bool = False, **_: Any) -> None:
    """The newest rows when the platform starts, everything once a night."""
    if at_start:
        audit_verify(now=timezone.now(), scope=AuditScope.RECENT, actor_label="system:start")
    else:
        audit_verify_if_due(now=timezone.now())


@beat_init.connect(dispatch_uid="governance.verify_at_start")
def verify_at_start(**_: Any) -> None:
    """There is one beat, so this asks once per start of the platform."""
    current_app.send_task("governance.verify_audit", kwargs={"at_start": True}, queue="ingest", expires=600)
