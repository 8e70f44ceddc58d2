"""Price-time matching in one market's book: our own orders queued inside external level totals."""

from __future__ import annotations

from collections.abc import Iterable

from apps.engine.errors import InvariantBroken, NegativeLevel
from apps.engine.types import Level, Price, Quantity, SelfTradePrevention, Side

from .shown import ShownBook
from .types import Match, RestingOrder, Taken, Taker


class MatchingBook(ShownBook):
    """Price-time priority; our orders FIFO, each behind the external quantity shown when it came."""

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

    def _fill(self, order: RestingOrder, quantity: Quantity) -> None:
        self._touch(order.side, order.price, order.order_id)
        order.remaining -= quantity
        if not order.remaining:
            self.remove(order)
