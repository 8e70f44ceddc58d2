"""What the feed's row says about a session: its state and every reason for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from apps.marketdata.choices import FeedState

STALE_AFTER = timedelta(seconds=15)


def feed_state(
    *,
    is_connected: bool,
    was_connected: bool,
    heard_at: datetime | None,
    stale_books: int,
    followed: int,
    problems: Sequence[str | None],
    connection_error: str | None,
    now: datetime,
) -> tuple[FeedState, str]:
    """State and reason, worst first.

    1. no connection: down once there was one, connecting before; the reason is the last failure
    2. connected and not even a ping for 15 s, books without a snapshot, or any problem: degraded, all reasons named
    3. otherwise live
    """
    told = [p for p in problems if p]
    if not is_connected:
        state = FeedState.DOWN if was_connected else FeedState.CONNECTING
        return state, "; ".join([connection_error or "no connection yet", *told])
    if heard_at is None or now - heard_at > STALE_AFTER:
        told.append(f"nothing heard for more than {STALE_AFTER.seconds} s")
    if stale_books:
        told.append(f"{stale_books} of {followed} books wait for a snapshot")
    return (FeedState.DEGRADED, "; ".join(told)) if told else (FeedState.LIVE, "")
