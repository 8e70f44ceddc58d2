"""Price-time matching of our own orders inside a book whose other liquidity is only known as level totals.

`MatchingBook` serves the exchange simulator and the paper venue; `TradeInference` finds the trades that a
recording without a trade channel must have had. The rules and why they are conservative: simulation README.
"""

from __future__ import annotations

from .book import MatchingBook
from .inference import InferredTrade, TradeInference
from .types import LevelChange, Match, RestingOrder, Taken, Taker

__all__ = [
    "InferredTrade",
    "LevelChange",
    "Match",
    "MatchingBook",
    "RestingOrder",
    "Taken",
    "Taker",
    "TradeInference",
]
