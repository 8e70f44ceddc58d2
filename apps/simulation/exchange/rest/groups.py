"""Order groups, the exchange's own kill switch (Kalshi docs: order groups)."""

from __future__ import annotations

from typing import Any

from apps.engine.decimals import parse_quantity
from apps.engine.errors import BadNumber
from apps.engine.types import QUANTITY_SCALE, Quantity
from apps.simulation.exchange import render
from apps.simulation.exchange.canceling import close_orders, publish_group, trigger_group
from apps.simulation.exchange.groups import OrderGroup
from apps.simulation.exchange.refusals import invalid_parameters, not_found, refused

from .bodies import GROUP_FIELDS, decode_typed, own_subaccount
from .call import Call, Reply

_MAX_LIMIT = 1_000_000 * QUANTITY_SCALE


def _limit(body: dict[str, Any]) -> Quantity:
    whole, text = body.get("contracts_limit"), body.get("contracts_limit_fp")
    if whole is None and text is None:
        raise refused(400, "missing_parameters", "contracts_limit")
    try:
        exact = None if text is None else parse_quantity(text)
    except BadNumber:
        raise invalid_parameters("contracts_limit_fp") from None
    limit = whole * QUANTITY_SCALE if whole is not None else exact
    if exact is not None and exact != limit:
        raise invalid_parameters("contracts_limit and contracts_limit_fp differ")
    if limit is None or not QUANTITY_SCALE <= limit <= _MAX_LIMIT or limit % QUANTITY_SCALE:
        raise invalid_parameters("contracts_limit")
    return limit


def _own_group(call: Call) -> OrderGroup:
    group = call.state.groups.get(call.parts["group_id"])
    if group is None or group.account_id != call.owner.account_id:
        raise not_found()
    return group


def _cancelable_group(call: Call) -> OrderGroup:
    """A group whose orders can be canceled now, which an exchange pause forbids."""
    group = _own_group(call)
    if not call.state.exchange_active:
        raise refused(409, "exchange_is_paused")
    return group


def create(call: Call) -> Reply:
    body = decode_typed(call.request.body, GROUP_FIELDS, "CreateOrderGroupRequest")
    own_subaccount(body.get("subaccount"), body.get("exchange_index"))
    shard = max(0, body.get("exchange_index", 0))
    group = OrderGroup(call.state.new_id(), call.owner.account_id, _limit(body), exchange_index=shard)
    call.state.groups[group.group_id] = group
    publish_group(call.state, group, "created")
    return 201, {"order_group_id": group.group_id, "subaccount": 0, "exchange_index": shard}


def index(call: Call) -> Reply:
    own = [g for g in call.state.groups.values() if g.account_id == call.owner.account_id]
    return 200, {"order_groups": [{"id": g.group_id} | render.group(g) for g in own]}


def get(call: Call) -> Reply:
    group = _own_group(call)
    return 200, render.group(group) | {"orders": list(group.orders)}


def trigger(call: Call) -> Reply:
    trigger_group(call.state, _cancelable_group(call))
    return 200, {}


def reset(call: Call) -> Reply:
    group = _own_group(call)
    group.reset()
    publish_group(call.state, group, "reset")
    return 200, {}


def limit(call: Call) -> Reply:
    """A new limit; what the window already matched counts against it at once."""
    group = _cancelable_group(call)
    group.limit = _limit(decode_typed(call.request.body, GROUP_FIELDS, "UpdateOrderGroupLimitRequest"))
    publish_group(call.state, group, "limit_updated")
    matched = group.matched(call.now_us, call.exchange.config.group_window_us)
    if matched > group.limit and not group.triggered:
        trigger_group(call.state, group)
    return 200, {}


def delete(call: Call) -> Reply:
    group = _cancelable_group(call)
    close_orders(call.state, group.orders.values())
    del call.state.groups[group.group_id]
    publish_group(call.state, group, "deleted")
    return 200, {}
