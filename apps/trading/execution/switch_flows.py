"""Which strategy an order, a fill or a settlement belongs to."""

from __future__ import annotations

from collections import Counter

from apps.engine.types import OrderIntent, Price, Side, Ticker

from .context import MarketDesk, SessionContext
from .switch_flow import StrategyFlow

# Orders that no strategy sends: a person's, a plan's.
MANUAL = "manual"


class StrategyFlows:
    """One flow per strategy; a market's flow is that of the strategy that has it now."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._flows: dict[str, StrategyFlow] = {}
        self._traded: dict[Ticker, str] = {}

    def all(self) -> list[StrategyFlow]:
        return list(self._flows.values())

    def of(self, slug: str) -> StrategyFlow:
        found = self._flows.get(slug)
        if found is None:
            found = self._flows[slug] = StrategyFlow(slug)
        return found

    def of_market(self, ticker: Ticker, *, remember: bool = False) -> StrategyFlow:
        """`remember`: it now holds something there, and the market's settlement will be its own."""
        desk = self._context.desks.get(ticker)
        slug = self._traded.get(ticker, MANUAL) if desk is None else desk.armed.armed.slug
        if remember:
            self._traded[ticker] = slug
        return self.of(slug)

    def of_settled(self, ticker: Ticker) -> StrategyFlow:
        flow = self.of_market(ticker)
        return self.of(self._traded.pop(ticker, flow.slug))

    def count_slots(self) -> None:
        """Quotes each strategy keeps up at once: both sides of every market it has."""
        counts = Counter(desk.armed.armed.slug for desk in self._context.desks.values())
        for slug in counts:
            self.of(slug)
        for slug, flow in self._flows.items():
            flow.slots = 2 * counts[slug]

    def expected(self, intent: OrderIntent) -> Price | None:
        """The price an order should take at: the best it meets. None for one that only rests: it fills at its own."""
        if intent.post_only:
            return None
        best = _opposite(self._context.desks.get(intent.ticker), intent.side)
        if best is None:
            return intent.price
        return min(best, intent.price) if intent.side is Side.BID else max(best, intent.price)


def _opposite(desk: MarketDesk | None, side: Side) -> Price | None:
    level = None if desk is None else desk.ask if side is Side.BID else desk.bid
    return None if level is None else level[0]
