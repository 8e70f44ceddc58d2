"""One client's socket: its subscriptions, the frames waiting to be sent, and what goes wrong with them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from apps.simulation.exchange.line import Line
from apps.simulation.exchange.socket_faults import SocketFaultKind, SocketFaults

SEQUENCED = frozenset(
    {
        "orderbook_delta",
        "trade",
        "order_group_updates",
        "market_lifecycle_v2",
        "multivariate_market_lifecycle",
        "communications",
    }
)
UNFILTERED = frozenset(
    {"order_group_updates", "market_lifecycle_v2", "multivariate_market_lifecycle", "communications"}
)
ABNORMAL = 1006
CHANNELS = SEQUENCED | {"ticker", "fill", "user_orders", "market_positions"}


@dataclass(slots=True, eq=False)
class Subscription:
    """`tickers` empty means every market, except on `orderbook_delta`, which always names its own."""

    connection: Connection
    sid: int
    channel: str
    use_yes_price: bool
    skip_ticker_ack: bool
    tickers: dict[str, None]
    seq: int = 0

    def next_seq(self) -> int | None:
        """The number of the next message, None on channels that have none."""
        if self.channel not in SEQUENCED:
            return None
        self.seq += 1
        return self.seq

    def wants(self, ticker: str) -> bool:
        return not self.tickers or ticker in self.tickers


class Connection:
    """Frames go out in order. More than `max_pending` waiting is an overflow: they are dropped at once.

    `line` is what silences or breaks the socket itself; a server may not have one.
    """

    def __init__(self, account_id: str, max_pending: int, faults: SocketFaults, line: Line | None = None) -> None:
        self.account_id = account_id
        self.is_silent = False
        self._faults = faults
        self._line = line
        self._dead: set[str] = set()
        self._held: str | None = None
        self._late: dict[str, list[str]] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.closed_with: int | None = None
        self._max_pending = max_pending
        self._pending: deque[str] = deque()
        self._wake = asyncio.Event()
        self._sids = 0

    def new_sid(self) -> int:
        self._sids += 1
        return self._sids

    def send(self, text: str, channel: str = "") -> bool:
        """Queue a frame, or let its fault happen; False when the queue is full."""
        if self.closed_with is not None or self.is_silent or channel in self._dead:
            return True
        fault = self._faults.take(self.account_id, channel)
        if fault is not None:
            return self._hit(fault, text, channel)
        return self._pass(text, channel)

    def _pass(self, text: str, channel: str) -> bool:
        """Queue a frame, behind those of its channel that are late."""
        if channel in self._late:
            self._late[channel].append(text)
            return True
        return self._queue(text)

    def _queue(self, text: str) -> bool:
        if len(self._pending) >= self._max_pending:
            return False
        self._pending.append(text)
        if self._held is not None:
            self._pending.append(self._held)
            self._held = None
        self._wake.set()
        return True

    def _hit(self, fault: SocketFaultKind, text: str, channel: str) -> bool:
        kind = SocketFaultKind
        if fault is kind.DUPLICATED:
            return self._pass(text, channel) and self._pass(text, channel)
        if fault is kind.REORDERED and self._held is None:
            self._held = text
            asyncio.get_running_loop().call_later(self._faults.late_s(), self._release_held)
        elif fault in (kind.REORDERED, kind.DELAYED):
            self._delay(text, channel)
        elif fault in (kind.CUT, kind.CORRUPT, kind.HUGE):
            return self._pass(self._faults.spoiled(fault, text), channel)
        elif fault is kind.CHANNEL_DEAD:
            self._dead.add(channel)
        elif fault is not kind.DROPPED:
            self._break(fault)
        return True

    def _break(self, fault: SocketFaultKind) -> None:
        if fault is SocketFaultKind.SILENT:
            self.silence()
        else:
            self.close(1012 if fault is SocketFaultKind.DISCONNECT else ABNORMAL)

    def _delay(self, text: str, channel: str) -> None:
        """Hold this frame and all behind it on its channel."""
        if channel not in self._late:
            asyncio.get_running_loop().call_later(self._faults.late_s(), self._release_late, channel)
        self._late.setdefault(channel, []).append(text)

    def _release_late(self, channel: str) -> None:
        for text in self._late.pop(channel, []):
            self._release(text)

    def _release_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._release(held)

    def _release(self, text: str) -> None:
        if self.closed_with is None and not self.is_silent:
            self._queue(text)

    def silence(self) -> None:
        """Nothing more goes out, not even a ping; the socket stays open."""
        self.is_silent = True
        self._pending.clear()
        if self._line is not None:
            self._line.silence()

    def clear(self) -> None:
        self._pending.clear()

    def close(self, code: int) -> None:
        """End the connection; frames still waiting are lost, as when a socket breaks.

        `ABNORMAL` breaks the line without a closing handshake.
        """
        if self.closed_with is not None:
            return
        self.closed_with = code
        if code == ABNORMAL and self._line is not None:
            self._line.abort()
        self._pending.clear()
        self._wake.set()

    async def next_frames(self) -> list[str]:
        """All frames waiting, at least one; empty once the connection is closed."""
        while not self._pending and self.closed_with is None:
            self._wake.clear()
            await self._wake.wait()
        frames = list(self._pending)
        self._pending.clear()
        return frames
