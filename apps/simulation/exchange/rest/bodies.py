"""Decoding request bodies as the exchange's Go server does, with its words for what does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from apps.simulation.exchange.markets import SHARDS
from apps.simulation.exchange.refusals import invalid_parameters, refused, undecodable

# Go types of the request fields, as its decoder names them.
STRING, INTEGER, BOOLEAN = "string", "int64", "bool"
MAX_BODY = 1 << 20

ORDER_FIELDS = {
    "ticker": STRING,
    "client_order_id": STRING,
    "side": STRING,
    "count": STRING,
    "price": STRING,
    "time_in_force": STRING,
    "self_trade_prevention_type": STRING,
    "expiration_time": INTEGER,
    "post_only": BOOLEAN,
    "reduce_only": BOOLEAN,
    "cancel_order_on_pause": BOOLEAN,
    "subaccount": INTEGER,
    "order_group_id": STRING,
    "exchange_index": INTEGER,
}
AMEND_FIELDS = {
    "ticker": STRING,
    "side": STRING,
    "price": STRING,
    "count": STRING,
    "client_order_id": STRING,
    "updated_client_order_id": STRING,
    "expiration_time": INTEGER,
    "exchange_index": INTEGER,
}
DECREASE_FIELDS = {
    "reduce_by": STRING,
    "reduce_to": STRING,
    "market_ticker": STRING,
    "exchange_index": INTEGER,
}
CANCEL_FIELDS = {
    "order_id": STRING,
    "subaccount": INTEGER,
    "exchange_index": INTEGER,
    "market_ticker": STRING,
}
GROUP_FIELDS = {
    "contracts_limit": INTEGER,
    "contracts_limit_fp": STRING,
    "subaccount": INTEGER,
    "exchange_index": INTEGER,
}


def _go_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return True
    if kind == STRING:
        return isinstance(value, str)
    if kind == BOOLEAN:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def decode_object(body: bytes, type_name: str) -> dict[str, Any]:
    """A JSON object; shape B otherwise."""
    if len(body) > MAX_BODY:
        raise refused(413, "request_too_large")
    if not body.strip():
        raise undecodable("EOF")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise undecodable(_syntax_details(body)) from None
    if not isinstance(value, dict):
        raise undecodable(f"json: cannot unmarshal {_go_kind(value)} into Go value of type {type_name}")
    return value


def _syntax_details(body: bytes) -> str:
    """Go names the offending character; the position is found with the standard decoder."""
    try:
        text = body.decode()
        json.loads(text)
    except json.JSONDecodeError as e:
        if e.pos >= len(text.rstrip()):
            return "unexpected end of JSON input"
        return f"invalid character {text[e.pos]!r} looking for beginning of value"
    except (UnicodeDecodeError, RecursionError):
        return "invalid character in request body"
    return "invalid JSON"


def check_types(value: Mapping[str, Any], fields: Mapping[str, str], type_name: str, prefix: str = "") -> None:
    """The first field of the wrong JSON type is refused in shape B; unknown fields are ignored."""
    for key, item in value.items():
        kind = fields.get(key)
        if kind is not None and not _fits(item, kind):
            raise undecodable(
                f"json: cannot unmarshal {_go_kind(item)} into Go struct field {type_name}.{prefix}{key} of type {kind}"
            )


def decode_typed(body: bytes, fields: Mapping[str, str], type_name: str) -> dict[str, Any]:
    """An object whose known fields have the right types, nulls dropped."""
    value = decode_object(body, type_name)
    check_types(value, fields, type_name)
    return {k: v for k, v in value.items() if v is not None}


def decode_list(body: bytes, key: str, fields: Mapping[str, str], type_name: str) -> list[dict[str, Any]]:
    """The list of objects of a batch request."""
    value = decode_object(body, type_name)
    items = value.get(key)
    if items is None or items == []:
        raise refused(400, "missing_parameters", f"{key} is required")
    if not isinstance(items, list):
        raise undecodable(
            f"json: cannot unmarshal {_go_kind(items)} into Go struct field {type_name}.{key} of type slice"
        )
    for item in items:
        if not isinstance(item, dict):
            raise undecodable(
                f"json: cannot unmarshal {_go_kind(item)} into Go struct field {type_name}.{key} of type struct"
            )
        check_types(item, fields, type_name, f"{key}.")
    return [{k: v for k, v in item.items() if v is not None} for item in items]


def count_items(body: bytes, key: str) -> int:
    """How many items a batch names, for billing; 1 when the body cannot be read."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return 1
    items = value.get(key) if isinstance(value, dict) else None
    return max(1, len(items)) if isinstance(items, list) else 1


def require(value: Mapping[str, Any], *keys: str) -> None:
    missing = [k for k in keys if value.get(k) in (None, "")]
    if missing:
        raise refused(400, "missing_parameters", ", ".join(missing))


def own_subaccount(subaccount: int | None, exchange_index: int | None = None) -> None:
    """The simulator has one sub-account; any other is unknown, as is a shard that nobody has."""
    if subaccount not in (None, 0):
        raise refused(404, "not_found", "subaccount")
    if exchange_index is not None and not -1 <= exchange_index < len(SHARDS):
        raise invalid_parameters("exchange_index")


def shard_of(body: bytes) -> int | None:
    """The shard a write names in its body; None when it names none or cannot be read."""
    if b"exchange_index" not in body:
        return None
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    shard = value.get("exchange_index") if isinstance(value, dict) else None
    return shard if isinstance(shard, int) else None
