"""One client's socket: its subscriptions and the frames waiting to be sent."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

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
    """Frames go out in order. More than `max_pending` waiting is an overflow: they are dropped at once."""

    def __init__(self, account_id: str, max_pending: int) -> None:
        self.account_id = account_id
        self.subscriptions: dict[int, Subscription] = {}
        self.closed_with: int | None = None
        self._max_pending = max_pending
        self._pending: deque[str] = deque()
        self._wake = asyncio.Event()
        self._sids = 0

    def new_sid(self) -> int:
        self._sids += 1
        return self._sids

    def send(self, text: str) -> bool:
        """Queue a frame; False when the queue is full."""
        if len(self._pending) >= self._max_pending:
            return False
        self._pending.append(text)
        self._wake.set()
        return True

    def clear(self) -> None:
        self._pending.clear()

    def close(self, code: int) -> None:
        """End the connection; frames still waiting are lost, as when a socket breaks."""
        self.closed_with = code
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
