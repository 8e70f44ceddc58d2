from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.core.admintasks import ReasonForm
from apps.engine.strategies import registry
from apps.engine.strategies.params import ParamInfo, Unit, describe, params_from_mapping

from .models import StrategyConfig
from .services.parameters import parameters_complete, parameters_in_force

_UNITS = {Unit.PRICE: "dollars", Unit.QUANTITY: "contracts", Unit.MILLISECONDS: "milliseconds", Unit.COUNT: "count"}


class ParametersForm(ReasonForm):
    """One field per parameter of the strategy, filled with what is in force."""

    def __init__(self, data: Any = None, *, config: StrategyConfig) -> None:
        super().__init__(data)
        kernel = config.version.strategy.kernel
        values = parameters_complete(kernel=kernel, values=parameters_in_force(config).values)
        for info in describe(params_from_mapping(registry.strategy(kernel).params_type(), values)):
            self.fields[info.name] = _field(info)
        self.order_fields([name for name in self.fields if name != "reason"] + ["reason"])


def _field(info: ParamInfo) -> forms.Field:
    label = info.name.replace("_", " ").capitalize()
    if info.unit in (Unit.FLAG, Unit.CHOICE):
        return forms.ChoiceField(
            choices=[(c, c.capitalize()) for c in info.choices] if info.choices else [("true", "Yes"), ("false", "No")],
            initial=info.value,
            label=label,
            help_text=info.help,
            widget=UnfoldAdminSelectWidget(),
        )
    return forms.CharField(
        initial=info.value,
        label=f"{label} ({_UNITS[info.unit]})",
        max_length=24,
        help_text=f"{info.help}. {info.low} to {info.high}, default {info.default}",
        widget=UnfoldAdminTextInputWidget(),
    )
