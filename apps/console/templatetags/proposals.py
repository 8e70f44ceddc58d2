"""How a proposal's figures and results are shown."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django import template

from apps.console.amounts import MINUS, UNKNOWN

register = template.Library()
LAMPS = {
    "evidence": "wait",
    "decision": "warn",
    "implementing": "wait",
    "watching": "ok",
    "doing": "ok",
    "waiting": "wait",
    "done": "ok",
}


@register.filter
def status_lamp(status: str) -> str:
    """Of a proposal or a task."""
    return LAMPS.get(status, "idle")


@register.filter
def figure(value: str | None, unit: str = "") -> str:
    """`7,822 orders`, `$77.99`, `12 % of orders`: the number as it was given, with its unit where people put it."""
    if value is None or value == "":
        return UNKNOWN
    text = grouped(value)
    if unit.startswith("$"):
        sign, number = (MINUS, text[1:]) if text.startswith(MINUS) else ("", text)
        return f"{sign}${number}{unit[1:]}"
    return f"{text} {unit}".rstrip()


@register.filter
def grouped(value: str) -> str:
    """Thousands apart; a text that is no number as it is."""
    try:
        return f"{Decimal(value):,f}".replace("-", MINUS)
    except InvalidOperation:
        return str(value)


@register.filter
def fixed(value: Decimal, places: int) -> str:
    """With the decimals of its row, so that the numbers of a row can be compared."""
    return f"{value:,.{places}f}".replace("-", MINUS)


@register.filter
def difference(actual: str, forecast: str) -> str:
    value = Decimal(actual) - Decimal(forecast)
    return f"+{grouped(str(value))}" if value > 0 else grouped(str(value))


@register.filter
def place(part: Decimal, width: int) -> str:
    """A place on a scale of 0 to 1 as a coordinate, to a hundredth."""
    return f"{part * width:.2f}"


@register.filter
def apart(high: Decimal, low: Decimal) -> Decimal:
    return high - low
