"""Order groups: matched contracts over a rolling window, and the trigger (Kalshi docs: order groups)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.engine.types import Quantity

from .orders import Order


@dataclass(slots=True, eq=False)
class OrderGroup:
    """A group of one account and one shard; while `triggered` it takes no orders."""

    group_id: str
    account_id: str
    limit: Quantity
    triggered: bool = False
    exchange_index: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    _matched: deque[tuple[int, Quantity]] = field(default_factory=deque)
    _sum: Quantity = 0

    @property
    def window(self) -> Iterable[tuple[int, Quantity]]:
        """Times and contracts of what the window holds, oldest first."""
        return self._matched

    def matched(self, now_us: int, window_us: int) -> Quantity:
        """Contracts matched in the window that ends now."""
        while self._matched and self._matched[0][0] <= now_us - window_us:
            self._sum -= self._matched.popleft()[1]
        return self._sum

    def count(self, quantity: Quantity, now_us: int, window_us: int) -> bool:
        """Add a match; True when the sum now exceeds the limit."""
        self._matched.append((now_us, quantity))
        self._sum += quantity
        return self.matched(now_us, window_us) > self.limit

    def reset(self) -> None:
        self.triggered = False
        self._matched.clear()
        self._sum = 0
