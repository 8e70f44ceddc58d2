from __future__ import annotations

from .changes import limit_change_request, resume_request
from .stops import kill_run_progress, kill_switch_trip, trading_state_reduce

__all__ = [
    "kill_run_progress",
    "kill_switch_trip",
    "limit_change_request",
    "resume_request",
    "trading_state_reduce",
]
