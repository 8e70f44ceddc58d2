"""Dollars as text. What is rounded for the eye keeps its exact value beside it."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from django.utils.html import format_html

UNKNOWN = "\N{EM DASH}"
MINUS = "\N{MINUS SIGN}"
_CENT = Decimal("0.01")
_BASIS = Decimal("0.0001")


def sign(value: Decimal) -> str:
    if value == 0:
        return ""
    return "+" if value > 0 else MINUS


def negative(value: Decimal) -> str:
    """The sign of an amount that carries none when it is positive."""
    return MINUS if value < 0 else ""


def exact(value: Decimal) -> str:
    """The size in cents when that is exact, else with all 6 decimals."""
    return f"${abs(value):,.{2 if value == value.quantize(_CENT) else 6}f}"


def fee(value: Decimal) -> str:
    """The size of a fee: 4 decimals, so that a column lines up, and 6 where the exchange charged finer."""
    return f"${abs(value):,.{4 if value == value.quantize(_BASIS) else 6}f}"


def rounded(value: Decimal, mark: str) -> str:
    """`mark` and the size in cents, with the exact one as its title; what is not zero never reads as zero."""
    shown = value.quantize(_CENT, ROUND_HALF_EVEN)
    if shown == value:
        return mark + exact(value)
    text = exact(shown) if shown else "<$0.01"
    return format_html('<span class="rounded" title="{}">{}</span>', mark + exact(value), mark + text)
