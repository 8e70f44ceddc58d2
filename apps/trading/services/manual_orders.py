"""Orders that a person asks for. A request is stored here; the session of the account sends it, at most once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import is_holder, require
from apps.core.wording import checked_words
from apps.engine.decimals import price_from_decimal, quantity_from_decimal
from apps.engine.errors import BadNumber
from apps.engine.exposure import NodeKey
from apps.engine.orders import TERMINAL_STATUSES, OrderStatus
from apps.engine.types import Price, Quantity, Side, TimeInForce
from apps.governance.services import audit_record
from apps.governance.services.attestations import attestation_require
from apps.governance.services.terms import terms_require
from apps.marketdata.exceptions import GridInvalid
from apps.marketdata.mapping import market_grid
from apps.marketdata.models import Market
from apps.risk.selectors import RiskRows
from apps.trading.choices import Environment, Permission, RequestState
from apps.trading.models import Account, Order, OrderRequest

PLACE, CANCEL = "trading.manual_order.place", "trading.manual_order.cancel"
MAX_OUTCOME = 300
_OPEN = (RequestState.PENDING, RequestState.TAKEN, RequestState.SENT)


class BadOrderRequest(Refused):
    """A value cannot be an order's; `extra["field"]` names it."""

    code = "bad_order_request"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person filled in. Price in dollars, quantity in contracts."""

    market: Market
    side: str
    price: Decimal
    quantity: Decimal
    time_in_force: str = TimeInForce.GOOD_TILL_CANCELED.value
    post_only: bool = False
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class AskedOrder:
    """An open request in engine units, for the session. `order_status` is None until an order of it is stored."""

    pk: int
    ticker: str
    market_id: int
    side: Side
    price: Price
    quantity: Quantity
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    user_id: int
    username: str
    requested_at: datetime
    state: RequestState
    wants_cancel: bool
    client_order_id: str | None
    order_status: OrderStatus | None
    order_outcome: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether the session may send a request now; if not, `reason` says why. `restrictions` go into the gate."""

    may_send: bool
    reason: str = ""
    restrictions: tuple[str, ...] = ()


def order_request_place(
    *, account: Account, wanted: Wanted, reason: str, no_inside_information: bool, actor: User, now: datetime
) -> OrderRequest:
    """Stores the request; the session takes it within about a second and denies what the gate denies.

    Raises `NotPermitted`, `TermsNotAcknowledged`, `AttestationMissing` (live only), `BadOrderRequest`, `BannedWord`,
    and `Refused` without the confirmation or a reason.
    """
    require(actor, Permission.PLACE_ORDER.full)
    terms_require(actor, now=now)
    if account.environment == Environment.LIVE:
        attestation_require(actor, now=now)
    if not no_inside_information:
        raise Refused("Confirm that you know nothing that is not public", code="not_attested")
    reason = checked_words(reason.strip())
    if not reason:
        raise Refused("An order by hand says why", code="no_reason", extra={"field": "reason"})
    _check(wanted)
    with transaction.atomic():
        row = OrderRequest.objects.create(
            account=account,
            market=wanted.market,
            side=wanted.side,
            price=wanted.price,
            quantity=wanted.quantity,
            time_in_force=wanted.time_in_force,
            post_only=wanted.post_only,
            reduce_only=wanted.reduce_only,
            reason=reason,
            no_inside_information=no_inside_information,
            requested_by=actor,
            requested_at=now,
        )
        audit_record(
            actor=actor,
            action=PLACE,
            obj_type=OrderRequest._meta.label,
            obj_id=row.pk,
            after={
                "account": account.name,
                "market": wanted.market.ticker,
                "side": wanted.side,
                "price": str(wanted.price),
                "quantity": str(wanted.quantity),
                "time_in_force": wanted.time_in_force,
                "no_inside_information": True,
            },
            reason=reason,
            now=now,
        )
    return row


def order_request_cancel(*, request_id: int, actor: User, now: datetime, reason: str = "") -> OrderRequest:
    """Ends a request that was not taken yet; otherwise the session is asked to take its order off.

    Raises `NotPermitted`, and `Refused` for one that has ended.
    """
    require(actor, Permission.PLACE_ORDER.full)
    with transaction.atomic():
        row = OrderRequest.objects.select_for_update().get(pk=request_id)
        if row.state not in _OPEN:
            raise Refused(f"Order request {row.pk} has ended: {row.outcome}", code="has_ended")
        row.cancel_requested_at = row.cancel_requested_at or now
        if row.state == RequestState.PENDING:
            row.state, row.outcome, row.handled_at = RequestState.DONE, "canceled before it was sent", now
        row.save(update_fields=["cancel_requested_at", "state", "outcome", "handled_at"])
        audit_record(
            actor=actor, action=CANCEL, obj_type=OrderRequest._meta.label, obj_id=row.pk,
            after={"state": row.state}, reason=reason, now=now,
        )  # fmt: skip
    return row


def _check(wanted: Wanted) -> None:
    try:
        Side(wanted.side)
    except ValueError:
        raise _bad("side", f"neither bid nor ask: {wanted.side!r:.20}") from None
    try:
        time_in_force = TimeInForce(wanted.time_in_force)
    except ValueError:
        raise _bad("time_in_force", f"not one of the exchange's: {wanted.time_in_force!r:.30}") from None
    if wanted.post_only and time_in_force is not TimeInForce.GOOD_TILL_CANCELED:
        raise _bad("post_only", "an order that takes at once cannot be post-only")
    try:
        if price_from_decimal(wanted.price) not in market_grid(wanted.market):
            raise _bad("price", f"{wanted.price} is not on the market's price grid")
    except (BadNumber, GridInvalid) as error:
        raise _bad("price", str(error)) from error
    try:
        quantity = quantity_from_decimal(wanted.quantity)
    except BadNumber as error:
        raise _bad("quantity", str(error)) from error
    if quantity <= 0:
        raise _bad("quantity", "not above zero")


def _bad(field: str, problem: str) -> BadOrderRequest:
    return BadOrderRequest(f"{field}: {problem}", extra={"field": field})


def requests_open(*, account_id: int) -> list[AskedOrder]:
    """For the session: requests that have not ended, the oldest first."""
    rows = OrderRequest.objects.filter(account_id=account_id, state__in=_OPEN)
    if not rows.exists():  # nearly always, and a fraction of the cost of the joins below
        return []
    return [_asked(row) for row in rows.select_related("market", "order", "requested_by").order_by("id")]


def _asked(row: OrderRequest) -> AskedOrder:
    order = row.order
    return AskedOrder(
        pk=row.pk,
        ticker=row.market.ticker,
        market_id=row.market_id,
        side=Side(row.side),
        price=price_from_decimal(row.price),
        quantity=quantity_from_decimal(row.quantity),
        time_in_force=TimeInForce(row.time_in_force),
        post_only=row.post_only,
        reduce_only=row.reduce_only,
        user_id=row.requested_by_id,
        username=row.requested_by.get_username(),
        requested_at=row.requested_at,
        state=RequestState(row.state),
        wants_cancel=row.cancel_requested_at is not None,
        client_order_id=order.client_order_id if order else None,
        order_status=OrderStatus(order.status) if order else None,
        order_outcome=order.outcome if order else "",
    )


def request_claim(*, pk: int, client_order_id: str, path: tuple[NodeKey, ...], now: datetime) -> Claim:
    """For the session: takes a waiting request over, once. The person must still have the right.

    A request whose order is stored already was sent or denied before, and is only tied to it.
    """
    with transaction.atomic():
        row = OrderRequest.objects.select_for_update().select_related("requested_by").get(pk=pk)
        if row.state != RequestState.PENDING:
            return Claim(False, f"the request is {row.state}")
        if Order.objects.filter(client_order_id=client_order_id).exists():
            request_settle(pk=pk, client_order_id=client_order_id, denial="", now=now)
            return Claim(False, "its order was stored before")
        if not row.requested_by.is_active or not is_holder(row.requested_by, Permission.PLACE_ORDER.full):
            reason = f"{row.requested_by.get_username()} may no longer place orders"
            request_settle(pk=pk, client_order_id=None, denial=reason, now=now)
            return Claim(False, reason)
        row.state = RequestState.TAKEN
        row.save(update_fields=["state"])
        return Claim(True, restrictions=RiskRows.load().restrictions_on(path, user_id=row.requested_by_id))


def request_settle(*, pk: int, client_order_id: str | None, denial: str, now: datetime) -> None:
    """What became of a request: tied to its stored order if there is one; denied with the reason if there is one."""
    order = Order.objects.filter(client_order_id=client_order_id).first() if client_order_id else None
    if order is None:
        state, outcome = RequestState.DENIED, denial or "it was not sent"
    elif order.status == OrderStatus.DENIED:
        state, outcome = RequestState.DENIED, order.outcome
    elif OrderStatus(order.status) in TERMINAL_STATUSES:
        state, outcome = RequestState.DONE, ended_text(order.status, order.outcome)
    else:
        state, outcome = RequestState.SENT, ""
    OrderRequest.objects.filter(pk=pk, state__in=_OPEN).update(
        state=state, order=order, outcome=outcome[:MAX_OUTCOME], handled_at=now
    )


def ended_text(status: str, outcome: str) -> str:
    """How the order of a request ended, for the person who asked for it."""
    return f"{status}: {outcome}" if outcome else str(status)
