"""Order writes, V2 only. None is ever sent twice; every create carries our client_order_id.

Cancel and decrease name the market as well, because a bare order id is looked up on shard 0 only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.engine.decimals import format_price, format_quantity
from apps.engine.ports import CancelAck, OrderAck
from apps.engine.types import ONE_DOLLAR, OrderIntent, Price, Quantity, Side, Ticker, TimeInForce
from apps.gateway.errors import GatewayError, IdentityMismatch, RequestRefused, ServerFailed, UndecodableReply
from apps.gateway.kalshi import bodies as b
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.error_bodies import NO_VERDICT, ErrorBody, rejection
from apps.gateway.kalshi.limits import BATCH, ONE_ORDER, ORDERS
from apps.gateway.kalshi.transport import Call, RestTransport, must_match


@dataclass(frozen=True, slots=True)
class OrderRef:
    """An order by the venue's id, with the market that tells its shard."""

    order_id: str
    ticker: Ticker


@dataclass(frozen=True, slots=True)
class Amendment:
    """New terms of an order. `total` is what has filled already plus what shall rest."""

    order: OrderRef
    side: Side
    price: Price
    total: Quantity
    client_order_id: str | None = None
    updated_client_order_id: str | None = None


def check_client_order_id(client_order_id: str) -> None:
    """Refuse what the venue would refuse, or what could not be reconciled after a timeout."""
    if not client_order_id or "." in client_order_id:
        raise RequestRefused(f"client_order_id must be given and hold no dot: {client_order_id!r}")


def check_terms(price: Price, quantity: Quantity) -> None:
    if not 0 < price < ONE_DOLLAR:
        raise RequestRefused(f"price {price} ($0.0001) is not strictly between 0 and 1 dollar")
    if quantity <= 0:
        raise RequestRefused(f"quantity {quantity} (0.01 contract) is not above zero")


def create_body(intent: OrderIntent, *, exchange_index: int | None = None) -> dict[str, Any]:
    """The wire form of an intent; prices and counts are strings. Raises `RequestRefused`."""
    check_client_order_id(intent.client_order_id)
    check_terms(intent.price, intent.quantity)
    if intent.expires_at_s is not None and intent.time_in_force is not TimeInForce.GOOD_TILL_CANCELED:
        raise RequestRefused("an expiry goes only with good_till_canceled")
    if intent.reduce_only and intent.time_in_force is not TimeInForce.IMMEDIATE_OR_CANCEL:
        raise RequestRefused("reduce_only goes only with immediate_or_cancel")
    optional = {
        "expiration_time": intent.expires_at_s,
        "order_group_id": intent.order_group_id,
        "exchange_index": exchange_index,
        "reduce_only": True if intent.reduce_only else None,
    }
    return {
        "ticker": intent.ticker,
        "client_order_id": intent.client_order_id,
        "side": intent.side.value,
        "count": format_quantity(intent.quantity),
        "price": format_price(intent.price),
        "time_in_force": intent.time_in_force.value,
        "self_trade_prevention_type": intent.self_trade_prevention.value,
        "post_only": intent.post_only,
        "cancel_order_on_pause": intent.cancel_on_pause,
        **{name: value for name, value in optional.items() if value is not None},
    }


class OrderEndpoints(RestTransport):
    """Raises `VenueRejected` (proved refusal), `Retryable` (never arrived), `OutcomeUnknown` (reconcile)."""

    async def create_order(self, intent: OrderIntent, *, exchange_index: int | None = None) -> OrderAck:
        body = create_body(intent, exchange_index=exchange_index)
        reply = await self.call(p.OrderReply, Call("POST", ORDERS, body=body))
        must_match("create", intent.client_order_id, reply.client_order_id)
        return _plausible(intent, reply.to_engine(intent.client_order_id))

    async def cancel_order(self, order: OrderRef, *, exchange_index: int | None = None) -> CancelAck:
        """`OrderNotFound` means "not resting", which includes filled."""
        params = {"market_ticker": order.ticker, "exchange_index": exchange_index}
        call = Call("DELETE", ONE_ORDER, {"order_id": order.order_id}, params, priority=True)
        reply = await self.call(p.CancelReply, call)
        must_match("cancel", order.order_id, reply.order_id)
        return reply.to_engine()

    async def cancel_all_orders(self) -> None:
        """All shards and sub-accounts. Asynchronous: orders of the following minute may be hit as well."""
        await self.call(b.Empty, Call("DELETE", ORDERS, priority=True))

    async def amend_order(self, change: Amendment) -> p.AmendReply:
        """Price changes and increases lose the queue place; the amended order may cross and fill."""
        check_terms(change.price, change.total)
        for client_id in (change.client_order_id, change.updated_client_order_id):
            if client_id is not None:
                check_client_order_id(client_id)
        optional = {
            "client_order_id": change.client_order_id,
            "updated_client_order_id": change.updated_client_order_id,
        }
        body = {
            "ticker": change.order.ticker,
            "side": change.side.value,
            "price": format_price(change.price),
            "count": format_quantity(change.total),
            **{name: value for name, value in optional.items() if value is not None},
        }
        call = Call("POST", ONE_ORDER + "/amend", {"order_id": change.order.order_id}, body=body)
        reply = await self.call(p.AmendReply, call)
        must_match("amend", change.order.order_id, reply.order_id)
        return reply

    async def decrease_order(self, order: OrderRef, *, reduce_by: Quantity) -> p.DecreaseReply:
        """Shrink a resting order; it keeps its queue place."""
        if reduce_by <= 0:
            raise RequestRefused(f"reduce_by {reduce_by} is not above zero")
        body = {"reduce_by": format_quantity(reduce_by), "market_ticker": order.ticker}
        call = Call("POST", ONE_ORDER + "/decrease", {"order_id": order.order_id}, body=body)
        reply = await self.call(p.DecreaseReply, call)
        must_match("decrease", order.order_id, reply.order_id)
        return reply

    async def create_orders(self, intents: Sequence[OrderIntent]) -> list[OrderAck | GatewayError]:
        """A batch, one result per intent in order. Not atomic; needs all its tokens at once."""
        if not intents:
            return []
        body = {"orders": [create_body(intent) for intent in intents]}
        call = Call("POST", BATCH, body=body, items=len(intents))
        reply = await self.call(b.BatchCreateReply, call)
        _same_length("batch create", len(intents), len(reply.orders))
        return [_created(intent, item) for intent, item in zip(intents, reply.orders, strict=True)]

    async def cancel_orders(self, orders: Sequence[OrderRef]) -> list[CancelAck | GatewayError]:
        """A batch cancel (DELETE with a body), one result per order in order."""
        if not orders:
            return []
        body = {"orders": [{"order_id": o.order_id, "market_ticker": o.ticker} for o in orders]}
        call = Call("DELETE", BATCH, body=body, items=len(orders), priority=True)
        reply = await self.call(b.BatchCancelReply, call)
        _same_length("batch cancel", len(orders), len(reply.orders))
        return [_canceled(order, item) for order, item in zip(orders, reply.orders, strict=True)]

    async def create_order_group(self, contracts_limit: int, *, exchange_index: int = 0) -> str:
        """`contracts_limit` whole contracts per rolling 15 s; returns the group's id."""
        if contracts_limit <= 0:
            raise RequestRefused(f"contracts_limit {contracts_limit} is not above zero")
        body = {"contracts_limit": contracts_limit, "exchange_index": exchange_index}
        reply = await self.call(p.OrderGroupCreated, Call("POST", "/portfolio/order_groups/create", body=body))
        return reply.order_group_id

    async def trigger_order_group(self, group_id: str) -> None:
        """Cancel the group's orders and block new ones until it is reset."""
        await self._group("PUT", "/trigger", group_id, priority=True)

    async def reset_order_group(self, group_id: str) -> None:
        await self._group("PUT", "/reset", group_id)

    async def delete_order_group(self, group_id: str) -> None:
        await self._group("DELETE", "", group_id, priority=True)

    async def _group(self, method: str, action: str, group_id: str, *, priority: bool = False) -> None:
        template = "/portfolio/order_groups/:group" + action
        body: dict[str, Any] | None = {} if method == "PUT" else None
        await self.call(b.Empty, Call(method, template, {"group": group_id}, body=body, priority=priority))


def _plausible(intent: OrderIntent, ack: OrderAck) -> OrderAck:
    if ack.filled + ack.remaining > intent.quantity:
        raise UndecodableReply(f"create of {intent.client_order_id}: the reply speaks of more than was ordered")
    return ack


def _same_length(what: str, sent: int, got: int) -> None:
    if sent != got:
        raise UndecodableReply(f"{what}: {sent} items sent, {got} results")


def _item_error(error: p.ItemError) -> GatewayError:
    if error.code.lower().startswith(NO_VERDICT):
        return ServerFailed(f"batch item: {error.code} {error.message}")
    return rejection(400, ErrorBody(error.code.lower(), error.message, error.details), about_order=True)


def _created(intent: OrderIntent, item: p.BatchCreateItem) -> OrderAck | GatewayError:
    if item.error is not None:
        return _item_error(item.error)
    if item.client_order_id and item.client_order_id != intent.client_order_id:
        return IdentityMismatch(f"batch item of {intent.client_order_id} names {item.client_order_id}")
    if not item.order_id or item.fill_count is None or item.remaining_count is None or item.ts_ms is None:
        return UndecodableReply(f"batch item of {intent.client_order_id} is incomplete")
    return OrderAck(item.order_id, intent.client_order_id, int(item.fill_count), int(item.remaining_count), item.ts_ms)


def _canceled(order: OrderRef, item: p.BatchCancelItem) -> CancelAck | GatewayError:
    if item.error is not None:
        return _item_error(item.error)
    if item.order_id and item.order_id != order.order_id:
        return IdentityMismatch(f"batch cancel of {order.order_id} names {item.order_id}")
    if item.reduced_by is None:
        return UndecodableReply(f"batch cancel of {order.order_id} does not say what was canceled")
    return CancelAck(order.order_id, int(item.reduced_by), item.ts_ms)
