"""A parameter set as one document: base values, what differs by category, and names that no kernel reads yet.

The hash covers all of it. A set without overrides and without stored names has the engine's own hash of its values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.exceptions import Refused
from apps.engine.strategies import registry
from apps.engine.strategies.params import (
    BadParameter,
    describe,
    params_from_mapping,
    params_hash,
    params_to_mapping,
)
from apps.marketdata.models import Series
from apps.trading.models import ParameterSet
from apps.trading.parameter_catalog import (
    CATALOG,
    CATEGORIES,
    CatalogEntry,
    Home,
    UnknownName,
    kernel_name,
    reads_of,
    resolve,
)

Values = dict[str, str]


class BadParameters(Refused):
    """A value is unknown, unreadable or out of bounds; `extra["field"]` names it."""

    code = "bad_parameters"


@dataclass(frozen=True, slots=True)
class Document:
    """`values`: every field of the kernel. `overrides`: category to fields and stored names that differ in it.
    `stored`: catalog names that no kernel reads yet. All texts are in their one written form.
    """

    values: Values
    overrides: dict[str, Values] = field(default_factory=dict)
    stored: Values = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"values": self.values, "overrides": self.overrides, "stored": self.stored}


def document_of(row: ParameterSet) -> Document:
    """As it is stored; nothing is checked."""
    return Document(dict(row.values), {c: dict(v) for c, v in row.overrides.items()}, dict(row.stored))


def document_from(payload: Mapping[str, Any]) -> Document:
    """From the payload of a request. Raises `BadParameters` for what is no document."""
    parts = [payload.get(name) for name in ("values", "overrides", "stored")]
    if not all(isinstance(part, dict) for part in parts):
        raise BadParameters("A set of parameters has values, overrides and stored names")
    values, overrides, stored = (dict(part) for part in parts if isinstance(part, dict))
    if not all(isinstance(part, dict) for part in overrides.values()):
        raise BadParameters("The overrides of a category are names with values")
    return Document(values, {category: dict(part) for category, part in overrides.items()}, stored)


def document_changed(kernel: str, base: Document, changes: Mapping[str, str], *, category: str = "") -> Document:
    """`base` with the changes put in, complete and in its one written form.

    A name is a field of the kernel, a catalog name, or one with a category's ending (MM_GAMMA_WEATHER); `category`
    is meant by names without such an ending. An empty value takes an override, or a stored name, away. Raises
    `BadParameters` for the first name that is unknown, retired or at home elsewhere, and the first value out of bounds.
    """
    values, stored = dict(base.values), dict(base.stored)
    overrides = {name: dict(part) for name, part in base.overrides.items()}
    for name, text in changes.items():
        try:
            key, known, ending = _named(kernel, name)
            where = ending or category
            part = overrides.setdefault(where, {}) if where else (stored if key in CATALOG else values)
            if not text.strip() and (where or key in CATALOG):
                part.pop(key, None)
            else:
                part[key] = _written(kernel, key, known, text, part.get(key, values.get(key, "")))
        except UnknownName as error:
            raise BadParameters(str(error), extra={"field": name}) from error
    return document_checked(kernel, Document(values, {c: part for c, part in overrides.items() if part}, stored))


def document_checked(kernel: str, document: Document) -> Document:
    """The document in its one written form. Raises `BadParameters`: bounds refuse, they never move a value."""
    values = _complete(kernel, document.values)
    overrides: dict[str, Values] = {}
    for category, part in sorted(document.overrides.items()):
        _require_category(category)
        fields = {name: text for name, text in part.items() if name not in CATALOG}
        whole = _complete(kernel, fields, base=values)
        own = {name: whole[name] for name in fields} | _stored(part.items(), kernel)
        if own:
            overrides[category] = dict(sorted(own.items()))
    return Document(values, overrides, dict(sorted(_stored(document.stored.items(), kernel).items())))


def document_hash(kernel: str, document: Document) -> str:
    """SHA-256 (hex) of everything in the set. Raises `BadParameters` for values the engine cannot read."""
    base = params_hash(document_params(kernel, document))
    if not document.overrides and not document.stored:
        return base
    body = json.dumps([base, document.overrides, document.stored], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def document_params(kernel: str, document: Document, category: str = "") -> Any:
    """The kernel's parameters in one category, or those without one. Raises `BadParameters`."""
    own = document.overrides.get(category, {})
    values = document.values | {name: text for name, text in own.items() if name not in CATALOG}
    try:
        return params_from_mapping(registry.strategy(kernel).params_type(), values)
    except BadParameter as error:
        raise BadParameters(str(error), extra={"field": error.name}) from error


def schema_hash(kernel: str) -> str:
    """SHA-256 (hex) over names, units, bounds and choices of a kernel's parameters."""
    infos = describe(registry.strategy(kernel).params_type())
    body = json.dumps([[i.name, i.unit.value, i.low, i.high, i.choices] for i in infos], separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def categories_known() -> list[str]:
    """Those people have short words for, and those the catalogue of markets has."""
    stored = Series.objects.exclude(category="").order_by().values_list("category", flat=True).distinct()
    return sorted({*CATEGORIES.values(), *stored})


def _complete(kernel: str, values: Mapping[str, str], *, base: Mapping[str, str] | None = None) -> Values:
    params_type = registry.strategy(kernel).params_type
    try:
        complete = params_to_mapping(params_from_mapping(params_type(), dict(base or {}) | dict(values)))
        for name, text in complete.items():
            _within_catalog(kernel, name, text)
    except (BadParameter, UnknownName) as error:
        raise BadParameters(str(error), extra={"field": error.name}) from error
    return complete


def _within_catalog(kernel: str, field_name: str, text: str) -> None:
    """The catalog may bound a field more tightly than its kernel does."""
    name = kernel_name(field_name)
    reads = None if name is None else reads_of(kernel, name)
    if name is not None and reads is not None:
        try:
            CATALOG[name].checked(reads.from_kernel(text))
        except UnknownName as error:
            raise UnknownName(field_name, f"{name} {error.problem}") from error


def _named(kernel: str, name: str) -> tuple[str, CatalogEntry | None, str]:
    """(field or stored name, catalog's entry, category of its ending) of a name people may use."""
    if name.islower():
        return name, None, ""
    known, ending = resolve(name)
    if known.home is not Home.PARAMETER_SET:
        raise UnknownName(name, f"is changed at its own place: {known.where}")
    reads = reads_of(kernel, known.name)
    return (known.name if reads is None else reads.field), known, ending or ""


def _written(kernel: str, key: str, known: CatalogEntry | None, text: str, present: str) -> str:
    if known is None:
        return text
    reads = reads_of(kernel, known.name)
    checked = known.checked(text)
    return checked if reads is None else reads.to_kernel(checked, present)


def _stored(items: Any, kernel: str) -> Values:
    """The stored names among them, checked. A name that the kernel reads belongs among its values."""
    found: Values = {}
    for name, text in items:
        if name not in CATALOG:
            continue
        try:
            key, known, _ = _named(kernel, name)
            if key != name:
                raise UnknownName(name, f"this kernel reads it as {key}")
            found[name] = _written(kernel, name, known, text, "")
        except UnknownName as error:
            raise BadParameters(str(error), extra={"field": name}) from error
    return found


def _require_category(category: str) -> None:
    if category not in categories_known():
        raise BadParameters(f"There is no category {category!r}", extra={"field": "category"})
