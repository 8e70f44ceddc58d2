"""Client order ids that follow from what caused the order: the same cause always has the same id.

An order sent twice then meets the exchange's own refusal of a repeated id, and one whose answer was lost can be
looked up by an id that is computed again, not remembered. The parts:

- `order_key`: the account's random prefix, so that no other installation on the account makes the same ids
- a decision of a session: its fencing token and a running number, both hexadecimal
- a stored request: a kind of letters g to z (never a hexadecimal digit, hence never a token) and its row's key,
  with a step where one row leads to several orders

Ids have no dots (the exchange's batch endpoints refuse them) and at most 64 characters.
"""

from __future__ import annotations

import re

from .errors import BadNumber

MAX_LENGTH = 64
MAX_NUMBER = 2**64 - 1

_ORDER_KEY = re.compile(r"[A-Za-z0-9_]{1,20}", re.ASCII)
_KIND = re.compile(r"[g-z]{1,4}", re.ASCII)


class BadIntentId(BadNumber):
    """A part cannot be put into an id that is unique and that the exchange accepts."""


def intent_id(order_key: str, token: int, ordinal: int) -> str:
    """Id of the `ordinal`-th order a session decides on; `token` is its fencing token. Raises `BadIntentId`."""
    return f"{_key(order_key)}-{_number('token', token)}-{_number('ordinal', ordinal)}"


def request_id(order_key: str, kind: str, pk: int, step: int = 0) -> str:
    """Id of the order that a stored request leads to; `kind` and `pk` name its row. Raises `BadIntentId`.

    `step` counts further orders for the same row, such as the parts of an unwinding; the first has none.
    """
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise BadIntentId(f"kind of a request is not one to four letters g to z: {kind!r:.40}")
    first = f"{_key(order_key)}-{kind}-{_number('pk', pk)}"
    number = _number("step", step)
    return f"{first}-{number}" if step else first


def _key(order_key: str) -> str:
    if not isinstance(order_key, str) or not _ORDER_KEY.fullmatch(order_key):
        raise BadIntentId(f"order key is not 1 to 20 letters, digits or underscores: {order_key!r:.40}")
    return order_key


def _number(name: str, value: int) -> str:
    if type(value) is not int or not 0 <= value <= MAX_NUMBER:
        raise BadIntentId(f"{name} is not a whole number from 0 to 2^64 - 1: {value!r:.40}")
    return f"{value:x}"
