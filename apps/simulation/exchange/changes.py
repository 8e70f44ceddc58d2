"""Amending, decreasing and canceling an account's own orders."""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.engine.types import Price, Quantity, Side

from .accounts import Account
from .canceling import close_order, close_orders
from .entry import check_client_order_id, check_expiration, check_funds, check_open, run_taker, taker_of
from .markets import Market
from .orders import Order, OrderStatus, Reason
from .refusals import invalid_parameters, not_found, refused
from .state import State


@dataclass(frozen=True, slots=True)
class Amendment:
    """`quantity` counts what has filled. `expires_at_s`: None keeps the expiry, 0 clears it."""

    ticker: str
    side: Side
    price: Price
    quantity: Quantity
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expires_at_s: int | None = None


def resting_order(state: State, account: Account, order_id: str) -> Order:
    """The account's order if it rests; the same 404 whether it is unknown, canceled or executed."""
    order = account.orders.get(order_id)
    if order is None or order.status is not OrderStatus.RESTING:
        raise not_found()
    return order


def amend_order(state: State, account: Account, order_id: str, wanted: Amendment) -> Order:
    """Change price, size or expiry. The place is kept unless the price changes or the size grows."""
    order = resting_order(state, account, order_id)
    market = state.catalogue.markets[order.ticker]
    _check_identity(order, wanted)
    check_open(state, market)
    if wanted.price not in market.grid:
        raise refused(400, "invalid_price")
    remaining = wanted.quantity - order.filled
    if remaining <= 0:
        raise refused(400, "invalid_order_size", "count must exceed what has already filled")
    if wanted.expires_at_s:
        check_expiration(state, wanted.expires_at_s)
    if wanted.updated_client_order_id and wanted.updated_client_order_id != order.client_order_id:
        check_client_order_id(account, wanted.updated_client_order_id)
    moves = wanted.price != order.price or remaining > order.remaining
    if moves:
        _check_move(account, market, order, wanted.price, remaining)
    _apply_names(state, account, order, wanted)
    order.initial, order.reason = wanted.quantity, Reason.AMEND
    order.updated_us = state.clock.now_us()
    if moves:
        _requeue(state, market, order, wanted.price, remaining)
    else:
        _shrink(state, market, order, remaining)
    return order


def _check_identity(order: Order, wanted: Amendment) -> None:
    if wanted.ticker != order.ticker:
        raise refused(400, "order_ticker_mismatch")
    if wanted.side is not order.side:
        raise refused(400, "order_side_mismatch")
    if wanted.client_order_id and wanted.client_order_id != order.client_order_id:
        raise refused(400, "order_id_and_client_order_id_mismatch")


def _check_move(account: Account, market: Market, order: Order, price: Price, remaining: Quantity) -> None:
    taker = replace(taker_of(order, remaining), limit=price)
    if order.intent.post_only and market.book.fillable(taker):
        raise refused(400, "invalid_order", "post only cross")
    check_funds(account, market, taker, without=order)


def _apply_names(state: State, account: Account, order: Order, wanted: Amendment) -> None:
    if wanted.updated_client_order_id:
        order.client_order_id = wanted.updated_client_order_id
        account.client_order_ids.add(wanted.updated_client_order_id)
    if wanted.expires_at_s is not None:
        order.expires_at_s = wanted.expires_at_s or None
        state.due_by(order.expires_at_s)


def _requeue(state: State, market: Market, order: Order, price: Price, remaining: Quantity) -> None:
    if order.rest is not None:
        market.book.remove(order.rest)
        order.rest = None
    account = state.accounts[order.account_id]
    account.resting.discard(order)
    order.price, order.remaining = price, remaining
    run_taker(state, market, order, taker_of(order, remaining))


def _shrink(state: State, market: Market, order: Order, remaining: Quantity) -> None:
    if order.rest is not None and remaining < order.remaining:
        market.book.reduce(order.rest, remaining)
    order.remaining = remaining
    state.note_order(order)
    state.publish_book(market)


def decrease_order(
    state: State,
    account: Account,
    order_id: str,
    *,
    reduce_by: Quantity | None,
    reduce_to: Quantity | None,
) -> Order:
    """Make an order smaller without losing its place; down to nothing cancels it."""
    order = resting_order(state, account, order_id)
    market = state.catalogue.markets[order.ticker]
    check_open(state, market)
    if (reduce_by is None) == (reduce_to is None):
        raise invalid_parameters("exactly one of reduce_by and reduce_to is required")
    remaining = reduce_to if reduce_to is not None else max(0, order.remaining - (reduce_by or 0))
    if not 0 <= remaining < order.remaining:
        raise refused(400, "invalid_order_size")
    if not remaining:
        close_order(state, order, Reason.DECREASE)
        state.publish_book(market)
        return order
    order.reason, order.updated_us = Reason.DECREASE, state.clock.now_us()
    _shrink(state, market, order, remaining)
    return order


def cancel_order(state: State, account: Account, order_id: str) -> Quantity:
    """Cancel one order and return what was still resting."""
    order = resting_order(state, account, order_id)
    market = state.catalogue.markets[order.ticker]
    check_open(state, market, canceling=True)
    reduced = close_order(state, order)
    state.publish_book(market)
    return reduced


def cancel_all(state: State, account: Account) -> None:
    """Cancel every order whose market lets it be canceled."""
    if not state.exchange_active:
        raise refused(409, "exchange_is_paused")
    close_orders(state, account.resting.values())
