"""Token buckets per account and what each call costs (Kalshi docs: rate limits)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .clock import MICROS

DEFAULT_COST = 10
CANCEL_COST = 2
ORDER_READ_COST = 2
_PREFIX = "/trade-api/v2"

ENDPOINT_COSTS: tuple[tuple[str, str, int], ...] = (
    ("POST", f"{_PREFIX}/account/api_usage_level/upgrade", 30),
    ("DELETE", f"{_PREFIX}/portfolio/events/orders", CANCEL_COST),
    ("DELETE", f"{_PREFIX}/portfolio/events/orders/:order_id", CANCEL_COST),
    ("DELETE", f"{_PREFIX}/portfolio/events/orders/batched", CANCEL_COST),
    ("GET", f"{_PREFIX}/portfolio/orders/:order_id", ORDER_READ_COST),
)


@dataclass(slots=True)
class Meter:
    """What an account asked for and how often its buckets refused, by bucket: `read`, `write`, `write:SHARD`;
    and how many of its orders were canceled, by whomever."""

    asked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    canceled: int = 0


class TokenBucket:
    """Refills continuously up to its capacity; takes all of a cost or nothing."""

    def __init__(self, rate: int, capacity: int, now_us: int) -> None:
        self.rate = rate
        self.capacity = capacity
        self._micro_tokens = capacity * MICROS
        self._at_us = now_us

    def tokens(self, now_us: int) -> float:
        """Tokens it holds now."""
        self._refill(now_us)
        return self._micro_tokens / MICROS

    def drain(self, now_us: int) -> None:
        """Empty it."""
        self._refill(now_us)
        self._micro_tokens = 0

    def resize(self, rate: int, capacity: int, now_us: int) -> None:
        """Another rate from now on; what no longer fits is lost."""
        self._refill(now_us)
        self.rate, self.capacity = rate, capacity

    def _refill(self, now_us: int) -> None:
        passed = max(0, now_us - self._at_us)
        self._micro_tokens = min(self.capacity * MICROS, self._micro_tokens + passed * self.rate)
        self._at_us = now_us

    def take(self, cost: int, now_us: int) -> bool:
        self._refill(now_us)
        if cost * MICROS > self._micro_tokens:
            return False
        self._micro_tokens -= cost * MICROS
        return True
