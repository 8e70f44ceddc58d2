"""What people write into a proposal, checked and in the form in which it is stored and hashed."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from apps.core.exceptions import Refused
from apps.core.wording import checked_words

_PARAMETER = re.compile(r"[A-Z][A-Z0-9_]{1,60}")


class BadProposal(Refused):
    """Something a proposal cannot be; `extra["field"]` names it."""

    code = "bad_proposal"


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number as decimal text, with its unit."""

    name: str
    value: str
    unit: str

    def check(self) -> None:
        filled(self.name, self.unit, field="baseline")
        _number(self.value, field="baseline")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why it happened, and what answers it."""

    cause: str
    answer: str

    def check(self) -> None:
        filled(self.cause, field="causes")
        _worded(self.answer, field="causes")


@dataclass(frozen=True, slots=True)
class Axis:
    """One row of the comparison: a metric under one kind of market conditions."""

    regime: str
    metric: str
    unit: str

    def check(self) -> None:
        filled(self.regime, self.metric, self.unit, field="axes")


@dataclass(frozen=True, slots=True)
class Change:
    """A parameter before and after, by its name in the catalog; values as people write them."""

    name: str
    old: str
    new: str
    unit: str

    def check(self) -> None:
        filled(self.name, self.old, self.new, self.unit, field="changes")
        if not _PARAMETER.fullmatch(self.name):
            raise BadProposal(f"{self.name!r} is not a parameter's name, such as MM_KAPPA", extra={"field": "changes"})
        if self.old == self.new:
            raise BadProposal(f"{self.name} would stay {self.old}", extra={"field": "changes"})


@dataclass(frozen=True, slots=True)
class ProposalContent:
    title: str
    problem: str
    baseline: tuple[Figure, ...] = ()
    causes: tuple[Cause, ...] = ()
    axes: tuple[Axis, ...] = ()

    def stored(self) -> dict[str, Any]:
        """Field values for the model. Raises `BadProposal` naming the field."""
        filled(self.title, field="title")
        filled(self.problem, field="problem")
        parts: tuple[Figure | Cause | Axis, ...] = (*self.baseline, *self.causes, *self.axes)
        for part in parts:
            part.check()
        _distinct([(axis.regime, axis.metric) for axis in self.axes], "axes")
        return {
            "title": self.title.strip(),
            "problem": self.problem.strip(),
            "baseline": [asdict(figure) for figure in self.baseline],
            "causes": [asdict(cause) for cause in self.causes],
            "axes": [asdict(axis) for axis in self.axes],
        }


@dataclass(frozen=True, slots=True)
class OptionContent:
    name: str
    summary: str
    changes: tuple[Change, ...] = ()
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    trade_off: str = ""

    def stored(self) -> dict[str, Any]:
        """Field values for the model. Raises `BadProposal` naming the field."""
        filled(self.name, field="name")
        filled(self.summary, field="summary")
        for change in self.changes:
            change.check()
        _distinct([change.name for change in self.changes], "changes")
        _worded(*self.pros, field="pros")
        _worded(*self.cons, field="cons")
        _worded(self.trade_off, field="trade_off")
        return {
            "name": self.name.strip(),
            "summary": self.summary.strip(),
            "changes": [asdict(change) for change in self.changes],
            "pros": list(self.pros),
            "cons": list(self.cons),
            "trade_off": self.trade_off.strip(),
        }


@dataclass(frozen=True, slots=True)
class WatchLine:
    """A forecast to be held against what is measured; `actual` is None until it is."""

    name: str
    unit: str
    forecast: str
    actual: str | None = None

    def check(self) -> None:
        filled(self.name, self.unit, field="watch")
        _number(self.forecast, field="watch")
        if self.actual is not None:
            _number(self.actual, field="watch")


def number(text: str, *, field: str) -> Decimal:
    """A finite decimal. Raises `BadProposal`."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise BadProposal(f"{text!r} is not a number", extra={"field": field})
    return value


def _number(text: str, *, field: str) -> None:
    number(text, field=field)


def filled(*texts: str, field: str) -> None:
    """Raises `BadProposal` for an empty text and `BannedWord` for one with a word we do not use."""
    if not all(text.strip() for text in texts):
        raise BadProposal("Something is left empty here", extra={"field": field})
    _worded(*texts, field=field)


def _worded(*texts: str, field: str) -> None:
    for text in texts:
        checked_words(text, field=field)


def _distinct(names: list[Any], field: str) -> None:
    if len(set(names)) != len(names):
        raise BadProposal("The same line stands here twice", extra={"field": field})
