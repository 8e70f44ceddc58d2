"""Forms of parameters: bounds are shown, and a value outside of them is refused at its field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms

from apps.engine.strategies.params import ParamInfo, Unit, describe
from apps.trading.models import ParameterSet, StrategyConfig
from apps.trading.parameter_catalog import CATALOG, CatalogUnit
from apps.trading.services.parameter_sets import BadParameters, Document, document_changed, document_of, document_params
from apps.trading.strategy_selectors import ParameterLine, parameter_lines

from .approval_forms import EvidenceForm

IN_FORCE, AS_FALLBACK = "in_force", "fallback"


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter of the form with what is in force, for the template."""

    field: forms.BoundField
    line: ParameterLine
    now: str


class ParametersForm(EvidenceForm):
    """Units and bounds come from the kernel's own schema and the catalog.

    With a category an empty field inherits the base value; without one an empty stored name has its default.
    """

    use = forms.ChoiceField(
        label="What it is for",
        required=False,
        choices=[
            (IN_FORCE, "In force once it is signed"),
            (AS_FALLBACK, "Kept as the fallback: once signed, one person can switch to it at once"),
        ],
    )

    def __init__(
        self, *args: Any, config: StrategyConfig, in_force: ParameterSet, category: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._kernel, self._category = config.version.strategy.kernel, category
        self._base = document_of(in_force)
        self._parameters = {line.field or line.name: line for line in parameter_lines(self._kernel, in_force)}
        infos = {info.name: info for info in describe(document_params(self._kernel, self._base))}
        for name, line in self._parameters.items():
            own = self._own(name, line)
            self.fields[name] = _field(line, infos.get(name), own, inherits=bool(category) or name in CATALOG)

    def rows(self) -> list[Row]:
        return [Row(self[name], line, self._now(name, line)) for name, line in self._parameters.items()]

    def changes(self) -> dict[str, str]:
        """What the form says of every parameter; what says the same as now is no change."""
        given = {name: self.cleaned_data[name] for name in self._parameters}
        return {name: text for name, text in given.items() if text or self._own(name, self._parameters[name])}

    def is_fallback(self) -> bool:
        return bool(self.cleaned_data["use"] == AS_FALLBACK)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                document_changed(self._kernel, self._base, self.changes(), category=self._category)
            except BadParameters as error:
                name = str(error.extra.get("field"))
                self.add_error(name if name in self.fields else None, error.message.removeprefix(f"{name}: "))
        return data

    def _own(self, name: str, line: ParameterLine) -> str:
        """What stands in the field now: the category's own value, or the base's; empty where it is inherited."""
        if self._category:
            return self._base.overrides.get(self._category, {}).get(name, "")
        return line.value if line.is_set else ""

    def _now(self, name: str, line: ParameterLine) -> str:
        return self._own(name, line) or line.value


def _field(line: ParameterLine, info: ParamInfo | None, own: str, *, inherits: bool) -> forms.Field:
    options = _options(line, info)
    if options is not None:
        empty = [("", f"as everywhere ({line.value})" if info else f"default ({line.default})")] if inherits else []
        return forms.ChoiceField(label=line.label, choices=[*empty, *options], initial=own, required=not inherits)
    widget = forms.TextInput(
        attrs={"inputmode": "decimal", "autocomplete": "off"} | ({"placeholder": line.value} if inherits else {})
    )
    return forms.CharField(label=line.label, max_length=24, initial=own, widget=widget, required=not inherits)


def _options(line: ParameterLine, info: ParamInfo | None) -> list[tuple[str, str]] | None:
    if info is None:
        return [("on", "On"), ("off", "Off")] if line.unit == CatalogUnit.FLAG else None
    if info.choices is not None:
        return [(choice, choice.capitalize()) for choice in info.choices]
    return [("true", "Yes"), ("false", "No")] if info.unit is Unit.FLAG else None


def preview(config: StrategyConfig, in_force: ParameterSet, changes: dict[str, str]) -> tuple[Document, Document]:
    """The set in force and the set with the changes put in. Raises `BadParameters`."""
    base = document_of(in_force)
    return base, document_changed(config.version.strategy.kernel, base, changes)
