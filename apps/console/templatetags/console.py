"""Numbers and times as the console shows them: fixed decimals per unit, signs, arrows, and the age of everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe

from apps.console import amounts, words
from apps.console.amounts import MINUS, UNKNOWN
from apps.core.wording import masked

register = template.Library()
VENUE_TIME, LEASE_UNTIL = "venue_ts_ms", "expires_at_s"


@register.filter
def price(value: Decimal | None) -> str:
    """Dollars of the YES leg, 4 decimals."""
    return UNKNOWN if value is None else f"{value:.4f}"


@register.filter
def cents(value: Decimal | None) -> str:
    """A difference of prices in cents."""
    return UNKNOWN if value is None else f"{value * 100:.2f}¢"


@register.filter
def contracts(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{value:,.2f}".replace("-", MINUS)


@register.filter
def signed_contracts(value: Decimal | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{amounts.sign(value)}{abs(value):,.2f}"


@register.filter
def money(value: Decimal | None) -> str:
    """Dollars in cents; the exact amount is in the title."""
    return UNKNOWN if value is None else amounts.rounded(value, amounts.negative(value))


@register.filter
def signed_money(value: Decimal | None) -> str:
    return UNKNOWN if value is None else amounts.rounded(value, amounts.sign(value))


@register.filter
def exact_money(value: Decimal | None) -> str:
    """For a difference that must be seen whole: never rounded."""
    return UNKNOWN if value is None else f"{amounts.sign(value)}{amounts.exact(value)}"


@register.filter
def fee(value: Decimal | None) -> str:
    return UNKNOWN if value is None else f"{amounts.negative(value)}{amounts.fee(value)}"


@register.filter
def count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


@register.filter
def limit_number(value: Decimal | None, unit: str) -> str:
    """A limit, its use or its room in the rule's unit; shares are per cent."""
    if value is None:
        return UNKNOWN
    if unit == "money":
        return money(value)
    if unit == "price":
        return f"${price(value)}"
    if unit == "quantity":
        return contracts(value)
    return f"{value:,.2f} %" if unit == "share" else f"{value:,.0f}"


@register.filter
def threshold_number(value: int, unit: str) -> str:
    """A threshold of a switch as people say it: per cent, seconds, dollars, or a count."""
    if unit == "bps":
        return f"{Decimal(value) / 100:.2f} %"
    if unit == "ms":
        return f"{Decimal(value) / 1000:g} s"
    return money(Decimal(value) / 1_000_000) if unit == "money" else f"{value:,}"


@register.filter
def threshold_name(name: str) -> str:
    return words.in_words(name.removesuffix("_bps").removesuffix("_ms")).lower()


@register.filter
def spaced(text: str) -> str:
    """Names of thresholds within a sentence."""
    return text.replace("_", " ")


@register.filter
def arrow(value: Decimal | None) -> str:
    """The direction in a shape, so that color never says it alone."""
    if not value:
        return ""
    return "\N{BLACK UP-POINTING TRIANGLE}" if value > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}"


@register.filter
def tone(value: Decimal | None) -> str:
    if not value:
        return "flat"
    return "gain" if value > 0 else "loss"


@register.filter
def in_words(code: str) -> str:
    return words.in_words(code)


@register.filter
def request_words(action: str) -> str:
    return words.REQUESTS.get(action, action)


@register.filter
def detail_name(name: str) -> str:
    return {VENUE_TIME: "exchange's time", LEASE_UNTIL: "lease until"}.get(name) or words.in_words(name).lower()


@register.filter
def detail_value(value: Any, name: str) -> str:
    """A detail of an order's event: the exchange's milliseconds as a time, reasons in words, the rest as stored."""
    if name == VENUE_TIME and isinstance(value, int):
        return utc_ms(datetime.fromtimestamp(value / 1000, UTC))
    if name == LEASE_UNTIL and isinstance(value, int):
        return utc(datetime.fromtimestamp(value, UTC))
    if name == "rule":
        return words.RULES.get(str(value)) or words.in_words(str(value)).lower()
    return words.in_words(value) if name in ("outcome", "reason") and isinstance(value, str) else str(value)


@register.filter
def yes_no(value: str) -> str:
    """A flag of a parameter set; anything else as it is."""
    return {"true": "Yes", "false": "No"}.get(value, value)


@register.filter
def lamp(state: str) -> str:
    return words.lamp(state)


@register.filter
def is_quoting(reason: str) -> bool:
    return reason in words.QUOTING


@register.filter
def side_words(side: str) -> str:
    return {"bid": "Buy YES", "ask": "Sell YES"}.get(side, side)


@register.filter
def mode_words(mode: str) -> str:
    return {"manual": "by hand"}.get(mode, mode)


@register.filter
def outcome_words(text: str) -> str:
    """The last clause of what the exchange answered; the whole of it belongs in the title."""
    return masked(words.outcome(text))


@register.filter
def short_ticker(ticker: str) -> str:
    """Series, the end of the event and the strike: `KXBTC15M-26NOV200845-45` becomes `KXBTC15M…200845-45`."""
    series, dash, rest = ticker.partition("-")
    event, dash, strike = rest.partition("-")
    if len(ticker) <= 20 or not dash:
        return ticker
    return f"{series}…{event[-6:]}-{strike}"


@register.filter
def beside(title: str, ticker: str) -> str:
    """A market's title where its ticker already stands: what the title says beyond it."""
    return masked(" ".join(title.replace(ticker, " ").split()))


@register.filter
def seemly(text: str) -> str:
    """Text that is not ours, or that could not be refused, with its banned words covered."""
    return masked(text)


@register.filter
def utc(value: datetime | None) -> str:
    return UNKNOWN if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def epoch_ms(value: datetime | None) -> str:
    """For the page's script, which goes on counting from it."""
    return "" if value is None else str(int(value.timestamp() * 1000))


@register.filter
def clock(value: datetime | None) -> str:
    return UNKNOWN if value is None else f"{value.astimezone(UTC):%H:%M:%S}Z"


@register.filter
def span_until(first: datetime, last: datetime) -> str:
    seconds = (last - first) // timedelta(seconds=1)
    return span_words(seconds) if seconds > 0 else "under 1 s"


@register.filter
def utc_ms(value: datetime | None) -> str:
    """To the millisecond, where the order of things matters."""
    if value is None:
        return UNKNOWN
    value = value.astimezone(UTC)
    return f"{value:%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03d} UTC"


@register.simple_tag(takes_context=True)
def age(context: Context, at: datetime | None, bound: int | None = None) -> SafeString:
    """How old, in words; the page ticks it on. Past `bound` seconds it says since when it is stale."""
    if at is None:
        return mark_safe('<span class="age none">no time known</span>')
    seconds = _seconds(context, at)
    text = span_words(seconds)
    is_stale = bound is not None and seconds > bound
    if is_stale:
        text = f"stale since {at.astimezone(UTC):%H:%M:%S}Z, {text}"
    return format_html(
        '<time class="age{}" datetime="{}" data-at="{}" data-bound="{}" title="{}">{}</time>',
        " stale" if is_stale else "",
        at.astimezone(UTC).isoformat(),
        epoch_ms(at),
        "" if bound is None else bound,
        utc(at),
        text,
    )


@register.simple_tag(takes_context=True)
def left(context: Context, at: datetime | None) -> SafeString:
    """How long until then, in words; the page ticks it on. Afterwards it says how long ago that was."""
    if at is None:
        return mark_safe('<span class="none">—</span>')
    return format_html(
        '<time class="left" datetime="{}" data-at="{}" title="{}">{}</time>',
        at.astimezone(UTC).isoformat(),
        epoch_ms(at),
        utc(at),
        left_words((at - context["now"]) // timedelta(seconds=1)),
    )


@register.simple_tag(takes_context=True)
def freshness(context: Context, at: datetime | None, bound: int | None = None) -> str:
    """Class for the block whose numbers are as old as `at`."""
    if at is None or bound is None:
        return ""
    return "is-stale" if _seconds(context, at) > bound else ""


@register.simple_tag(takes_context=True)
def query_with(context: Context, **changes: Any) -> str:
    """The page's own query string with some of it changed; an empty value removes a name."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value not in (None, ""):
            query[name] = value
    return f"?{query.urlencode()}"


@register.simple_tag
def object_query(row: Any) -> str:
    """The part of an address that names what an audit row is about."""
    return urlencode({"object": f"{row.object_type}:{row.object_id}"})


def left_words(seconds: int) -> str:
    """`12 s`, or `over for 3 s`; the page's script says it the same way."""
    return span_words(seconds) if seconds >= 0 else f"over for {span_words(-seconds)}"


def span_words(seconds: int) -> str:
    """`3 s`, `4 min 10 s`, `25 min`, `2 h 5 min`, `3 d 4 h`; the page's script says it the same way."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"


def _seconds(context: Context, at: datetime) -> int:
    return max(0, (context["now"] - at) // timedelta(seconds=1))
