"""Values of the matching book: orders at rest, takers, executions and level changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.engine.types import Price, Quantity, SelfTradePrevention, Side


@dataclass(slots=True, eq=False)
class RestingOrder:
    """One of our orders at rest.

    `queue_ahead` is the external quantity before it at its level. `credited` is the part of that queue which
    already went with level decreases not yet known to be trades; a later trade at the level counts against it
    first, so the same contracts never move the order twice.
    """

    order_id: str
    account_id: str
    side: Side
    price: Price
    remaining: Quantity
    queue_ahead: Quantity = 0
    credited: Quantity = 0


@dataclass(frozen=True, slots=True)
class Taker:
    """An order on its way through the book; `account_id` None is the external crowd."""

    side: Side
    limit: Price
    quantity: Quantity
    account_id: str | None = None
    order_id: str | None = None
    prevention: SelfTradePrevention = SelfTradePrevention.TAKER_AT_CROSS

    def crosses(self, price: Price) -> bool:
        return price <= self.limit if self.side is Side.BID else price >= self.limit


@dataclass(frozen=True, slots=True)
class Match:
    """One execution at `price`. `maker` is our resting order, or None for external liquidity.

    `taker_side` is the aggressor's side; `taker_order_id` None is the external crowd.
    """

    price: Price
    quantity: Quantity
    taker_side: Side
    maker: RestingOrder | None = None
    taker_order_id: str | None = None


@dataclass(slots=True)
class Taken:
    """What became of a taker: matches in order, own resting orders removed by self-trade prevention (`maker`),
    what is left, and whether prevention stopped it (`taker_at_cross`)."""

    matches: list[Match] = field(default_factory=list)
    prevented: list[RestingOrder] = field(default_factory=list)
    remaining: Quantity = 0
    self_crossed: bool = False


@dataclass(frozen=True, slots=True)
class LevelChange:
    """Signed change of a shown level. `order_ids` are the orders of ours that caused it."""

    side: Side
    price: Price
    delta: Quantity
    order_ids: tuple[str, ...] = ()
