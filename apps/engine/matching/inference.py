"""Which trades a recording without a trade channel must have had, never more than it proves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from apps.engine.errors import BadNumber
from apps.engine.types import Price, Quantity, Side


@dataclass(frozen=True, slots=True)
class InferredTrade:
    """`quantity` traded against the resting `side` at `price`."""

    side: Side
    price: Price
    quantity: Quantity


class TradeInference:
    """Trades of one market from its level decreases and the cumulative volume of its `ticker` messages.

    A window is what lies between two tickers. If the volume rose and the last price is p, then at p traded the
    smaller of (volume rise) and (what the level p lost in the window); the resting side is the one whose level
    lost more. Where both lost the same, or none lost anything, nothing is inferred. What traded at other prices
    in the window is unknown and not used.

    `volume_sides`: how often the feed counts one contract. The WebSocket's `volume_fp` counts each trade twice
    (in recorded windows with a single trade the rise is twice `last_trade_size_fp`, without exception).
    """

    __slots__ = ("_lost", "_volume", "_volume_sides")

    def __init__(self, volume_sides: int = 2) -> None:
        if volume_sides < 1:
            raise BadNumber(f"volume_sides below one: {volume_sides}")
        self._volume_sides = volume_sides
        self._volume: Quantity | None = None
        self._lost: defaultdict[tuple[Side, Price], Quantity] = defaultdict(int)

    def level_changed(self, side: Side, price: Price, delta: Quantity) -> None:
        if delta < 0:
            self._lost[side, price] -= delta

    def reset(self) -> None:
        """Forget the window and the volume, e.g. after a snapshot: what happened meanwhile is unknown."""
        self._volume = None
        self._lost.clear()

    def ticker(self, last_price: Price, volume: Quantity) -> InferredTrade | None:
        """Close the window; the trade it proves, or None. The first ticker only sets the volume."""
        before, self._volume = self._volume, volume
        lost_bid = self._lost.get((Side.BID, last_price), 0)
        lost_ask = self._lost.get((Side.ASK, last_price), 0)
        self._lost.clear()
        if before is None or volume <= before or lost_bid == lost_ask:
            return None
        side, lost = (Side.BID, lost_bid) if lost_bid > lost_ask else (Side.ASK, lost_ask)
        quantity = min((volume - before) // self._volume_sides, lost)
        return InferredTrade(side, last_price, quantity) if quantity > 0 else None
