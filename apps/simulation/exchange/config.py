"""What an exchange is made of before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from apps.engine.types import MONEY_SCALE, Money
from apps.gateway.kalshi.signing import PublicKey

from .clock import MICROS

# Read and write tokens per second (Kalshi docs: rate limits, since 24 September 2026).
TIERS: dict[str, tuple[int, int]] = {
    "basic": (200, 100),
    "advanced": (300, 300),
    "expert": (600, 600),
    "premier": (1_200, 1_200),
    "paragon": (2_400, 2_400),
    "prime": (4_800, 4_800),
    "prestige": (12_000, 9_600),
}


@dataclass(frozen=True, slots=True)
class Credential:
    """One account's API key: the id it signs with and its public half."""

    key_id: str
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """`read_rate` and `write_rate` override the tier; a bucket holds `burst_seconds` of its rate (three
    since late September 2026, one in June).

    `read_lag_us`: portfolio reads show the state of that long ago. `balance_net_of_resting` and
    `realized_pnl_net_of_fees` choose between two readings of the docs, which leave both open.
    """

    credentials: tuple[Credential, ...] = ()
    cash: Money = 10_000 * MONEY_SCALE
    tier: str = "basic"
    read_rate: int | None = None
    write_rate: int | None = None
    burst_seconds: int = 3
    read_lag_us: int = 0
    signature_window_us: int = 15 * MICROS
    group_window_us: int = 15 * MICROS
    balance_net_of_resting: bool = False
    realized_pnl_net_of_fees: bool = False
    max_pending_frames: int = 20_000

    @property
    def rates(self) -> tuple[int, int]:
        read, write = TIERS[self.tier]
        return self.read_rate or read, self.write_rate or write
