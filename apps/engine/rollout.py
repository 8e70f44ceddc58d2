"""Which markets make and which take while taking is rolled out: by a fixed hash, never by chance.

The same market stays on the same side in every process and after every restart, so the two groups can be compared,
and raising the share only moves markets from making to taking.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from .errors import BadNumber
from .types import Ticker

FULL_SHARE_BPS = 10_000


class ExecutionMode(StrEnum):
    """How a strategy's wishes reach the market.

    maker: every market rests post-only orders. hybrid: markets are assigned. sniper: every market only takes.
    """

    MAKER = "maker"
    HYBRID = "hybrid"
    SNIPER = "sniper"


class Style(StrEnum):
    """What one wanted order does: rest and wait (maker), or meet what rests there (taker)."""

    MAKER = "maker"
    TAKER = "taker"


def assigned_taker(salt: str, ticker: Ticker, share_bps: int) -> bool:
    """Whether a market belongs to the taking group; `share_bps` is that group's share in 1/100 of a percent.

    Another `salt` deals the markets anew. Raises `BadNumber` for a share that is not a whole number of 0 to 10000.
    """
    if type(share_bps) is not int or not 0 <= share_bps <= FULL_SHARE_BPS:
        raise BadNumber(f"share of markets that take is not 0 to {FULL_SHARE_BPS} basis points: {share_bps!r:.40}")
    return _place(salt, ticker) * FULL_SHARE_BPS < share_bps << 64


def style_of(mode: ExecutionMode, salt: str, ticker: Ticker, share_bps: int) -> Style:
    """The style of a market under a mode; the share matters only to hybrid."""
    if mode is ExecutionMode.HYBRID:
        return Style.TAKER if assigned_taker(salt, ticker, share_bps) else Style.MAKER
    return Style.TAKER if mode is ExecutionMode.SNIPER else Style.MAKER


def _place(salt: str, ticker: Ticker) -> int:
    """Where in 0 to 2^64 - 1 a market stands."""
    body = f"{len(salt)}:{salt}:{ticker}".encode()
    return int.from_bytes(hashlib.sha256(body).digest()[:8], "big")
