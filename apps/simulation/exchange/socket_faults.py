"""Faults of the WebSocket side, planned one by one or drawn for every frame from a seeded plan."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

HUGE_BYTES = 65 * 1024 * 1024
"""Just above the 64 MiB that a message may have (Kalshi docs: WebSocket connection)."""
PRIVATE_CHANNELS = ("fill", "user_orders", "market_positions")
_NOT_IN_JSON = "\x01"


class SocketFaultKind(StrEnum):
    """What can happen to a frame, to its channel or to its whole connection.

    `DROPPED`: lost, its `seq` used up. `REORDERED`: sent after the next one. `DELAYED`: held back with all that
    follows on its channel. `CUT`, `CORRUPT` and `HUGE` change its text. `CHANNEL_DEAD`: nothing more on this channel
    until a new connection. `SILENT`: nothing more at all, no pings either, on an open socket. `DISCONNECT` closes with
    a handshake, `ABORT` without.
    """

    DROPPED = "dropped"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    DELAYED = "delayed"
    CUT = "cut"
    CORRUPT = "corrupt"
    HUGE = "huge"
    CHANNEL_DEAD = "channel_dead"
    SILENT = "silent"
    DISCONNECT = "disconnect"
    ABORT = "abort"


@dataclass(slots=True)
class SocketPlan:
    """Each frame is hit with probability `rate` by one of `kinds`, only on `channels` and of `accounts` if given.

    `late_s`: lowest and highest delay in seconds. Answers to commands have no channel and are hit only by plans
    without `channels`.
    """

    rate: float
    kinds: tuple[SocketFaultKind, ...]
    rng: Random
    channels: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    late_s: tuple[float, float] = (0.2, 3.0)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"a fault rate lies between 0 and 1: {self.rate}")
        if not self.kinds:
            raise ValueError("a fault plan needs at least one kind")

    def draw(self, account_id: str, channel: str) -> SocketFaultKind | None:
        if self.accounts and account_id not in self.accounts:
            return None
        if self.channels and channel not in self.channels:
            return None
        return self.rng.choice(self.kinds) if self.rng.random() < self.rate else None


@dataclass(slots=True)
class SocketFaults:
    """`planned` hits the next frame of its channel, "" of any; then the `random` plan. `rng` decides the details."""

    planned: deque[tuple[SocketFaultKind, str]] = field(default_factory=deque)
    random: SocketPlan | None = None
    rng: Random = field(default_factory=lambda: Random(0))
    huge_bytes: int = HUGE_BYTES
    given: Counter[str] = field(default_factory=Counter)

    def plan(self, kind: SocketFaultKind, channel: str = "") -> None:
        self.planned.append((kind, channel))

    def take(self, account_id: str, channel: str) -> SocketFaultKind | None:
        """The fault for this frame, used up and counted; None when it is to go well."""
        kind = self._planned(channel)
        if kind is None and self.random is not None:
            kind = self.random.draw(account_id, channel)
        if kind is not None:
            self.given[kind.value] += 1
        return kind

    def late_s(self) -> float:
        low, high = (0.2, 3.0) if self.random is None else self.random.late_s
        return self.rng.uniform(low, high)

    def spoiled(self, kind: SocketFaultKind, text: str) -> str:
        """The text cut, corrupt or huge. Corruption is always visible: it cannot stand in JSON."""
        if kind is SocketFaultKind.HUGE:
            return f'{text[:-1]},"padding":"{"x" * self.huge_bytes}"}}'
        at = self.rng.randrange(1, len(text))
        return text[:at] if kind is SocketFaultKind.CUT else text[:at] + _NOT_IN_JSON + text[at + 1 :]

    def _planned(self, channel: str) -> SocketFaultKind | None:
        for planned in self.planned:
            if planned[1] in ("", channel):
                self.planned.remove(planned)
                return planned[0]
        return None
