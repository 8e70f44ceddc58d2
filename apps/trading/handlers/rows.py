"""A changed parameter set as rows for the person who decides: one for each value that is not as it was."""

from __future__ import annotations

from decimal import Decimal

from apps.engine.strategies.params import ParamInfo, Unit, describe
from apps.governance.choices import Direction
from apps.governance.handlers import ChangeRow
from apps.trading.parameter_catalog import (
    CATALOG,
    RISK_SIGN,
    CatalogEntry,
    CatalogUnit,
    field_bounds,
    kernel_name,
    name_in,
)
from apps.trading.services.parameter_sets import Document, document_params

UNITS = {Unit.PRICE: "dollars", Unit.QUANTITY: "contracts", Unit.MILLISECONDS: "ms"}


def rows_of(kernel: str, old: Document, new: Document) -> list[ChangeRow]:
    """Every base value, and every override and stored name that either set has."""
    rows = _kernel_rows(kernel, old, new, "")
    for category in sorted({*old.overrides, *new.overrides}):
        named = {*old.overrides.get(category, {}), *new.overrides.get(category, {})}
        rows += _kernel_rows(kernel, old, new, category, named)
        rows += _stored_rows(old.overrides.get(category, {}), new.overrides.get(category, {}), category)
    return rows + _stored_rows(old.stored, new.stored, "")


def _kernel_rows(
    kernel: str, old: Document, new: Document, category: str, only: set[str] | None = None
) -> list[ChangeRow]:
    """`only`: the names that are overridden in the category; what is inherited is compared with the base above."""
    before = {info.name: info for info in describe(document_params(kernel, old, category))}
    after = describe(document_params(kernel, new, category))
    return [_row(before[info.name], info, category) for info in after if only is None or info.name in only]


def _row(old: ParamInfo, new: ParamInfo, category: str) -> ChangeRow:
    return ChangeRow(label_of(new.name, category), UNITS.get(new.unit, ""), old.value, new.value,
                     _direction(old, new), bounds_of(new))  # fmt: skip


def label_of(name: str, category: str = "") -> str:
    """Words, and the catalog's name in brackets where it has one."""
    words = name.replace("_", " ").capitalize()
    known = kernel_name(name)
    if known is None:
        return f"{words} in {category}" if category else words
    return f"{words} ({name_in(known, category) if category else known})"


def bounds_of(info: ParamInfo) -> str:
    if info.choices is not None:
        return ", ".join(info.choices)
    return "" if info.low is None or info.high is None else field_bounds(info.name, info.low, info.high)


def _direction(old: ParamInfo, new: ParamInfo) -> Direction:
    return direction_of(RISK_SIGN.get(new.name), old.value, new.value, _size(old), _size(new))


def direction_of(sign: int | None, old: str, new: str, old_size: Decimal, new_size: Decimal) -> Direction:
    if old == new:
        return Direction.UNCHANGED
    if sign is None:
        return Direction.UNKNOWN
    if sign == 0:
        return Direction.NEUTRAL
    return Direction.RAISES if new_size * sign > old_size * sign else Direction.LOWERS


def _size(info: ParamInfo) -> Decimal:
    if info.choices is not None:
        return Decimal(info.choices.index(info.value))
    return Decimal(info.value == "true") if info.unit is Unit.FLAG else Decimal(info.value)


def _stored_rows(old: dict[str, str], new: dict[str, str], category: str) -> list[ChangeRow]:
    """One that is not set counts as its default; without a default its effect is not known."""
    rows = []
    for name in sorted(name for name in {*old, *new} if name in CATALOG):
        known = CATALOG[name]
        before, after = old.get(name, known.default), new.get(name, known.default)
        shown = (before or "not set", after or "not set")
        rows.append(ChangeRow(name_in(name, category) if category else name, known.unit.value, *shown,
                              _stored_direction(known, before, after), known.bounds))  # fmt: skip
    return rows


def _stored_direction(known: CatalogEntry, old: str | None, new: str | None) -> Direction:
    if old == new:
        return Direction.UNCHANGED
    if old is None or new is None:
        return Direction.UNKNOWN
    sizes = [Decimal(text == "on") if known.unit is CatalogUnit.FLAG else Decimal(text) for text in (old, new)]
    return direction_of(known.risk, old, new, *sizes)
