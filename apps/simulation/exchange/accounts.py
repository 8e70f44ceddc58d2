"""An account: cash, netted positions, what its resting orders bind, its orders, fills and settlements."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from apps.engine.portfolio import Position
from apps.engine.types import ONE_DOLLAR, Money, Price, Quantity, Side, Ticker

from .orders import ExchangeFill, Order, Settlement
from .throttle import Meter, TokenBucket


@dataclass(slots=True)
class Holding:
    """A position with the totals the exchange reports beside it.

    `traded` is the dollars of all fills on the leg that changed hands, `volume` their contracts.
    """

    position: Position
    traded: Money = 0
    volume: Quantity = 0
    updated_us: int = 0

    def fill(self, side: Side, price: Price, quantity: Quantity) -> Money:
        """Apply a fill and return the cash change before fees."""
        leg = price if side is Side.BID else ONE_DOLLAR - price
        closing = min(quantity, max(0, -side.sign * self.position.quantity))
        self.traded += closing * (ONE_DOLLAR - leg) + (quantity - closing) * leg
        self.volume += quantity
        return self.position.apply(side, price, quantity)

    def copied(self) -> Holding:
        return Holding(copy.copy(self.position), self.traded, self.volume, self.updated_us)


class Resting:
    """An account's resting orders by id and by market. `touch` says that something in a market changed."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._markets: defaultdict[Ticker, dict[str, Order]] = defaultdict(dict)
        self._bound: dict[Ticker, Money] = {}
        self._stale: dict[Ticker, None] = {}
        self._total: Money = 0

    def __len__(self) -> int:
        return len(self._orders)

    def add(self, order: Order) -> None:
        self._orders[order.order_id] = self._markets[order.ticker][order.order_id] = order
        self.touch(order.ticker)

    def discard(self, order: Order) -> None:
        if self._orders.pop(order.order_id, None) is not None:
            del self._markets[order.ticker][order.order_id]
            self.touch(order.ticker)

    def touch(self, ticker: Ticker) -> None:
        self._stale[ticker] = None

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def values(self) -> Iterable[Order]:
        return self._orders.values()

    def in_market(self, ticker: Ticker) -> Iterable[Order]:
        found = self._markets.get(ticker)
        return () if found is None else found.values()

    def bound(self, held: Callable[[Ticker], Quantity]) -> Money:
        """Cash that all of them would need if they filled, counted anew only where something changed."""
        for ticker in self._stale:
            self._total -= self._bound.pop(ticker, 0)
            orders = self._markets.get(ticker)
            if orders:
                self._bound[ticker] = cost_of_orders(orders.values(), held(ticker))
                self._total += self._bound[ticker]
            else:
                self._markets.pop(ticker, None)
        self._stale.clear()
        return self._total


@dataclass(slots=True, eq=False)
class Account:
    """`account_id` is the API key's id; `put_in` the cash it started with; `client_order_ids` never forgets one.

    `shard_buckets` are the write buckets of shards above 0, made when first needed.
    """

    account_id: str
    user_id: str
    cash: Money
    put_in: Money
    tier: str
    read_bucket: TokenBucket
    write_bucket: TokenBucket
    shard_buckets: dict[int, TokenBucket] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    holdings: dict[Ticker, Holding] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    resting: Resting = field(default_factory=Resting)
    fills: list[ExchangeFill] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    client_order_ids: set[str] = field(default_factory=set)

    def holding(self, ticker: Ticker) -> Holding:
        return self.holdings.setdefault(ticker, Holding(Position(ticker)))

    def held(self, ticker: Ticker) -> Quantity:
        """Signed YES position, 0 when the market was never traded."""
        found = self.holdings.get(ticker)
        return found.position.quantity if found else 0

    def bound(self, without: Order | None = None) -> Money:
        """Cash that the resting orders would need if all of them filled; closing a position needs none."""
        total = self.resting.bound(self.held)
        if without is None:
            return total
        orders, held = list(self.resting.in_market(without.ticker)), self.held(without.ticker)
        others = [o for o in orders if o is not without]
        return total - cost_of_orders(orders, held) + cost_of_orders(others, held)

    def cost_of(
        self, ticker: Ticker, side: Side, price: Price, quantity: Quantity, without: Order | None = None
    ) -> Money:
        """Extra cash bound by one more order beside the resting ones."""
        beside = [(o.price, o.remaining) for o in self.resting.in_market(ticker) if o.side is side and o is not without]
        held = self.held(ticker)
        return cost_to_open(side, [*beside, (price, quantity)], held) - cost_to_open(side, beside, held)


def cost_of_orders(orders: Iterable[Order], held: Quantity) -> Money:
    """Cash to fill all of these orders of one market."""
    entries: dict[Side, list[tuple[Price, Quantity]]] = {side: [] for side in Side}
    for order in orders:
        entries[order.side].append((order.price, order.remaining))
    return sum(cost_to_open(side, found, held) for side, found in entries.items())


def cost_to_open(side: Side, entries: list[tuple[Price, Quantity]], held: Quantity) -> Money:
    """Cash to fill these orders of one side; those first to trade close the opposite position for nothing."""
    closable = max(0, -side.sign * held)
    total = 0
    for price, quantity in sorted(entries, reverse=side is Side.BID):
        closing = min(closable, quantity)
        closable -= closing
        total += (quantity - closing) * (price if side is Side.BID else ONE_DOLLAR - price)
    return total
