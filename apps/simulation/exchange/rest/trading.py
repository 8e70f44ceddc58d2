"""Order writes, V2 only (Kalshi docs: create, amend, decrease and cancel order V2, batches)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.engine.decimals import format_quantity, parse_price, parse_quantity
from apps.engine.errors import BadNumber
from apps.engine.types import OrderIntent, Price, Quantity, SelfTradePrevention, Side, TimeInForce
from apps.simulation.exchange.changes import Amendment, amend_order, cancel_all, cancel_order, decrease_order
from apps.simulation.exchange.entry import create_order
from apps.simulation.exchange.orders import Order
from apps.simulation.exchange.refusals import Refusal, invalid_parameters, not_found, refused
from apps.simulation.exchange.render import created
from apps.simulation.exchange.throttle import CANCEL_COST, DEFAULT_COST

from .bodies import (
    AMEND_FIELDS,
    CANCEL_FIELDS,
    DECREASE_FIELDS,
    ORDER_FIELDS,
    count_items,
    decode_list,
    decode_typed,
    own_subaccount,
    require,
)
from .call import Call, Reply

_V2_DOCS = "https://docs.kalshi.com/api-reference/orders/create-order-v2"
_AUTO = -1
_MAX_QUANTITY = 10**12
_MAX_EXPIRY_S = 253_402_300_799


def _price(text: str) -> Price:
    try:
        return parse_price(text)
    except BadNumber:
        raise refused(400, "invalid_price") from None


def _quantity(text: str, name: str = "count") -> Quantity:
    try:
        quantity = parse_quantity(text)
    except BadNumber:
        raise invalid_parameters(name) from None
    if not 0 < quantity <= _MAX_QUANTITY:
        raise refused(400, "invalid_order_size")
    return quantity


def _enum(kind: Callable[[str], Any], value: str, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise invalid_parameters(name) from None


def order_intent(body: dict[str, Any]) -> OrderIntent:
    """A create request as an intent. Raises `Refusal` for what is missing or out of its set."""
    require(body, "ticker", "side", "count", "price", "time_in_force", "self_trade_prevention_type")
    own_subaccount(body.get("subaccount"), body.get("exchange_index"))
    expires = body.get("expiration_time")
    if expires is not None and not 0 < expires <= _MAX_EXPIRY_S:
        raise invalid_parameters("expiration_time")
    return OrderIntent(
        client_order_id=body.get("client_order_id", ""),
        ticker=body["ticker"],
        side=_enum(Side, body["side"], "side"),
        price=_price(body["price"]),
        quantity=_quantity(body["count"]),
        time_in_force=_enum(TimeInForce, body["time_in_force"], "time_in_force"),
        post_only=body.get("post_only", False),
        reduce_only=body.get("reduce_only", False),
        expires_at_s=expires,
        self_trade_prevention=_enum(
            SelfTradePrevention, body["self_trade_prevention_type"], "self_trade_prevention_type"
        ),
        order_group_id=body.get("order_group_id") or None,
        cancel_on_pause=body.get("cancel_order_on_pause", False),
    )


def _create(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    intent = order_intent(body)
    market = call.state.catalogue.markets.get(intent.ticker)
    if market is not None and body.get("exchange_index") not in (None, _AUTO, market.exchange_index):
        raise refused(404, "market_not_found")
    return created(create_order(call.state, call.owner, intent))


def create(call: Call) -> Reply:
    return 201, _create(call, decode_typed(call.request.body, ORDER_FIELDS, "CreateOrderV2Request"))


def _check_shard(call: Call, order_id: str, ticker: str | None, exchange_index: int | None) -> None:
    """An order is found on the shard named, or on its market's if that is named, else only on shard 0."""
    order = call.owner.orders.get(order_id)
    if order is None:
        return
    market = None if ticker is None else call.state.catalogue.markets.get(ticker)
    shard = exchange_index
    if shard in (None, _AUTO):
        shard = 0 if market is None else market.exchange_index
    if order.exchange_index != shard or ticker not in (None, order.ticker):
        raise not_found()


def create_batch(call: Call) -> Reply:
    """Items succeed or fail one by one, in order."""
    items = decode_list(call.request.body, "orders", ORDER_FIELDS, "BatchCreateOrdersV2Request")
    results: list[dict[str, Any]] = []
    for item in items:
        try:
            results.append(_create(call, item))
        except Refusal as refusal:
            result: dict[str, Any] = {"error": refusal.item}
            if item.get("client_order_id"):
                result["client_order_id"] = item["client_order_id"]
            results.append(result)
    return 201, {"orders": results}


def amend(call: Call) -> Reply:
    body = decode_typed(call.request.body, AMEND_FIELDS, "AmendOrderV2Request")
    require(body, "ticker", "side", "price", "count")
    own_subaccount(call.query.integer("subaccount"), body.get("exchange_index"))
    expires = body.get("expiration_time")
    if expires is not None and not 0 <= expires <= _MAX_EXPIRY_S:
        raise invalid_parameters("expiration_time")
    wanted = Amendment(
        ticker=body["ticker"],
        side=_enum(Side, body["side"], "side"),
        price=_price(body["price"]),
        quantity=_quantity(body["count"]),
        client_order_id=body.get("client_order_id"),
        updated_client_order_id=body.get("updated_client_order_id"),
        expires_at_s=expires,
    )
    return 200, created(amend_order(call.state, call.owner, call.parts["order_id"], wanted))


def decrease(call: Call) -> Reply:
    body = decode_typed(call.request.body, DECREASE_FIELDS, "DecreaseOrderV2Request")
    own_subaccount(call.query.integer("subaccount"), body.get("exchange_index"))
    _check_shard(call, call.parts["order_id"], body.get("market_ticker"), body.get("exchange_index"))
    by, to = body.get("reduce_by"), body.get("reduce_to")
    order = decrease_order(
        call.state,
        call.owner,
        call.parts["order_id"],
        reduce_by=None if by is None else _quantity(by, "reduce_by"),
        reduce_to=None if to is None else _reduce_to(to),
    )
    return 200, _decreased(order)


def _reduce_to(text: str) -> Quantity:
    return 0 if text.strip("0.") == "" and text else _quantity(text, "reduce_to")


def _decreased(order: Order) -> dict[str, Any]:
    body: dict[str, Any] = {"order_id": order.order_id}
    if order.client_order_id:
        body["client_order_id"] = order.client_order_id
    return body | {"remaining_count": format_quantity(order.remaining), "ts_ms": order.updated_us // 1000}


def cancel(call: Call) -> Reply:
    exchange_index = call.query.integer("exchange_index")
    own_subaccount(call.query.integer("subaccount"), exchange_index)
    order_id = call.parts["order_id"]
    _check_shard(call, order_id, call.query.text("market_ticker"), exchange_index)
    reduced = cancel_order(call.state, call.owner, order_id)
    return 200, _canceled(order_id, reduced, call.now_us)


def _canceled(order_id: str, reduced: Quantity, now_us: int) -> dict[str, Any]:
    return {"order_id": order_id, "reduced_by": format_quantity(reduced), "ts_ms": now_us // 1000}


def cancel_batch(call: Call) -> Reply:
    items = decode_list(call.request.body, "orders", CANCEL_FIELDS, "BatchCancelOrdersV2Request")
    results: list[dict[str, Any]] = []
    for item in items:
        order_id = item.get("order_id", "")
        try:
            own_subaccount(item.get("subaccount"), item.get("exchange_index"))
            _check_shard(call, order_id, item.get("market_ticker"), item.get("exchange_index"))
            reduced = cancel_order(call.state, call.owner, order_id)
            results.append(_canceled(order_id, reduced, call.now_us))
        except Refusal as refusal:
            results.append({"order_id": order_id, "reduced_by": "0.00", "error": refusal.item})
    return 200, {"orders": results}


def cancel_everything(call: Call) -> Reply:
    own_subaccount(call.query.integer("subaccount"))
    cancel_all(call.state, call.owner)
    return 204, None


def retired(call: Call) -> Reply:
    """The writes of the first order API."""
    del call
    raise refused(410, "deprecated_v1_order_endpoint", _V2_DOCS, message="Please switch to the V2 endpoints")


def batch_create_cost(body: bytes) -> int:
    return DEFAULT_COST * count_items(body, "orders")


def batch_cancel_cost(body: bytes) -> int:
    return CANCEL_COST * count_items(body, "orders")
