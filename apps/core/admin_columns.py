"""Columns of the admin's lists: numbers with their unit, and states as a word with a mark.

A column is given to `list_display` itself, or to `fields` and `readonly_fields`, in place of a name:

    list_display = ("id", status("state", {"running": OK, "failed": STOP}), price("price"), contracts("quantity"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from django.utils.html import format_html

Column = Callable[[Any], Any]
Mark = Literal["ok", "wait", "idle", "warn", "stop"]
OK: Mark = "ok"
WAIT: Mark = "wait"
IDLE: Mark = "idle"
WARN: Mark = "warn"
STOP: Mark = "stop"


def lamp(mark: Mark, word: str) -> str:
    """The word behind a mark whose shape says as much as its color; the same marks as mission control's."""
    return format_html('<span class="lamp {}">{}</span>', mark, word)


def status(field: str, marks: Mapping[Any, Mark], label: str = "", *, unknown: Mark = STOP) -> Column:
    """A field with choices; a value that `marks` does not name gets `unknown`."""

    def column(obj: Any) -> str:
        value = getattr(obj, field)
        return lamp(marks.get(value, unknown), getattr(obj, f"get_{field}_display")())

    return _column(column, f"{field}_status", label or _words(field), field)


def answer(field: str, label: str, *, yes: tuple[Mark, str], no: tuple[Mark, str]) -> Column:
    """A boolean field in words of its own."""
    return _column(lambda obj: lamp(*(yes if getattr(obj, field) else no)), f"{field}_answer", label, field)


def price(field: str, label: str = "") -> Column:
    """Dollars per contract, all 4 decimals."""
    return _number(field, f"{label or _words(field)}, $", 4)


def contracts(field: str, label: str = "") -> Column:
    """Contracts, 2 decimals."""
    return _number(field, f"{label or _words(field)}, contracts", 2)


def money(field: str, label: str = "", *, places: int = 2) -> Column:
    """Dollars in cents, or as many decimals as told; what was rounded away stays in the cell's title."""
    return _number(field, f"{label or _words(field)}, $", places)


def count(field: str, label: str = "") -> Column:
    return _number(field, label or _words(field), 0)


def number(field: str, label: str = "") -> Column:
    """A number without a unit, as exact as it is stored and without needless zeros."""
    return _number(field, label or _words(field), None)


def _words(field: str) -> str:
    return field.replace("_", " ")


def _number(field: str, label: str, places: int | None) -> Column:
    def column(obj: Any) -> str | None:
        value = getattr(obj, field)
        return None if value is None else number_text(Decimal(value), places)

    return _column(column, f"{field}_number", label, field)


def number_text(value: Decimal, places: int | None) -> str:
    """`value` to so many decimals, None for all it has.

    What is not shown whole keeps its exact form in the title, and never reads as zero.
    """
    if places is None:
        return f"{value.normalize():,f}"
    shown = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    if shown == value:
        return f"{shown:,f}"
    text = f"{shown:,f}" if shown else f"{'-' if value < 0 else ''}<{Decimal(1).scaleb(-places):f}"
    return format_html('<span title="{}">{}</span>', f"{value.normalize():,f}", text)


def _column(function: Column, name: str, label: str, order: str) -> Column:
    # The style sheet aligns and spaces by the ending of the name, which Django puts into the cell's class.
    function.__name__ = name.replace("__", "_")
    function.short_description = label[:1].upper() + label[1:]  # type: ignore[attr-defined]
    function.admin_order_field = order  # type: ignore[attr-defined]
    return function
