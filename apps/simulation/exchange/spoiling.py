"""Answers gone wrong after the request took effect: about another order, cut, corrupt, or of another shape."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .faults import FaultKind
from .orders import Order

_NOT_IN_JSON = b"\x01"
STRANGER = "00000000-0000-4000-8000-000000000000"
"""The order such an answer is about when the account has no other."""


def spoiled_value(kind: FaultKind, value: Any, others: Sequence[Order], rng: random.Random) -> Any:
    """The answer with one thing in it changed; as it is for kinds that do not change values."""
    change = _CHANGES.get(kind)
    rows = list(_rows(value))
    if not rows or (change is None and kind is not FaultKind.OTHER_ORDER):
        return value
    value = copy.deepcopy(value)
    if change is not None:
        change(rng.choice(list(_rows(value))), rng)
    else:
        _about_another(value, others, rng)
    return value


def spoiled_bytes(kind: FaultKind, payload: bytes, rng: random.Random) -> bytes:
    """A cut or corrupt body. Corruption is always visible: no byte of it can stand in JSON."""
    if len(payload) < 2:
        return payload
    at = rng.randrange(1, len(payload))
    if kind is FaultKind.CUT:
        return payload[:at]
    if kind is FaultKind.CORRUPT:
        return payload[:at] + _NOT_IN_JSON + payload[at + 1 :]
    return payload


def _rows(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the answer that has fields, outermost first."""
    if isinstance(value, dict):
        if value:
            yield value
        for inner in value.values():
            yield from _rows(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _rows(inner)


def _about_another(value: Any, others: Sequence[Order], rng: random.Random) -> None:
    """The first order named becomes another of the account, the newest included, or a stranger."""
    named = [row for row in _rows(value) if "order_id" in row]
    if not named:
        return
    row = named[0]
    candidates = [o for o in others if o.order_id != row["order_id"]]
    other = rng.choice(candidates) if candidates else None
    row["order_id"] = STRANGER if other is None else other.order_id
    if "client_order_id" in row:
        row["client_order_id"] = "stranger" if other is None else other.client_order_id


def _add_field(row: dict[str, Any], rng: random.Random) -> None:
    row[f"new_field_{rng.randrange(100)}"] = {"values": [1, None, "x"]}


def _drop_field(row: dict[str, Any], rng: random.Random) -> None:
    del row[rng.choice(list(row))]


def _rename_field(row: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(list(row))
    row[f"{name}_v3"] = row.pop(name)


_CHANGES: dict[FaultKind, Callable[[dict[str, Any], random.Random], None]] = {
    FaultKind.UNKNOWN_FIELD: _add_field,
    FaultKind.MISSING_FIELD: _drop_field,
    FaultKind.RENAMED_FIELD: _rename_field,
}
