"""Keeping one market-data session alive."""

from __future__ import annotations

from datetime import datetime

from apps.core.jobs import enqueue
from apps.core.leases import lease_is_held

LEASE_NAME = "marketdata"
START_EXPIRES_S = 5.0


def session_ensure(*, now: datetime) -> bool:
    """Ask a worker to start the session when nobody holds its lease; True when it asked.

    Asking twice is harmless: the second finds the lease taken, or the request has expired.
    """
    if lease_is_held(name=LEASE_NAME, now=now):
        return False
    enqueue("marketdata.run_session", queue="ingest", expires_s=START_EXPIRES_S)
    return True
