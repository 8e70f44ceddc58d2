"""An account: cash, netted positions, what its resting orders bind, its orders, fills and settlements."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass, field

from apps.engine.portfolio import Position
from apps.engine.types import ONE_DOLLAR, Money, Price, Quantity, Side, Ticker

from .orders import ExchangeFill, Order, Settlement
from .throttle import TokenBucket


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


@dataclass(slots=True, eq=False)
class Account:
    """`account_id` is the API key's id; `put_in` the cash it started with; `client_order_ids` never forgets one."""

    account_id: str
    user_id: str
    cash: Money
    put_in: Money
    read_bucket: TokenBucket
    write_bucket: TokenBucket
    holdings: dict[Ticker, Holding] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    resting: dict[str, Order] = field(default_factory=dict)
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
        by_market: defaultdict[tuple[Ticker, Side], list[tuple[Price, Quantity]]] = defaultdict(list)
        for order in self.resting.values():
            if order is not without:
                by_market[order.ticker, order.side].append((order.price, order.remaining))
        return sum(cost_to_open(side, entries, self.held(ticker)) for (ticker, side), entries in by_market.items())

    def cost_of(
        self, ticker: Ticker, side: Side, price: Price, quantity: Quantity, without: Order | None = None
    ) -> Money:
        """Extra cash bound by one more order beside the resting ones."""
        beside = [
            (o.price, o.remaining)
            for o in self.resting.values()
            if o.ticker == ticker and o.side is side and o is not without
        ]
        held = self.held(ticker)
        return cost_to_open(side, [*beside, (price, quantity)], held) - cost_to_open(side, beside, held)


def cost_to_open(side: Side, entries: list[tuple[Price, Quantity]], held: Quantity) -> Money:
    """Cash to fill these orders of one side; those first to trade close the opposite position for nothing."""
    closable = max(0, -side.sign * held)
    total = 0
    for price, quantity in sorted(entries, reverse=side is Side.BID):
        closing = min(closable, quantity)
        closable -= closing
        total += (quantity - closing) * (price if side is Side.BID else ONE_DOLLAR - price)
    return total
