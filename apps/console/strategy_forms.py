"""Forms of the steps on a strategy: each asks for what it needs and a reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms

from apps.engine.rollout import ExecutionMode
from apps.trading.choices import Rung
from apps.trading.models import StrategyConfig, StrategyVersion
from apps.trading.services.ladder import WAIVABLE
from apps.trading.services.strategies import OFF_REASON

from .forms import ReasonForm


class OffForm(forms.Form):
    """The reason is filled in already: stopping must cost no typing."""

    reason = forms.CharField(label="Reason", max_length=500, required=False, initial=OFF_REASON)


class TickersField(forms.CharField):
    """Tickers with spaces, commas or line ends between them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}), max_length=20_000, **kwargs)

    def clean(self, value: str) -> list[str]:
        return [ticker.upper() for ticker in re.split(r"[\s,]+", super().clean(value)) if ticker]


class ScopeForm(ReasonForm):
    field_order = ("markets", "max_markets", "reason")
    markets = TickersField(label="Series, events or markets", required=False)
    max_markets = forms.IntegerField(label="Open markets at once, at most", min_value=1, max_value=1_000)

    def __init__(self, *args: Any, config: StrategyConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(markets="\n".join(config.markets), max_markets=config.max_markets)


class ArmForm(ReasonForm):
    field_order = ("rung", "version", "reason")
    rung = forms.ChoiceField(label="Rung of the ladder")
    version = forms.ModelChoiceField(label="Version", queryset=StrategyVersion.objects.none(), empty_label=None)

    def __init__(self, *args: Any, config: StrategyConfig, rungs: Sequence[Rung], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(version=config.version_id, rung=config.rung)
        rung, version = self.fields["rung"], self.fields["version"]
        assert isinstance(rung, forms.ChoiceField)
        assert isinstance(version, forms.ModelChoiceField)
        rung.choices = [(r.value, r.label) for r in rungs]
        version.queryset = StrategyVersion.objects.filter(strategy=config.version.strategy).select_related("strategy")


class WaiveForm(ReasonForm):
    field_order = ("gate", "reason")
    gate = forms.ChoiceField(label="Gate that may stand open", choices=list(WAIVABLE.items()))


class ReviewForm(ReasonForm):
    """What the review covers; the one who signs is the reviewer."""

    field_order = ("scope", "execution_styles", "reason")
    scope = TickersField(label="Series, events or markets it was reviewed for")
    execution_styles = forms.MultipleChoiceField(
        label="Execution styles it was reviewed for",
        choices=[(mode.value, mode.value.capitalize()) for mode in ExecutionMode],
        widget=forms.CheckboxSelectMultiple,
    )
