"""Cursors: opaque, and a garbage one starts at the beginning, as on the exchange."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def encode_cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"n{number}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int | None:
    """The number inside, or None for a missing or garbage cursor."""
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return int(text[1:]) if text[:1] == "n" and text[1:].isdecimal() else None


def page(
    items: Sequence[Item], number: Callable[[Item], int], limit: int, cursor: str | None
) -> tuple[list[Item], str]:
    """Newest first (highest number); the cursor of the last page is empty."""
    after = decode_cursor(cursor)
    rest = [i for i in items if after is None or number(i) < after]
    rest.sort(key=number, reverse=True)
    found = rest[:limit]
    return found, encode_cursor(number(found[-1])) if found and len(rest) > limit else ""
