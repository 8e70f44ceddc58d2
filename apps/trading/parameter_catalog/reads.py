"""Which field of a kernel a name is another word for, and how the value is written there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal

from apps.engine.rollout import FULL_SHARE_BPS, ExecutionMode
from apps.engine.strategies import registry

from .model import plain


@dataclass(frozen=True, slots=True)
class Reads:
    """`to_kernel(text, present)` writes the catalog's value as the field's, `present` being what the field holds now;
    `from_kernel(text)` reads it back.
    """

    field: str
    to_kernel: Callable[[str, str], str]
    from_kernel: Callable[[str], str]


def _same(field: str) -> Reads:
    return Reads(field, lambda text, present: text, lambda text: plain(Decimal(text)))


def _scaled(field: str, factor: Decimal) -> Reads:
    """The kernel's number is the catalog's times `factor`."""
    return Reads(
        field,
        lambda text, present: plain(Decimal(text) * factor),
        lambda text: plain(Decimal(text) / factor),
    )


def _making(text: str, present: str) -> str:
    """Off: it only takes. On: what it does now, unless it only takes."""
    if text == "off":
        return ExecutionMode.SNIPER.value
    return ExecutionMode.MAKER.value if present == ExecutionMode.SNIPER else present


READS = {
    "ENABLE_MARKET_MAKING": Reads(
        "execution_mode", _making, lambda text: "off" if text == ExecutionMode.SNIPER else "on"
    ),
    "MAKER_SHARE_ROLLOUT": Reads(
        "taker_share_bps",
        lambda text, present: plain(FULL_SHARE_BPS - Decimal(text) * 100),
        lambda text: plain((FULL_SHARE_BPS - Decimal(text)) / 100),
    ),
    "MM_MIN_SPREAD_CENTS": _scaled("min_spread", Decimal("0.01")),
    "MIN_EDGE": _scaled("min_edge", Decimal("0.01")),
    "MAX_POSITION_PER_MARKET": _same("max_position"),
    "PRICE_SANITY_MIN": _same("min_price"),
    "PRICE_SANITY_MAX": _same("max_price"),
    "FEED_STALE_SECONDS": _scaled("max_feed_age_ms", Decimal(1000)),
}
_NAMES = {reads.field: name for name, reads in READS.items()}


def reads_of(kernel: str, name: str) -> Reads | None:
    """How this kernel reads a name; None when it does not. Raises `UnknownStrategy`."""
    found = READS.get(name)
    known = {field.name for field in fields(registry.strategy(kernel).params_type)}
    return found if found is not None and found.field in known else None


def kernel_name(field: str) -> str | None:
    """The catalog's name of a kernel's field, None when it has none."""
    return _NAMES.get(field)
