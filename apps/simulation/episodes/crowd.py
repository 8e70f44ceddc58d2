"""The crowd of an episode: the simulator's made-up flow, which leaves alone what does not trade."""

from __future__ import annotations

from apps.engine.types import Price
from apps.simulation.exchange.markets import MarketStatus
from apps.simulation.exchange.synthetic import SyntheticFlow, Walk

TAKES = 0.15
"""Fills are what is checked most; the made-up flow alone brings few of them in some seconds."""


class Crowd(SyntheticFlow):
    """Acts in active markets only, takes more often, and follows a market to another price grid."""

    def step(self) -> None:
        if any(walk.market.status is MarketStatus.ACTIVE for walk in self._walks):
            super().step()
            if self._random.random() < TAKES:
                self._take(self._random.choice(self._walks))

    def _take(self, walk: Walk) -> None:
        if walk.market.status is MarketStatus.ACTIVE:
            super()._take(walk)

    def _move(self, walk: Walk) -> None:
        if walk.market.status is MarketStatus.ACTIVE:
            super()._move(walk)

    def _quote(self, walk: Walk) -> None:
        if walk.market.status is MarketStatus.ACTIVE:
            super()._quote(walk)

    def regrid(self, ticker: str, fair: Price) -> None:
        """The market's prices have other steps now; its hidden fair price stays where it was."""
        for walk in self._walks:
            if walk.market.ticker == ticker:
                prices = walk.market.grid.prices
                walk.fair = min(range(len(prices)), key=lambda i: abs(prices[i] - fair))

    def fair(self, ticker: str) -> Price:
        """The hidden fair price of a market."""
        walk = next(w for w in self._walks if w.market.ticker == ticker)
        return walk.market.grid.prices[walk.fair]
