"""Life of one order: which event may follow which status, and what it leaves.

`denied` is our own refusal, `rejected` the venue's. `unknown` means that a write got no answer: the order may or
may not exist, and stays so until the venue's records, an acknowledgement or a fill tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .errors import BadNumber, InvalidTransition
from .types import Fill, Money, OrderIntent, Price, Quantity, Side, Ticker


class OrderStatus(StrEnum):
    """Our order states; the venue's words are mapped onto them by `TrackedOrder.apply_venue_state`."""

    INITIALIZED = "initialized"
    DENIED = "denied"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class OrderEventKind(StrEnum):
    """What can happen to an order. `lose`: a write timed out. `not_found`: the venue has no such order."""

    DENY = "deny"
    SUBMIT = "submit"
    ACCEPT = "accept"
    REJECT = "reject"
    FILL = "fill"
    REQUEST_CANCEL = "request_cancel"
    CANCEL_REJECT = "cancel_reject"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LOSE = "lose"
    NOT_FOUND = "not_found"


TERMINAL_STATUSES = frozenset(
    {
        OrderStatus.DENIED,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
    }
)
OPEN_STATUSES = frozenset(
    {
        OrderStatus.SUBMITTED,
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.UNKNOWN,
    }
)

_S = OrderStatus
_K = OrderEventKind

# A fill is not in this table: where it leads depends on what remains. A repeated event of the same meaning keeps
# the status, because acknowledgement, private feed and REST each report it.
TRANSITIONS: dict[OrderStatus, dict[OrderEventKind, OrderStatus]] = {
    _S.INITIALIZED: {_K.DENY: _S.DENIED, _K.SUBMIT: _S.SUBMITTED},
    _S.DENIED: {},
    _S.SUBMITTED: {
        _K.ACCEPT: _S.ACCEPTED,
        _K.REJECT: _S.REJECTED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.ACCEPTED: {
        _K.ACCEPT: _S.ACCEPTED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.PARTIALLY_FILLED: {
        _K.ACCEPT: _S.PARTIALLY_FILLED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.PENDING_CANCEL: {
        _K.ACCEPT: _S.PENDING_CANCEL,
        _K.REJECT: _S.REJECTED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL_REJECT: _S.UNKNOWN,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.UNKNOWN: {
        _K.ACCEPT: _S.ACCEPTED,
        _K.REJECT: _S.REJECTED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL_REJECT: _S.UNKNOWN,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
        _K.NOT_FOUND: _S.REJECTED,
    },
    _S.FILLED: {
        _K.ACCEPT: _S.FILLED,
        _K.CANCEL_REJECT: _S.FILLED,
        _K.REQUEST_CANCEL: _S.FILLED,
        _K.CANCEL: _S.FILLED,
        _K.LOSE: _S.FILLED,
    },
    _S.CANCELED: {
        _K.ACCEPT: _S.CANCELED,
        _K.CANCEL_REJECT: _S.CANCELED,
        _K.REQUEST_CANCEL: _S.CANCELED,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.CANCELED,
        _K.LOSE: _S.CANCELED,
    },
    _S.REJECTED: {_K.REJECT: _S.REJECTED, _K.NOT_FOUND: _S.REJECTED},
    _S.EXPIRED: {
        _K.ACCEPT: _S.EXPIRED,
        _K.CANCEL_REJECT: _S.EXPIRED,
        _K.REQUEST_CANCEL: _S.EXPIRED,
        _K.CANCEL: _S.EXPIRED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.EXPIRED,
    },
}

# Where a fill leaves an order with something remaining. A fill may come before the acknowledgement and after a
# cancel was acknowledged; a fill of an order the venue is said not to have proves that saying wrong.
PARTIAL_FILL: dict[OrderStatus, OrderStatus] = {
    _S.SUBMITTED: _S.PARTIALLY_FILLED,
    _S.ACCEPTED: _S.PARTIALLY_FILLED,
    _S.PARTIALLY_FILLED: _S.PARTIALLY_FILLED,
    _S.PENDING_CANCEL: _S.PENDING_CANCEL,
    _S.UNKNOWN: _S.PARTIALLY_FILLED,
    _S.CANCELED: _S.CANCELED,
    _S.EXPIRED: _S.EXPIRED,
    _S.REJECTED: _S.UNKNOWN,
}


def transition(status: OrderStatus, kind: OrderEventKind, *, remaining_after: Quantity | None = None) -> OrderStatus:
    """Status after an event; `remaining_after` (quantity - filled) is needed for a fill.

    Raises `InvalidTransition` for a pair that cannot happen, `BadNumber` for a fill with less than nothing left.
    """
    if kind is not OrderEventKind.FILL:
        after = TRANSITIONS[status].get(kind)
        if after is None:
            raise InvalidTransition(f"{kind} cannot follow {status}")
        return after
    if status not in PARTIAL_FILL:
        raise InvalidTransition(f"{kind} cannot follow {status}")
    if remaining_after is None or remaining_after < 0:
        raise BadNumber(f"fill leaves {remaining_after} remaining")
    return PARTIAL_FILL[status] if remaining_after else OrderStatus.FILLED


@dataclass(slots=True)
class TrackedOrder:
    """One order of ours as all its reports together show it.

    `quantity` is what was asked for, `filled` counts each `trade_id` once, `reported_filled` is the highest
    figure the venue gave (above `filled` while fills are still on their way). Methods return True where they
    changed something.
    """

    client_order_id: str
    ticker: Ticker
    side: Side
    price: Price
    quantity: Quantity
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
        return cls(intent.client_order_id, intent.ticker, intent.side, intent.price, intent.quantity)

    @property
    def remaining(self) -> Quantity:
        """What may still rest or fill: nothing once terminal, else quantity less all known fills."""
        return 0 if self.status in TERMINAL_STATUSES else self._unfilled

    @property
    def canceled_quantity(self) -> Quantity:
        """What left the book unfilled, so far as the fills are known."""
        return self._unfilled if self.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED) else 0

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
        self._check_amounts(filled, remaining)
        self._identify(order_id)
        changed = self.apply(OrderEventKind.ACCEPT)
        self._report(filled)
        if remaining == 0 and filled < self.quantity and self.is_open:
            changed = self.apply(OrderEventKind.CANCEL, "immediate order ended") or changed
        return changed

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

        What it says was neither left nor yet counted as filled becomes `missing_fills`.
        """
        if reduced_by is not None:
            self._check_amounts(0, reduced_by)
        changed = self.apply(OrderEventKind.CANCEL, reason)
        if reduced_by is not None:
            self._report(self.quantity - reduced_by)
        return changed

    def apply_venue_state(
        self, status_word: str, filled: Quantity, remaining: Quantity, reason: str | None = None
    ) -> bool:
        """The venue's record of the order: `resting`, `canceled` or `executed`.

        An old record never moves a terminal order back, except one we took for rejected that turns out to
        exist. A word we do not know makes an open order `unknown`: something may still rest. Raises `BadNumber`
        for amounts that do not fit the order, `InvalidTransition` for one that was never sent.
        """
        self._check_amounts(filled, remaining)
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

    def _check_amounts(self, filled: Quantity, remaining: Quantity) -> None:
        if min(filled, remaining) < 0 or filled + remaining > self.quantity:
            raise BadNumber(f"order {self.client_order_id}: {filled} filled and {remaining} remaining")
