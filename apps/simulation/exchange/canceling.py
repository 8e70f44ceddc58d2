"""Ways an order leaves the book without a trade, and the order group's trigger."""

from __future__ import annotations

from collections.abc import Iterable

from apps.engine.decimals import format_quantity

from .groups import OrderGroup
from .orders import Order, OrderStatus, Reason
from .state import State


def close_order(state: State, order: Order, reason: Reason | None = None) -> int:
    """Cancel what rests of an order and return that quantity; the caller publishes the book."""
    reduced = _end(state, order, reason)
    state.note_order(order)
    return reduced


def _end(state: State, order: Order, reason: Reason | None) -> int:
    reduced = order.remaining
    if order.rest is not None:
        if order.rest.remaining:
            state.catalogue.markets[order.ticker].book.remove(order.rest)
        order.rest = None
    order.remaining = 0
    state.accounts[order.account_id].meter.canceled += 1
    order.status = OrderStatus.CANCELED
    order.reason = reason
    order.updated_us = state.clock.now_us()
    forget_resting(state, order)
    return reduced


def forget_resting(state: State, order: Order) -> None:
    """The order no longer binds cash and no longer belongs to its group."""
    state.accounts[order.account_id].resting.discard(order)
    group = state.groups.get(order.intent.order_group_id or "")
    if group is not None:
        group.orders.pop(order.order_id, None)


def close_orders(state: State, orders: Iterable[Order], reason: Reason | None = None) -> None:
    """Cancel many at once, then say so, order by order, and publish their books."""
    closed = list(orders)
    for order in closed:
        _end(state, order, reason)
    for order in closed:
        state.note_order(order)
    tickers = dict.fromkeys(order.ticker for order in closed)
    for ticker in tickers:
        state.publish_book(state.catalogue.markets[ticker])


def trigger_group(state: State, group: OrderGroup) -> None:
    """Cancel a group's orders and block it until it is reset."""
    group.triggered = True
    close_orders(state, group.orders.values())
    publish_group(state, group, "triggered")


def publish_group(state: State, group: OrderGroup, event_type: str) -> None:
    msg: dict[str, object] = {"event_type": event_type, "order_group_id": group.group_id}
    if event_type in ("created", "limit_updated"):
        msg["contracts_limit_fp"] = format_quantity(group.limit)
    msg["ts_ms"] = state.clock.now_us() // 1000
    state.log.group(group, deleted=event_type == "deleted")
    state.publisher.group_changed(group.account_id, msg)
