"""Order writes, V2 only. None is ever sent twice; every create carries our client_order_id.

Cancel and decrease name the market as well, because a bare order id is looked up on shard 0 only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.engine.decimals import format_price, format_quantity
from apps.engine.ports import AmendAck, CancelAck, DecreaseAck, OrderAck, OrderChange
from apps.engine.types import ONE_DOLLAR, OrderIntent, Price, Quantity, Ticker, TimeInForce
from apps.gateway.errors import GatewayError, IdentityMismatch, RequestRefused, UndecodableReply
from apps.gateway.kalshi import batch_replies
from apps.gateway.kalshi import bodies as b
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.limits import BATCH, ONE_ORDER, ORDERS
from apps.gateway.kalshi.transport import Call, RestTransport, must_match


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


def amend_body(change: OrderChange) -> dict[str, Any]:
    """The wire form of a change. Raises `RequestRefused`, also for an expiry of 0, which would clear the expiry."""
    check_terms(change.price, change.total)
    if change.expires_at_s is not None and change.expires_at_s <= 0:
        raise RequestRefused(f"an order may not lose its expiry: expires_at_s {change.expires_at_s}")
    optional = {"client_order_id": change.client_order_id or None, "expiration_time": change.expires_at_s}
    return {
        "ticker": change.ticker,
        "side": change.side.value,
        "price": format_price(change.price),
        "count": format_quantity(change.total),
        **{name: value for name, value in optional.items() if value is not None},
    }


class OrderEndpoints(RestTransport):
    """Raises `VenueRejected` (proved refusal), `Retryable` (never arrived), `OutcomeUnknown` (reconcile)."""

    async def create_order(self, intent: OrderIntent, *, exchange_index: int | None = None) -> OrderAck:
        body = create_body(intent, exchange_index=exchange_index)
        call = Call(
            "POST", ORDERS, body=body, shard=exchange_index or 0, orders_in=(intent.ticker,),
            creates=(intent.client_order_id,),
        )  # fmt: skip
        reply = await self.call(p.OrderReply, call)
        if not reply.client_order_id:
            raise IdentityMismatch(
                f"create of {intent.client_order_id}: the reply does not say which order it is about"
            )
        must_match("create", intent.client_order_id, reply.client_order_id)
        return _plausible(intent, reply.to_engine(intent.client_order_id))

    async def cancel_order(self, order_id: str, ticker: Ticker, *, exchange_index: int | None = None) -> CancelAck:
        """`OrderNotFound` means "not resting", which includes filled."""
        params = {"market_ticker": ticker, "exchange_index": exchange_index}
        call = Call("DELETE", ONE_ORDER, {"order_id": order_id}, params, priority=True, shard=exchange_index or 0)
        reply = await self.call(p.CancelReply, call)
        must_match("cancel", order_id, reply.order_id)
        return reply.to_engine()

    async def cancel_all_orders(self) -> None:
        """All shards and sub-accounts. Asynchronous: orders of the following minute may be hit as well."""
        await self.call(b.Empty, Call("DELETE", ORDERS, priority=True))

    async def amend_order(self, change: OrderChange) -> AmendAck:
        """Price changes and increases lose the queue place; the amended order may cross and fill."""
        call = Call(
            "POST", ONE_ORDER + "/amend", {"order_id": change.order_id}, body=amend_body(change),
            orders_in=(change.ticker,),
        )  # fmt: skip
        reply = await self.call(p.AmendReply, call)
        must_match("amend", change.order_id, reply.order_id)
        if change.client_order_id:
            must_match("amend", change.client_order_id, reply.client_order_id)
        if int(reply.fill_count or 0) + int(reply.remaining_count or 0) > change.total:
            raise UndecodableReply(f"amend of {change.order_id}: the reply speaks of more than was asked for")
        return reply.to_engine()

    async def decrease_order(self, order_id: str, ticker: Ticker, *, reduce_to: Quantity) -> DecreaseAck:
        """Shrink what rests to `reduce_to`; the order keeps its queue place. 0 is a cancel: ask for that instead."""
        if reduce_to <= 0:
            raise RequestRefused(f"reduce_to {reduce_to} is not above zero")
        body = {"reduce_to": format_quantity(reduce_to), "market_ticker": ticker}
        call = Call("POST", ONE_ORDER + "/decrease", {"order_id": order_id}, body=body)
        reply = await self.call(p.DecreaseReply, call)
        must_match("decrease", order_id, reply.order_id)
        if reply.remaining_count > reduce_to:
            raise UndecodableReply(f"decrease of {order_id}: {reply.remaining_count} still rest of {reduce_to} wanted")
        return reply.to_engine()

    async def create_orders(self, intents: Sequence[OrderIntent]) -> list[OrderAck | GatewayError]:
        """A batch, one result per intent in order. Not atomic; needs all its tokens at once."""
        if not intents:
            return []
        body = {"orders": [create_body(intent) for intent in intents]}
        tickers = tuple({intent.ticker: None for intent in intents})
        creates = tuple(intent.client_order_id for intent in intents)
        call = Call("POST", BATCH, body=body, items=len(intents), orders_in=tickers, creates=creates)
        return batch_replies.created(intents, (await self.call(b.BatchCreateReply, call)).orders)

    async def cancel_orders(self, orders: Sequence[tuple[str, Ticker]]) -> list[CancelAck | GatewayError]:
        """A batch cancel (DELETE with a body) of (order id, market) pairs, one result per pair in order."""
        if not orders:
            return []
        body = {"orders": [{"order_id": order_id, "market_ticker": ticker} for order_id, ticker in orders]}
        call = Call("DELETE", BATCH, body=body, items=len(orders), priority=True)
        return batch_replies.canceled(orders, (await self.call(b.BatchCancelReply, call)).orders)


def _plausible(intent: OrderIntent, ack: OrderAck) -> OrderAck:
    if ack.filled + ack.remaining > intent.quantity:
        raise UndecodableReply(f"create of {intent.client_order_id}: the reply speaks of more than was ordered")
    return ack
