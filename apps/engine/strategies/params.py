"""Strategy parameters: frozen dataclasses whose fields carry unit, bounds and meaning, and their text form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from apps.engine import decimals
from apps.engine.errors import BadNumber


class Unit(StrEnum):
    """How a parameter is written by people: dollars, contracts, a count, milliseconds, yes/no, one of its choices."""

    PRICE = "price"
    QUANTITY = "quantity"
    COUNT = "count"
    MILLISECONDS = "milliseconds"
    FLAG = "flag"
    CHOICE = "choice"


class BadParameter(BadNumber):
    """A parameter is unknown, not readable, or outside its bounds; `name` says which."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class Params(Protocol):
    """Any frozen dataclass whose fields carry a `spec`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class ParamInfo:
    """One parameter for a form or a report; `value`, `default`, `low`, `high` are texts in the person's unit.

    `low` and `high` are None for a flag and a choice; `choices` are all a choice may be, None for the others.
    """

    name: str
    unit: Unit
    value: str
    default: str
    low: str | None
    high: str | None
    help: str
    choices: tuple[str, ...] | None = None


def spec(unit: Unit, help: str, *, low: int = 0, high: int = 1) -> Mapping[str, Any]:
    """Metadata of a parameter field: `field(default=..., metadata=spec(...))`, bounds in engine integers."""
    return {"unit": unit, "low": low, "high": high, "help": help}


def choice(kind: type[StrEnum], help: str) -> Mapping[str, Any]:
    """Metadata of a parameter that is one of the values of `kind`."""
    return {"unit": Unit.CHOICE, "kind": kind, "help": help}


def check_bounds(params: Params) -> None:
    """Raise `BadParameter` for the first value of the wrong type or outside its bounds."""
    for f in fields(params):
        _check(f.name, f.metadata, getattr(params, f.name))


def _check(name: str, meta: Mapping[str, Any], value: Any) -> None:
    unit: Unit = meta["unit"]
    if unit is Unit.CHOICE:
        if type(value) is not meta["kind"]:
            raise BadParameter(name, f"not one of {_words(meta)}: {value!r:.40}")
        return
    wanted = bool if unit is Unit.FLAG else int
    if type(value) is not wanted:
        raise BadParameter(name, f"not {'yes or no' if wanted is bool else 'a whole number'}: {value!r:.40}")
    low, high = meta["low"], meta["high"]
    if not low <= value <= high:
        raise BadParameter(name, f"{_text(value, unit)} is outside {_text(low, unit)} to {_text(high, unit)}")


def params_from_mapping(base: P, values: Mapping[str, str | Decimal | int | bool]) -> P:
    """`base` with the given values, written as people do: dollars, contracts, true/false.

    Raises `BadParameter` for a name that does not exist, a text that cannot be read, or a value out of bounds.
    """
    known = {f.name: f.metadata for f in fields(base)}
    merged: dict[str, Any] = {name: getattr(base, name) for name in known}
    for name, value in values.items():
        if name not in known:
            raise BadParameter(name, "no such parameter")
        merged[name] = _parse(name, known[name], value)
    return type(base)(**merged)


def params_to_mapping(params: Params) -> dict[str, str]:
    """Every parameter as text; `params_from_mapping` reads it back."""
    return {f.name: _text(getattr(params, f.name), f.metadata["unit"]) for f in fields(params)}


def describe(params: Params) -> list[ParamInfo]:
    """Every parameter with unit, bounds and meaning, in order."""
    return [_info(f.name, f.metadata, getattr(params, f.name), f.default) for f in fields(params)]


def _info(name: str, meta: Mapping[str, Any], value: Any, default: Any) -> ParamInfo:
    unit: Unit = meta["unit"]
    low, high, choices = None, None, None
    if unit is Unit.CHOICE:
        choices = tuple(str(option.value) for option in meta["kind"])
    elif unit is not Unit.FLAG:
        low, high = _text(meta["low"], unit), _text(meta["high"], unit)
    return ParamInfo(name, unit, _text(value, unit), _text(default, unit), low, high, meta["help"], choices)


def params_hash(params: Params) -> str:
    """SHA-256 (hex) over the type's name and all values as engine integers and words, in a fixed form."""
    values = {f.name: _plain(getattr(params, f.name)) for f in fields(params)}
    body = json.dumps([type(params).__name__, values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(value: Any) -> int | str:
    return str(value.value) if isinstance(value, StrEnum) else int(value)


def _text(value: Any, unit: Unit) -> str:
    if unit is Unit.PRICE:
        return decimals.format_price(value)
    if unit is Unit.QUANTITY:
        return decimals.format_quantity(value)
    if unit is Unit.FLAG:
        return "true" if value else "false"
    return str(value)


def _words(meta: Mapping[str, Any]) -> str:
    return ", ".join(option.value for option in meta["kind"])


def _parse(name: str, meta: Mapping[str, Any], value: str | Decimal | int | bool) -> Any:
    text = f"{value:f}" if isinstance(value, Decimal) else str(value).strip()
    unit: Unit = meta["unit"]
    if unit is Unit.CHOICE:
        return _parse_choice(name, meta, text)
    if unit is Unit.FLAG:
        if text.lower() not in ("true", "false"):
            raise BadParameter(name, f"neither true nor false: {text!r:.40}")
        return text.lower() == "true"
    try:
        if unit is Unit.PRICE:
            return decimals.parse_price(text)
        if unit is Unit.QUANTITY:
            return decimals.parse_quantity(text)
    except BadNumber as error:
        raise BadParameter(name, str(error)) from error
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadParameter(name, f"not a whole number: {text!r:.40}")
    return int(text)


def _parse_choice(name: str, meta: Mapping[str, Any], text: str) -> StrEnum:
    kind: type[StrEnum] = meta["kind"]
    for option in kind:
        if option.value == text.lower():
            return option
    raise BadParameter(name, f"not one of {_words(meta)}: {text!r:.40}")
