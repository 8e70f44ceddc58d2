"""The last gate before the wire. It opens only on fresh proof that trading is allowed, and shuts by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.engine.limits import TradingState
from apps.gateway.clock import Clock

STATE_MAX_AGE_S = 1.0
# Read each second; the reading itself may take a while, and until it answers lowered limits are not known.
LIMITS_MAX_AGE_S = 2.5
LEASE_MARGIN_S = 1.0


@dataclass(slots=True)
class Gate:
    """`blocks` holds reasons set by the session (reconciling, feed down, stopping); any of them shuts the gate."""

    clock: Clock
    state: TradingState = TradingState.HALTED
    state_reason: str = "not read yet"
    state_read_at: float = float("-inf")
    limits_read_at: float = float("-inf")
    lease_until: float = float("-inf")
    blocks: dict[str, str] = field(default_factory=dict)

    def refresh(self, *, state: TradingState, reason: str) -> None:
        """The database answered what it allows."""
        self.state, self.state_reason, self.state_read_at = state, reason, self.clock.monotonic()

    def limits_read(self, asked_at: float) -> None:
        """What is armed, and its limits, are in force as they were when they were asked for (monotonic)."""
        self.limits_read_at = asked_at

    def lease_renewed(self, asked_at: float, lease_seconds: float) -> None:
        """The lease holds from when it was asked for (monotonic), less a margin."""
        self.lease_until = asked_at + lease_seconds - LEASE_MARGIN_S

    def block(self, key: str, reason: str) -> None:
        self.blocks[key] = reason

    def unblock(self, key: str) -> None:
        self.blocks.pop(key, None)

    def closed_because(self) -> str | None:
        """Why nothing may be sent now, or None. Silence of the database counts as a halt."""
        now = self.clock.monotonic()
        if self.state is TradingState.HALTED:
            return f"trading is halted: {self.state_reason}"
        if now - self.state_read_at > STATE_MAX_AGE_S:
            return "trading state not read for more than a second; treated as halted"
        if now - self.limits_read_at > LIMITS_MAX_AGE_S:
            return f"limits not read for more than {LIMITS_MAX_AGE_S} s; they may have been lowered"
        if now > self.lease_until:
            return "lease not renewed in time"
        if self.blocks:
            return "; ".join(self.blocks.values())
        return None
