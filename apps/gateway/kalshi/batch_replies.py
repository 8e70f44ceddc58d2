"""Batch answers matched to what was sent. An answer that could be another order's is never believed.

The venue answers in request order (Kalshi docs: batch create and cancel V2), but has been seen to answer about other
orders. So every answer must name its order, and once one answer stands in the wrong place no answer without a name is
taken as its place suggests. `IdentityMismatch` sends the caller to the venue's records, which is always safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from apps.engine.ports import CancelAck, OrderAck
from apps.engine.types import OrderIntent, Ticker
from apps.gateway.errors import GatewayError, IdentityMismatch, ServerFailed, UndecodableReply
from apps.gateway.kalshi.error_bodies import NO_VERDICT, ErrorBody, rejection
from apps.gateway.kalshi.portfolio_models import BatchCancelItem, BatchCreateItem, ItemError


def created(intents: Sequence[OrderIntent], items: Sequence[BatchCreateItem]) -> list[OrderAck | GatewayError]:
    """One result per intent. Raises `UndecodableReply` when the lengths differ."""
    _same_length("batch create", len(intents), len(items))
    is_scrambled = any(
        i.client_order_id not in (None, "", n.client_order_id) for n, i in zip(intents, items, strict=True)
    )
    repeated = _repeated(items)
    return [
        _strange(f"batch item of {intent.client_order_id}", intent.client_order_id, item.client_order_id, is_scrambled)
        or _created(intent, item, repeated)
        for intent, item in zip(intents, items, strict=True)
    ]


def canceled(orders: Sequence[tuple[str, Ticker]], items: Sequence[BatchCancelItem]) -> list[CancelAck | GatewayError]:
    """One result per order. Raises `UndecodableReply` when the lengths differ."""
    _same_length("batch cancel", len(orders), len(items))
    pairs = list(zip((order_id for order_id, _ in orders), items, strict=True))
    is_scrambled = any(item.order_id not in (None, "", order_id) for order_id, item in pairs)
    return [
        _strange(f"batch cancel of {order_id}", order_id, item.order_id, is_scrambled) or _canceled(order_id, item)
        for order_id, item in pairs
    ]


def _same_length(what: str, sent: int, got: int) -> None:
    if sent != got:
        raise UndecodableReply(f"{what}: {sent} items sent, {got} results")


def _strange(what: str, sent: str, got: str | None, is_scrambled: bool) -> IdentityMismatch | None:
    if got and got != sent:
        return IdentityMismatch(f"{what} names {got}")
    if not got and is_scrambled:
        return IdentityMismatch(f"{what} names no order, and other answers stand in the wrong place")
    return None


def _repeated(items: Sequence[BatchCreateItem]) -> set[str]:
    found = Counter(item.order_id for item in items if item.order_id)
    return {order_id for order_id, times in found.items() if times > 1}


def _item_error(error: ItemError) -> GatewayError:
    if error.code.lower().startswith(NO_VERDICT):
        return ServerFailed(f"batch item: {error.code} {error.message}")
    return rejection(400, ErrorBody(error.code.lower(), error.message, error.details), about_order=True)


def _created(intent: OrderIntent, item: BatchCreateItem, repeated: set[str]) -> OrderAck | GatewayError:
    what = f"batch item of {intent.client_order_id}"
    if item.error is not None:
        return _item_error(item.error)
    if not item.order_id or item.fill_count is None or item.remaining_count is None or item.ts_ms is None:
        return UndecodableReply(f"{what} is incomplete")
    if not item.client_order_id or item.order_id in repeated:
        return IdentityMismatch(f"{what}: {item.order_id} is not proved to be this order")
    if item.fill_count + item.remaining_count > intent.quantity:
        return UndecodableReply(f"{what}: the reply speaks of more than was ordered")
    return OrderAck(item.order_id, intent.client_order_id, int(item.fill_count), int(item.remaining_count), item.ts_ms)


def _canceled(order_id: str, item: BatchCancelItem) -> CancelAck | GatewayError:
    if item.error is not None:
        return _item_error(item.error)
    if not item.order_id:
        return IdentityMismatch(f"batch cancel of {order_id} names no order")
    if item.reduced_by is None:
        return UndecodableReply(f"batch cancel of {order_id} does not say what was canceled")
    return CancelAck(order_id, int(item.reduced_by), item.ts_ms)
