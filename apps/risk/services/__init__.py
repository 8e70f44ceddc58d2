from __future__ import annotations

from .changes import limit_change_request, limit_lower, resume_request
from .restrictions import restriction_add, restriction_lift_request
from .stops import kill_run_late, kill_run_progress, kill_switch_trip, trading_state_reduce
from .themes import theme_set, theme_shrink_request

__all__ = [
    "kill_run_late",
    "kill_run_progress",
    "kill_switch_trip",
    "limit_change_request",
    "limit_lower",
    "restriction_add",
    "restriction_lift_request",
    "resume_request",
    "theme_set",
    "theme_shrink_request",
    "trading_state_reduce",
]
