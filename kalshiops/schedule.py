"""Every periodic job, in one table: name, task, interval in seconds, queue, reason.

A job expires before its next run, so that a worker that was away never meets a pile of old ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    task: str
    every_s: float
    queue: str
    reason: str


JOBS = (
    Job("ensure-market-data", "marketdata.ensure_session", 2, "default", "starts the market-data session if none runs"),
    Job("ensure-trading", "trading.ensure_sessions", 2, "default", "starts any trading session whose lease is missing"),
    Job("sync-catalogue", "marketdata.sync_catalogue", 60, "ingest", "series, events, markets, grids and fees change"),
    Job("expire-approvals", "governance.expire_approvals", 60, "default", "an open request past its expiry is dead"),
    Job("anchor-audit", "governance.anchor_audit", 5, "default", "100 rows or 60 s of the record may stand unsigned"),
    Job(
        "verify-audit",
        "governance.verify_audit",
        300,
        "ingest",
        "the whole record once a night, first look after 02:00",
    ),
    Job("apply-approvals", "governance.apply_approvals", 30, "default", "a signed change set to a time that has come"),
    Job("review-steps", "governance.review_steps", 60, "default", "what one person did alone is looked at in a day"),
    Job("overdue-work", "governance.tell_overdue_work", 60, "default", "a task that was promised and is late is told"),
    Job("scan-wording", "governance.scan_wording", 3600, "default", "stored texts with words we avoid are flagged"),
)


def beat_schedule() -> dict[str, dict[str, Any]]:
    """The table in Celery's own form."""
    return {
        job.name: {
            "task": job.task,
            "schedule": job.every_s,
            "options": {"queue": job.queue, "expires": max(1.0, job.every_s * 0.9)},
        }
        for job in JOBS
    }
