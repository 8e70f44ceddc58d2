"""Which event may follow which order status, and where it leads.

`denied` is our own refusal, `rejected` the venue's. `unknown` means that a write got no answer: the order may or
may not exist, and stays so until the venue's records, an acknowledgement or a fill tell.
"""

from __future__ import annotations

from enum import StrEnum

from .errors import BadNumber, InvalidTransition
from .types import Quantity


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
    """What can happen to an order. `lose`: a write timed out. `not_found`: the venue has no such order.

    An amend never moves the status: it changes what rests, not whether it does.
    """

    DENY = "deny"
    SUBMIT = "submit"
    ACCEPT = "accept"
    REJECT = "reject"
    FILL = "fill"
    REQUEST_CANCEL = "request_cancel"
    CANCEL_REJECT = "cancel_reject"
    REQUEST_AMEND = "request_amend"
    AMEND = "amend"
    AMEND_REJECT = "amend_reject"
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
        _K.REQUEST_AMEND: _S.ACCEPTED,
        _K.AMEND: _S.ACCEPTED,
        _K.AMEND_REJECT: _S.ACCEPTED,
        _K.ACCEPT: _S.ACCEPTED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.PARTIALLY_FILLED: {
        _K.REQUEST_AMEND: _S.PARTIALLY_FILLED,
        _K.AMEND: _S.PARTIALLY_FILLED,
        _K.AMEND_REJECT: _S.PARTIALLY_FILLED,
        _K.ACCEPT: _S.PARTIALLY_FILLED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.PENDING_CANCEL: {
        _K.AMEND: _S.PENDING_CANCEL,
        _K.AMEND_REJECT: _S.PENDING_CANCEL,
        _K.ACCEPT: _S.PENDING_CANCEL,
        _K.REJECT: _S.REJECTED,
        _K.REQUEST_CANCEL: _S.PENDING_CANCEL,
        _K.CANCEL_REJECT: _S.UNKNOWN,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.EXPIRED,
        _K.LOSE: _S.UNKNOWN,
    },
    _S.UNKNOWN: {
        _K.AMEND: _S.UNKNOWN,
        _K.AMEND_REJECT: _S.UNKNOWN,
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
        _K.AMEND: _S.FILLED,
        _K.AMEND_REJECT: _S.FILLED,
        _K.ACCEPT: _S.FILLED,
        _K.CANCEL_REJECT: _S.FILLED,
        _K.REQUEST_CANCEL: _S.FILLED,
        _K.CANCEL: _S.FILLED,
        _K.LOSE: _S.FILLED,
    },
    _S.CANCELED: {
        _K.AMEND: _S.CANCELED,
        _K.AMEND_REJECT: _S.CANCELED,
        _K.ACCEPT: _S.CANCELED,
        _K.CANCEL_REJECT: _S.CANCELED,
        _K.REQUEST_CANCEL: _S.CANCELED,
        _K.CANCEL: _S.CANCELED,
        _K.EXPIRE: _S.CANCELED,
        _K.LOSE: _S.CANCELED,
    },
    _S.REJECTED: {_K.REJECT: _S.REJECTED, _K.NOT_FOUND: _S.REJECTED},
    _S.EXPIRED: {
        _K.AMEND: _S.EXPIRED,
        _K.AMEND_REJECT: _S.EXPIRED,
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
