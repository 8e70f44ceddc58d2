from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from apps.engine.errors import BadNumber


class CatalogUnit(StrEnum):
    """How people write the value; a share is 0 to 1."""

    FLAG = "on or off"
    NUMBER = "number"
    SHARE = "share"
    PERCENT = "percent"
    PERCENT_NAV = "percent of NAV"
    CENTS = "cents"
    DOLLARS = "dollars"
    CONTRACTS = "contracts"
    COUNT = "count"
    DAYS = "days"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


class Home(StrEnum):
    """Where the value lives: in the strategy's parameter set, or in a place of its own."""

    PARAMETER_SET = "parameter set"
    LIMIT = "limit"
    SWITCH = "switch"
    PLATFORM = "platform"


class UnknownName(BadNumber):
    """No parameter has this name, or it was retired; `name` says which."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


class BadCatalogValue(UnknownName):
    """The value cannot be read or is out of bounds. It is refused, never moved to the nearest bound."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A name that may never mean anything again, because records and people remember what it meant."""

    retired: date
    reason: str


_WHOLE = (CatalogUnit.COUNT, CatalogUnit.DAYS, CatalogUnit.MILLISECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """`default` None: it must be set before anything in `needed_by` may be armed. `risk`: +1 where a larger value lets
    us lose more, -1 where a smaller one does, 0 neither, None not known. `where`: the place of a value that has a
    home of its own, or who reads one that is stored.
    """

    name: str
    unit: CatalogUnit
    meaning: str
    default: str | None
    low: str | None = None
    high: str | None = None
    risk: int | None = None
    home: Home = Home.PARAMETER_SET
    where: str = ""
    needed_by: tuple[str, ...] = ()

    @property
    def bounds(self) -> str:
        if self.low is None:
            return "" if self.high is None else f"at most {self.high}"
        return f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"

    def checked(self, text: str) -> str:
        """The value in its one written form. Raises `BadCatalogValue`."""
        text = str(text).strip()
        if self.unit is CatalogUnit.FLAG:
            if text.lower() not in ("on", "off"):
                raise BadCatalogValue(self.name, f"neither on nor off: {text!r:.40}")
            return text.lower()
        value = self._number(text)
        if (self.low is not None and value < Decimal(self.low)) or (
            self.high is not None and value > Decimal(self.high)
        ):
            raise BadCatalogValue(self.name, f"{plain(value)} is not within its bounds: {self.bounds}")
        return plain(value)

    def _number(self, text: str) -> Decimal:
        try:
            value = Decimal(text) if len(text) <= 24 and "_" not in text else Decimal("NaN")
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or value < 0 or abs(value) > Decimal(10) ** 12:
            raise BadCatalogValue(self.name, f"not a number: {text!r:.40}")
        exponent = value.as_tuple().exponent
        if (isinstance(exponent, int) and exponent < -6) or (
            self.unit in _WHOLE and value != value.to_integral_value()
        ):
            raise BadCatalogValue(self.name, f"too many decimals: {text!r:.40}")
        return value


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros."""
    return f"{value.normalize():f}" if value else "0"
