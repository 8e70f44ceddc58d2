"""What an order asks for, and how amends change it: price, total and expiry, as the records show them late."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import BadNumber
from .types import Price, Quantity, Side, Ticker

REMEMBERED_TERMS = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What an amend can change. `quantity` is the total: what has filled and what shall rest."""

    price: Price
    quantity: Quantity
    expires_at_s: int | None

    def rests_as(self, other: Terms) -> bool:
        """Whether both look the same in the book; the expiry cannot be seen there."""
        return (self.price, self.quantity) == (other.price, other.quantity)


@dataclass(slots=True)
class AmendableOrder:
    """An order's identity and terms. `amending` are the terms an amend under way asks for, `superseded` those before
    the last ones: the venue's records may still show any of them.
    """

    client_order_id: str
    ticker: Ticker
    side: Side
    price: Price
    quantity: Quantity
    expires_at_s: int | None = None
    amending: Terms | None = None
    superseded: tuple[Terms, ...] = ()

    @property
    def terms(self) -> Terms:
        return Terms(self.price, self.quantity, self.expires_at_s)

    def adds_risk(self, terms: Terms) -> bool:
        """A better price for others or a larger total than now."""
        return (terms.price - self.price) * self.side.sign > 0 or terms.quantity > self.quantity

    def is_superseded(self, shown: Terms) -> bool:
        """Whether a record shows terms from before one of our last amends: the venue's reads lag its engine."""
        return not shown.rests_as(self.terms) and any(shown.rests_as(old) for old in self.superseded)

    def adopt_terms(self, shown: Terms, *, is_lost: bool) -> None:
        """Takes terms over from the venue's record of the resting order.

        They are ours, those of the amend under way, or, of an order we lost sight of (`is_lost`), any that add no
        risk. Raises `BadNumber` for others: somebody else has changed our order.
        """
        if self.amending is not None and shown.rests_as(self.amending):
            if not shown.rests_as(self.terms) or shown.expires_at_s == self.amending.expires_at_s:
                self.take_terms(self.amending)
        elif shown.rests_as(self.terms):
            self.expires_at_s = shown.expires_at_s or self.expires_at_s
            if is_lost:
                self.amending = None
        elif is_lost and not self.adds_risk(shown):
            self.take_terms(shown)
        else:
            raise BadNumber(f"order {self.client_order_id} rests as {shown}, ours is {self.terms}")

    def take_terms(self, terms: Terms) -> None:
        """The venue has taken these over."""
        if not terms.rests_as(self.terms):
            self.superseded = (*self.superseded[-(REMEMBERED_TERMS - 1) :], self.terms)
        self.price, self.quantity, self.expires_at_s = terms.price, terms.quantity, terms.expires_at_s
        self.amending = None

    def check_amounts(self, filled: Quantity, remaining: Quantity) -> None:
        """Raises `BadNumber` for amounts that cannot be of this order."""
        if min(filled, remaining) < 0 or filled + remaining > self.quantity:
            raise BadNumber(f"order {self.client_order_id}: {filled} filled and {remaining} remaining")
