"""Reads for the pages of strategies and parameters."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.processes import ProcessReport, disagreements, reports_known, reports_read
from apps.engine.strategies.params import ParamInfo, Unit, describe
from apps.trading.models import ParameterSet, Strategy, StrategyConfig, StrategyVersion
from apps.trading.parameter_catalog import (
    CATALOG,
    CatalogEntry,
    CatalogUnit,
    Home,
    field_bounds,
    kernel_name,
    name_in,
    reads_of,
)
from apps.trading.services.parameter_sets import Document, document_of, document_params

UNITS = {
    Unit.PRICE: "dollars",
    Unit.QUANTITY: "contracts",
    Unit.COUNT: "count",
    Unit.MILLISECONDS: "milliseconds",
    Unit.FLAG: "yes or no",
    Unit.CHOICE: "choice",
}
NOT_READ = "no kernel reads this yet"


@dataclass(frozen=True, slots=True)
class Override:
    """What one category has instead of the base value, and the name it goes by there."""

    category: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ParameterLine:
    """One parameter of a set. `field` is the kernel's name, `name` the catalog's; one of them may be empty.

    `catalog_value`: the same value as the catalog writes it. `is_set` False: the default counts.
    """

    name: str
    field: str
    label: str
    unit: str
    value: str
    catalog_value: str
    bounds: str
    default: str
    reader: str
    meaning: str
    overrides: tuple[Override, ...]
    is_set: bool = True


@dataclass(frozen=True, slots=True)
class RunningSet:
    """What one process says it runs of a config, against what was approved."""

    report: ProcessReport
    params_hash: str
    is_approved: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the long-lived processes run. `problems` is empty when all agree."""

    reports: tuple[ProcessReport, ...]
    problems: tuple[str, ...]


def strategy_configs() -> list[StrategyConfig]:
    return list(
        StrategyConfig.objects.select_related("account", "version__strategy", "version__reviewed_by", "approval")
    )


def version_list(strategy: Strategy) -> list[StrategyVersion]:
    return list(strategy.versions.select_related("reviewed_by", "approval", "strategy"))


def parameter_lines(kernel: str, row: ParameterSet) -> list[ParameterLine]:
    """Every field of the kernel with its overrides, then every name that is stored with the set."""
    document = document_of(row)
    fields = [_field_line(kernel, document, info) for info in describe(document_params(kernel, document))]
    return fields + [
        _stored_line(document, known)
        for known in CATALOG.values()
        if known.home is Home.PARAMETER_SET and reads_of(kernel, known.name) is None
    ]


def effective_lines(kernel: str, row: ParameterSet, category: str) -> list[tuple[ParameterLine, str, bool]]:
    """Each parameter with its value in one category, and whether the category has its own."""
    found = []
    for line in parameter_lines(kernel, row):
        own = next((o.value for o in line.overrides if o.category == category), None)
        found.append((line, line.value if own is None else own, own is not None))
    return found


def elsewhere() -> list[CatalogEntry]:
    """Names of the catalog that have a home of their own and cannot be put into a set."""
    return [known for known in CATALOG.values() if known.home is not Home.PARAMETER_SET]


def agreement() -> Agreement:
    """By this process's own newest look, or by looking now where it does not report."""
    reports = reports_known() or reports_read(time.time_ns() // 1_000_000)
    return Agreement(reports, disagreements(reports))


def running_sets(config: StrategyConfig, approved: ParameterSet | None, found: Agreement) -> list[RunningSet]:
    """The processes that trade the config, and whether each runs exactly the approved set."""
    key, wanted = str(config.pk), "" if approved is None else approved.params_hash
    return [
        RunningSet(report, report.parameters[key], report.parameters[key] == wanted)
        for report in found.reports
        if key in report.parameters
    ]


def _field_line(kernel: str, document: Document, info: ParamInfo) -> ParameterLine:
    name = kernel_name(info.name) or ""
    reads = reads_of(kernel, name) if name else None
    return ParameterLine(
        name=name,
        field=info.name,
        label=info.name.removesuffix("_ms").replace("_", " ").capitalize(),
        unit=UNITS[info.unit],
        value=info.value,
        catalog_value="" if reads is None else _in_unit(reads.from_kernel(info.value), CATALOG[name]),
        bounds=_bounds(info),
        default=info.default,
        reader=f"{kernel}.{info.name}",
        meaning=info.help,
        overrides=_overrides(document, info.name, name or info.name),
    )


def _stored_line(document: Document, known: CatalogEntry) -> ParameterLine:
    return ParameterLine(
        name=known.name,
        field="",
        label=known.name,
        unit=known.unit.value,
        value=document.stored.get(known.name, known.default or "must be set"),
        catalog_value="",
        bounds=known.bounds,
        default=known.default or "none, must be set",
        reader=known.where or NOT_READ,
        meaning=known.meaning,
        overrides=_overrides(document, known.name, known.name),
        is_set=known.name in document.stored,
    )


def _bounds(info: ParamInfo) -> str:
    if info.low is None or info.high is None:
        return ", ".join(info.choices or ())
    return field_bounds(info.name, info.low, info.high)


def _in_unit(value: str, known: CatalogEntry) -> str:
    return value if known.unit is CatalogUnit.FLAG else f"{value} {known.unit.value}"


def _overrides(document: Document, key: str, shown: str) -> tuple[Override, ...]:
    parts: Iterable[tuple[str, dict[str, str]]] = sorted(document.overrides.items())
    return tuple(Override(category, name_in(shown, category), part[key]) for category, part in parts if key in part)
