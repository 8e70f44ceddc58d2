"""One order of ours as its reports arrive, in any order: acknowledgement, private feed, REST records, fills.

`denied` is our own refusal, `rejected` the venue's. `unknown` means that a write got no answer: the order may or
may not exist, and stays so until the venue's records, an acknowledgement or a fill tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import BadNumber, InvalidTransition
from .order_states import (
    OPEN_STATUSES,
    TERMINAL_STATUSES,
    OrderEventKind,
    OrderStatus,
    transition,
)
from .order_terms import AmendableOrder, Terms
from .types import Fill, Money, OrderIntent, Price, Quantity

__all__ = [
    "OPEN_STATUSES",
    "TERMINAL_STATUSES",
    "OrderEventKind",
    "OrderStatus",
    "Terms",
    "TrackedOrder",
    "transition",
]


@dataclass(slots=True)
class TrackedOrder(AmendableOrder):
    """One order of ours as all its reports together show it.

    `filled` counts each `trade_id` once, `reported_filled` is the highest figure the venue gave (above `filled`
    while fills are still on their way). Methods return True where they changed something.
    """

    status: OrderStatus = OrderStatus.INITIALIZED
    order_id: str | None = None
    filled: Quantity = 0
    reported_filled: Quantity = 0
    fees: Money = 0
    reason: str | None = None
    trade_ids: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, intent: OrderIntent) -> TrackedOrder:
        """A new order for an intent; raises `BadNumber` unless its quantity is above zero."""
        if intent.quantity <= 0:
            raise BadNumber(f"order quantity not above zero: {intent.quantity}")
        return cls(
            intent.client_order_id, intent.ticker, intent.side, intent.price, intent.quantity, intent.expires_at_s
        )

    @property
    def remaining(self) -> Quantity:
        """What may still rest or fill: nothing once terminal, else quantity less all known fills."""
        return 0 if self.status in TERMINAL_STATUSES else self._unfilled

    @property
    def _unfilled(self) -> Quantity:
        return max(self.quantity - max(self.filled, self.reported_filled), 0)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL_STATUSES

    @property
    def missing_fills(self) -> Quantity:
        """Filled according to the venue, but no fill of it received yet."""
        return max(self.reported_filled - self.filled, 0)

    def apply(self, kind: OrderEventKind, reason: str | None = None) -> bool:
        """Any event other than a fill. Raises `InvalidTransition`, changing nothing."""
        before = self.status
        after = transition(before, kind)
        if after is OrderStatus.ACCEPTED and self.filled:
            after = OrderStatus.PARTIALLY_FILLED
        self._move(after, reason)
        return after is not before

    def apply_ack(self, order_id: str, filled: Quantity, remaining: Quantity) -> bool:
        """The venue's answer to the create.

        All filled leads to `filled` once the fills are counted; nothing remaining with less than all filled is an
        immediate order that ended, hence `canceled`. Raises `InvalidTransition`, `BadNumber`.
        """
        if self.superseded:
            # The answer may be older than an amend that the private feed has told of first.
            remaining = min(remaining, max(self.quantity - filled, 0))
        self.check_amounts(filled, remaining)
        self._identify(order_id)
        changed = self.apply(OrderEventKind.ACCEPT)
        self._report(filled)
        if remaining == 0 and filled < self.quantity and self.is_open:
            changed = self.apply(OrderEventKind.CANCEL, "immediate order ended") or changed
        return changed

    def request_amend(self, terms: Terms) -> None:
        """An amend is about to be sent. It may only lower the risk: never a better price, never a larger total.

        Raises `InvalidTransition` unless the order rests with no other amend under way, `BadNumber` for terms that
        add risk or leave nothing resting.
        """
        if self.amending is not None:
            raise InvalidTransition(f"order {self.client_order_id} is being amended already")
        if self.adds_risk(terms):
            raise BadNumber(f"amend of {self.client_order_id} to {terms} would add risk")
        if terms.quantity <= max(self.filled, self.reported_filled):
            raise BadNumber(f"amend of {self.client_order_id} to {terms} leaves nothing resting")
        self.apply(OrderEventKind.REQUEST_AMEND)
        self.amending = terms

    def apply_amend(self, filled: Quantity | None = None) -> None:
        """The venue took the amend that was under way; `filled` is what it had matched by then, if it says so."""
        self.apply(OrderEventKind.AMEND)
        if self.amending is not None:
            self.take_terms(self.amending)
            self._end_if_filled()
        self._report(min(filled or 0, self.quantity))

    def drop_amend(self) -> None:
        """The venue refused the amend: the order stands as it was."""
        self.apply(OrderEventKind.AMEND_REJECT)
        self.amending = None

    def apply_fill(self, fill: Fill) -> bool:
        """Count a fill once; False for a `trade_id` already counted.

        Raises `BadNumber` for a fill of another order or beyond the order's quantity, `InvalidTransition` for an
        order that was never sent; nothing is counted then.
        """
        if fill.trade_id in self.trade_ids:
            return False
        self._check_fill(fill)
        remaining = self.quantity - self.filled - fill.quantity
        after = transition(self.status, OrderEventKind.FILL, remaining_after=remaining)
        self._identify(fill.order_id)
        self.trade_ids.add(fill.trade_id)
        self.filled += fill.quantity
        self.fees += fill.fee
        self._report(self.filled)
        self._move(after, None)
        return True

    def apply_cancel(self, reduced_by: Quantity | None = None, reason: str | None = None) -> bool:
        """The venue took the order off the book; `reduced_by` is what still rested.

        What it says was neither left nor yet counted as filled becomes `missing_fills`. With an amend under way it
        may have been canceled before or after it: then the smaller total counts, and no fill is made up.
        """
        if reduced_by is not None:
            self.check_amounts(0, reduced_by)
        changed = self.apply(OrderEventKind.CANCEL, reason)
        if reduced_by is not None:
            total = self.quantity if self.amending is None else min(self.quantity, self.amending.quantity)
            self._report(max(total - reduced_by, 0))
        return changed

    def apply_venue_state(
        self,
        status_word: str,
        filled: Quantity,
        remaining: Quantity,
        reason: str | None = None,
        *,
        price: Price | None = None,
        expires_at_s: int | None = None,
    ) -> bool:
        """The venue's record of the order: `resting`, `canceled` or `executed`.

        That of a resting order also tells its terms, which settles an amend whose answer was lost. An old one never
        moves a terminal order back, except one we took for rejected that turns out to exist. A word we do not know
        makes an open order `unknown`. Raises `BadNumber` for amounts that do not fit the order, `InvalidTransition`
        for one that was never sent.
        """
        if status_word == "resting" and not self.is_terminal:
            shown = Terms(self.price if price is None else price, filled + remaining, expires_at_s)
            if self.is_superseded(shown):
                return False
            self.adopt_terms(shown, is_lost=self.status is OrderStatus.UNKNOWN)
            self._end_if_filled()
        self.check_amounts(filled, remaining)
        before = self.status
        if before in (OrderStatus.INITIALIZED, OrderStatus.DENIED):
            raise InvalidTransition(f"the venue reports an order that is {before}")
        self._report(self.quantity if status_word == "executed" else filled)
        refused = before is OrderStatus.REJECTED
        if (refused and status_word == "canceled" and not filled) or (self.is_terminal and not refused):
            return False
        after = self._after_record(status_word, reason)
        self._move(after, reason)
        return after is not before

    def _end_if_filled(self) -> None:
        """An amend to what had already filled leaves nothing resting."""
        if self.is_open and self.filled >= self.quantity:
            self.status = OrderStatus.FILLED

    def _after_record(self, status_word: str, reason: str | None) -> OrderStatus:
        if status_word == "canceled":
            return OrderStatus.EXPIRED if reason == "ExpiryCancel" else OrderStatus.CANCELED
        if status_word not in ("resting", "executed"):
            return OrderStatus.UNKNOWN
        if self.status is OrderStatus.PENDING_CANCEL:
            return self.status
        return OrderStatus.PARTIALLY_FILLED if self.filled else OrderStatus.ACCEPTED

    def _move(self, after: OrderStatus, reason: str | None) -> None:
        if reason is not None:
            self.reason = reason
        self.status = after

    def _report(self, filled: Quantity) -> None:
        self.reported_filled = max(self.reported_filled, filled)

    def _identify(self, order_id: str) -> None:
        if self.order_id is not None and order_id != self.order_id:
            raise BadNumber(f"order {self.client_order_id} is {self.order_id}, not {order_id}")
        self.order_id = order_id

    def _check_fill(self, fill: Fill) -> None:
        if fill.ticker != self.ticker or fill.side is not self.side:
            raise BadNumber(f"fill {fill.trade_id} is not of order {self.client_order_id}")
        if not 0 < fill.quantity <= self.quantity - self.filled:
            raise BadNumber(f"fill {fill.trade_id} of {fill.quantity} exceeds order {self.client_order_id}")
