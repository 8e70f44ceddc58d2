"""One market's book: external level totals with our own orders queued inside them.

External liquidity is either *live* (synthetic: our takers really remove it) or *recorded* (`recorded=True`: the
recording owns it; what our takers took is remembered beside it and never given back by a recorded decrease).
Prices are YES prices. Every change of what the book shows is collected and handed out by `drain()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apps.engine.errors import InvariantBroken, NegativeLevel
from apps.engine.types import Level, Price, Quantity, SelfTradePrevention, Side

from .types import LevelChange, Match, RestingOrder, Taken, Taker


class MatchingBook:
    """Price-time priority; our orders FIFO, each behind the external quantity shown when it came."""

    def __init__(self, *, recorded: bool = False) -> None:
        self.recorded = recorded
        self._external: dict[Side, dict[Price, Quantity]] = {Side.BID: {}, Side.ASK: {}}
        self._taken: dict[Side, dict[Price, Quantity]] = {Side.BID: {}, Side.ASK: {}}
        self._own: dict[Side, dict[Price, list[RestingOrder]]] = {Side.BID: {}, Side.ASK: {}}
        self._touched: dict[tuple[Side, Price], tuple[Quantity, list[str]]] = {}

    # what the book shows

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

    # external liquidity

    def change_external(self, side: Side, price: Price, delta: Quantity) -> list[Match]:
        """Apply a feed delta; returns our orders' fills where the other side now crosses them.

        Raises `NegativeLevel`, with nothing changed, when the level would fall below zero.
        """
        before = self._external[side].get(price, 0)
        after = before + delta
        if after < 0:
            raise NegativeLevel(f"{side} {price}: {before}{delta:+d}")
        self._set_external(side, price, after)
        return self._sweep(side)

    def replace_external(self, bids: Iterable[Level], asks: Iterable[Level]) -> list[Match]:
        """Apply a whole book; levels not named are empty."""
        for side, given in ((Side.BID, dict(bids)), (Side.ASK, dict(asks))):
            for price in [p for p in self._external[side] if p not in given]:
                self._set_external(side, price, 0)
            for price, quantity in given.items():
                self._set_external(side, price, quantity)
        return self._sweep(Side.BID) + self._sweep(Side.ASK)

    def _set_external(self, side: Side, price: Price, after: Quantity) -> None:
        """A decrease takes away what was still available first: what we took stays taken."""
        self._touch(side, price)
        left = max(0, after - self._taken[side].get(price, 0))
        self._store(self._external[side], price, after)
        self._store(self._taken[side], price, after - left)
        for order in self._own[side].get(price, ()):
            if order.queue_ahead > left:
                order.credited += order.queue_ahead - left
                order.queue_ahead = left

    def _sweep(self, side: Side) -> list[Match]:
        """Fill our orders opposite to `side` that external liquidity on `side` crosses, at our prices."""
        matches: list[Match] = []
        mine = side.opposite
        if not self._own[mine]:
            return matches
        for order in self.orders(mine):
            reach = Taker(mine, order.price, order.remaining)
            for price in self._sorted(side, self._external[side]):
                if not reach.crosses(price) or not order.remaining:
                    break
                quantity = min(order.remaining, self.available(side, price))
                if quantity:
                    self._consume(side, price, quantity)
                    self._fill(order, quantity)
                    matches.append(Match(order.price, quantity, side, order))
            if order.remaining:
                break
        return matches

    def recorded_trade(self, side: Side, price: Price, quantity: Quantity) -> list[Match]:
        """Our fills if `quantity` traded against the resting `side` at `price`.

        Ours at better prices come first, then ours at `price` behind their external queue. External sizes are
        left to the recorded deltas.
        """
        matches: list[Match] = []
        taker = Taker(side.opposite, price, quantity)
        left = quantity
        for level in self._sorted(side, self._own[side]):
            if left <= 0 or not taker.crosses(level):
                break
            reach, filled = left, 0
            for order in list(self._own[side][level]):
                ahead = order.queue_ahead + order.credited
                take = min(order.remaining, reach - ahead - filled)
                if level == price:
                    order.queue_ahead = min(order.queue_ahead, max(0, ahead - reach))
                    order.credited = max(0, order.credited - reach)
                if take > 0:
                    filled += take
                    self._fill(order, take)
                    matches.append(Match(level, take, side.opposite, order))
            left -= filled
        return matches

    def close_window(self) -> None:
        """Decreases so far can no longer turn out to be trades still to be told."""
        for by_price in self._own.values():
            for orders in by_price.values():
                for order in orders:
                    order.credited = 0

    # our orders

    def place(self, order: RestingOrder) -> None:
        """Put an order at the back of its level. It must not cross (`take` first)."""
        best = self.best(order.side.opposite)
        if order.remaining <= 0 or (best and Taker(order.side, order.price, 1).crosses(best[0])):
            raise InvariantBroken(f"order {order.order_id} cannot rest")
        self._touch(order.side, order.price, order.order_id)
        order.queue_ahead = self.available(order.side, order.price)
        order.credited = 0
        self._own[order.side].setdefault(order.price, []).append(order)

    def remove(self, order: RestingOrder) -> None:
        """Take an order off the book."""
        self._touch(order.side, order.price, order.order_id)
        queue = self._own[order.side][order.price]
        queue.remove(order)
        if not queue:
            del self._own[order.side][order.price]

    def reduce(self, order: RestingOrder, remaining: Quantity) -> None:
        """Make an order smaller; it keeps its place."""
        if not 0 < remaining <= order.remaining:
            raise InvariantBroken(f"order {order.order_id}: {order.remaining} cannot become {remaining}")
        self._touch(order.side, order.price, order.order_id)
        order.remaining = remaining

    def fillable(self, taker: Taker) -> Quantity:
        """What rests within a taker's limit, up to its quantity, whoever owns it."""
        found = 0
        for price in self._prices(taker.side.opposite):
            if not taker.crosses(price) or found >= taker.quantity:
                break
            found += self.shown(taker.side.opposite, price)
        return min(found, taker.quantity)

    def take(self, taker: Taker) -> Taken:
        """Run a taker through the book, ours or (no account) the external crowd's."""
        result = Taken(remaining=taker.quantity)
        for price in self._prices(taker.side.opposite):
            if not taker.crosses(price) or not result.remaining or result.self_crossed:
                break
            self._take_level(taker, price, result)
        return result

    def _take_level(self, taker: Taker, price: Price, result: Taken) -> None:
        side = taker.side.opposite
        for order in list(self._own[side].get(price, ())):
            self._take_external(taker, price, min(order.queue_ahead, result.remaining), result)
            if not result.remaining:
                return
            if taker.account_id is not None and order.account_id == taker.account_id:
                if taker.prevention is SelfTradePrevention.TAKER_AT_CROSS:
                    result.self_crossed = True
                    return
                self.remove(order)
                result.prevented.append(order)
                continue
            quantity = min(order.remaining, result.remaining)
            if taker.order_id is not None:
                self._touch(side, price, taker.order_id)
            self._fill(order, quantity)
            result.remaining -= quantity
            result.matches.append(Match(price, quantity, taker.side, order, taker.order_id))
        self._take_external(taker, price, min(self.available(side, price), result.remaining), result)

    def _take_external(self, taker: Taker, price: Price, quantity: Quantity, result: Taken) -> None:
        if quantity <= 0:
            return
        self._consume(taker.side.opposite, price, quantity, taker.order_id)
        result.remaining -= quantity
        result.matches.append(Match(price, quantity, taker.side, None, taker.order_id))

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

    def _fill(self, order: RestingOrder, quantity: Quantity) -> None:
        self._touch(order.side, order.price, order.order_id)
        order.remaining -= quantity
        if not order.remaining:
            self.remove(order)

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
