"""What can go wrong in an episode, what is armed at the moment, and how often each kind was really injected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class FaultKind(StrEnum):
    """Counted when it takes effect, not when it is planned. Redis is away in every episode, hence no kind."""

    # requests
    REQUEST_REFUSED = "request_refused"
    REQUEST_LOST = "request_lost"
    REPLY_LOST = "reply_lost"
    REPLY_RESET = "reply_reset"
    REQUEST_DELAYED = "request_delayed"
    REPLY_CUT = "reply_cut"
    REPLY_OTHER_ORDER = "reply_other_order"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR_BEFORE = "server_error_before"
    SERVER_ERROR_AFTER = "server_error_after"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    REPLY_DRIFTED = "reply_drifted"
    # socket
    FRAME_DROPPED = "frame_dropped"
    FRAME_REPEATED = "frame_repeated"
    FRAME_REORDERED = "frame_reordered"
    FRAME_DELAYED = "frame_delayed"
    FRAME_CUT = "frame_cut"
    FRAME_DRIFTED = "frame_drifted"
    PRIVATE_FRAME_DROPPED = "private_frame_dropped"
    FILL_REPEATED = "fill_repeated"
    CHANNEL_LOST = "channel_lost"
    SOCKET_SILENT = "socket_silent"
    SOCKET_LOST = "socket_lost"
    SOCKET_REFUSED = "socket_refused"
    # database
    DATABASE_AWAY = "database_away"
    DATABASE_SLOW = "database_slow"
    COMMIT_REFUSED = "commit_refused"
    COMMIT_REPLY_LOST = "commit_reply_lost"
    # processes and machine
    PROCESS_KILLED = "process_killed"
    PROCESS_FROZEN = "process_frozen"
    SECOND_RUNNER = "second_runner"
    CLOCK_SKEWED = "clock_skewed"
    GUARDIAN_KILLED = "guardian_killed"
    GUARDIAN_AWAY = "guardian_away"
    # exchange
    TRADING_PAUSED = "trading_paused"
    EXCHANGE_PAUSED = "exchange_paused"
    MARKET_HALTED = "market_halted"
    MARKET_CLOSED = "market_closed"
    MARKET_SETTLED = "market_settled"
    MARKET_VOIDED = "market_voided"
    GRID_CHANGED = "grid_changed"
    FEE_CHANGED = "fee_changed"
    GROUP_TRIGGERED = "group_triggered"
    FILL_DURING_CANCEL = "fill_during_cancel"
    FILL_AFTER_CANCEL = "fill_after_cancel"
    CANCELED_OUTSIDE = "canceled_outside"
    # people
    KILL_SWITCH = "kill_switch"
    KILL_TWICE = "kill_twice"
    RESTART_TWICE = "restart_twice"
    LIMIT_LOWERED = "limit_lowered"
    PARAMETERS_CHANGED = "parameters_changed"
    STRATEGY_DISARMED = "strategy_disarmed"
    ORDER_BY_HAND = "order_by_hand"
    PLAN_STARTED = "plan_started"


Matches = Callable[[str], bool]


@dataclass(slots=True)
class Arm:
    """A fault waiting for what it applies to: at most `left` times and not after `until_s` (virtual)."""

    kind: FaultKind
    until_s: float
    left: int
    matches: Matches
    amount: float = 0.0


@dataclass(slots=True)
class Faults:
    """The armed faults of one episode. All draws come from its own `rng`, so that a seed gives the same faults."""

    rng: Random
    now_s: Callable[[], float]
    requests: list[Arm] = field(default_factory=list)
    frames: list[Arm] = field(default_factory=list)
    calls: list[Arm] = field(default_factory=list)
    connects: list[Arm] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, kind: FaultKind) -> None:
        self.counts[kind.value] += 1

    def take(self, arms: list[Arm], what: str) -> Arm | None:
        """The armed fault that hits this request, frame or call, used up by it; None mostly."""
        if not arms:
            return None
        now_s = self.now_s()
        for arm in arms:
            if arm.until_s >= now_s and arm.matches(what):
                arm.left -= 1
                if arm.left <= 0:
                    arms.remove(arm)
                self.count(arm.kind)
                return arm
        return None

    def clear(self) -> None:
        """The calm begins: whatever has not happened by now will not."""
        for arms in (self.requests, self.frames, self.calls, self.connects):
            arms.clear()
