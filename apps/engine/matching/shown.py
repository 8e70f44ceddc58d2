"""What one market's book shows: external level totals, less what was taken of them, and our orders among them.

External liquidity is either *live* (synthetic: our takers really remove it) or *recorded* (`recorded=True`: the
recording owns it; what our takers took is remembered beside it and never given back by a recorded decrease).
Prices are YES prices. Every change of what the book shows is collected and handed out by `drain()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.engine.errors import InvariantBroken
from apps.engine.types import Level, Price, Quantity, Side

from .types import LevelChange, RestingOrder


class ShownBook:
    """The levels and what can be read of them; `MatchingBook` changes them."""

    def __init__(self, *, recorded: bool = False) -> None:
        self.recorded = recorded
        self._external: dict[Side, dict[Price, Quantity]] = {Side.BID: {}, Side.ASK: {}}
        self._taken: dict[Side, dict[Price, Quantity]] = {Side.BID: {}, Side.ASK: {}}
        self._own: dict[Side, dict[Price, list[RestingOrder]]] = {Side.BID: {}, Side.ASK: {}}
        self._touched: dict[tuple[Side, Price], tuple[Quantity, list[str]]] = {}

    def available(self, side: Side, price: Price) -> Quantity:
        """External quantity that can still be taken at a level."""
        return self._external[side].get(price, 0) - self._taken[side].get(price, 0)

    def recorded_size(self, side: Side, price: Price) -> Quantity:
        """The level exactly as the feed says, with nothing of ours in it."""
        return self._external[side].get(price, 0)

    def shown(self, side: Side, price: Price) -> Quantity:
        """Public size of a level: external still there plus our orders."""
        return self.available(side, price) + sum(o.remaining for o in self._own[side].get(price, ()))

    def levels(self, side: Side) -> list[Level]:
        """Public levels, best price first."""
        return [(p, self.shown(side, p)) for p in self._prices(side)]

    def best(self, side: Side) -> Level | None:
        """Best public level, or None when the side is empty."""
        return next(((p, self.shown(side, p)) for p in self._prices(side)), None)

    def orders(self, side: Side | None = None) -> list[RestingOrder]:
        """Our resting orders in price-time order, bids first."""
        sides = (Side.BID, Side.ASK) if side is None else (side,)
        return [o for s in sides for p in self._sorted(s, self._own[s]) for o in self._own[s][p]]

    def queue_position(self, order: RestingOrder) -> Quantity:
        """Contracts that must trade before this order does, at better prices and at its own."""
        ahead = order.queue_ahead
        for price in self._prices(order.side):
            if price == order.price:
                break
            ahead += self.shown(order.side, price)
        for other in self._own[order.side][order.price]:
            if other is order:
                return ahead
            ahead += other.remaining
        raise InvariantBroken(f"order {order.order_id} is not in the book")

    def drain(self) -> list[LevelChange]:
        """Changes since the last call, one per level, decreases first so that the book never looks crossed."""
        changes = []
        for (side, price), (before, causes) in self._touched.items():
            delta = self.shown(side, price) - before
            if delta:
                changes.append(LevelChange(side, price, delta, tuple(causes)))
        self._touched.clear()
        changes.sort(key=lambda c: c.delta > 0)
        return changes

    # internals

    def _consume(self, side: Side, price: Price, quantity: Quantity, cause: str | None = None) -> None:
        """Remove external quantity from the front of a level."""
        self._touch(side, price, cause)
        if self.recorded:
            self._store(self._taken[side], price, self._taken[side].get(price, 0) + quantity)
        else:
            self._store(self._external[side], price, self._external[side][price] - quantity)
        for order in self._own[side].get(price, ()):
            order.queue_ahead = max(0, order.queue_ahead - quantity)

    def _touch(self, side: Side, price: Price, cause: str | None = None) -> None:
        entry = self._touched.get((side, price))
        if entry is None:
            entry = self._touched[side, price] = (self.shown(side, price), [])
        if cause is not None and cause not in entry[1]:
            entry[1].append(cause)

    @staticmethod
    def _store(levels: dict[Price, Quantity], price: Price, quantity: Quantity) -> None:
        if quantity:
            levels[price] = quantity
        else:
            levels.pop(price, None)

    @staticmethod
    def _sorted(side: Side, prices: Iterable[Price]) -> list[Price]:
        return sorted(prices, reverse=side is Side.BID)

    def _prices(self, side: Side) -> Iterator[Price]:
        """Prices with something to show, best first."""
        own = self._own[side]
        for price in self._sorted(side, self._external[side].keys() | own.keys()):
            if price in own or self.available(side, price):
                yield price
