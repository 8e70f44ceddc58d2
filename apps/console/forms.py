from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms

from apps.engine.types import TimeInForce
from apps.marketdata.exceptions import MarketUnknown
from apps.marketdata.models import Market
from apps.marketdata.selectors import market_get
from apps.trading.choices import OrderStatus
from apps.trading.models import Account
from apps.trading.selectors import OrderFilter
from apps.trading.services.manual_orders import Wanted

from .resuming import CHECKS
from .stopping import EVERYTHING, is_target, target_text

STOP_REASON = "Operator stop from the console"


class KillForm(forms.Form):
    """The reason is filled in already: stopping must cost no typing."""

    target = forms.ChoiceField(label="What to stop")
    reason = forms.CharField(label="Reason", max_length=500, required=False, initial=STOP_REASON)

    def __init__(self, *args: Any, choices: Sequence[Any], target: str = EVERYTHING, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["target"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(choices)
        field.initial = target
        asked = self.data.get("target", "") if self.is_bound else ""
        if is_target(asked) and not field.valid_value(asked):
            # What has left the list since the page was made can be stopped all the same.
            field.choices = [*field.choices, (asked, target_text(asked))]

    def scope(self) -> tuple[str, str]:
        kind, _, which = self.cleaned_data["target"].partition(":")
        return kind, which


class ReasonForm(forms.Form):
    reason = forms.CharField(label="Reason", max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))


class ResumeForm(ReasonForm):
    """Every line of the checklist has to be ticked by hand."""

    scope = forms.CharField(max_length=12, widget=forms.HiddenInput)
    scope_id = forms.CharField(max_length=160, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in CHECKS.items():
            self.fields[name] = forms.BooleanField(
                label=label, error_messages={"required": "Tick this once it is true"}
            )

    @property
    def stop_key(self) -> str:
        return f"{self.data.get('scope', '')}:{self.data.get('scope_id', '')}"

    def ticked(self) -> list[str]:
        return [name for name in CHECKS if self.cleaned_data[name]]

    def checks(self) -> list[forms.BoundField]:
        return [self[name] for name in CHECKS]


class ManualOrderForm(ReasonForm):
    """Carries what was typed; the service says what is wrong with it, and at which field."""

    field_order = ("market", "side", "price", "quantity", "time_in_force", "post_only", "reduce_only", "reason")
    market = forms.CharField(label="Market", max_length=160)
    side = forms.ChoiceField(label="Side", choices=[("", "Choose"), ("bid", "Buy YES"), ("ask", "Sell YES")])
    price = forms.DecimalField(label="Price of YES in dollars", max_digits=8, decimal_places=4)
    quantity = forms.DecimalField(label="Contracts", max_digits=20, decimal_places=2)
    time_in_force = forms.ChoiceField(
        label="Time in force",
        choices=[
            (TimeInForce.GOOD_TILL_CANCELED.value, "Rests until canceled"),
            (TimeInForce.IMMEDIATE_OR_CANCEL.value, "Takes what it can, rest canceled"),
            (TimeInForce.FILL_OR_KILL.value, "All at once or nothing"),
        ],
    )
    post_only = forms.BooleanField(label="Only rest, never take", required=False)
    reduce_only = forms.BooleanField(label="Only reduce a position", required=False)
    no_inside_information = forms.BooleanField(
        label="I know nothing about this market that is not public",
        error_messages={"required": "Confirm this, or do not place the order"},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("price", "quantity"):
            self.fields[name].widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def clean_market(self) -> Market:
        try:
            return market_get(ticker=self.cleaned_data["market"].strip().upper())
        except MarketUnknown:
            raise forms.ValidationError("No such market in the catalogue") from None

    def wanted(self) -> Wanted:
        names = ("market", "side", "price", "quantity", "time_in_force", "post_only", "reduce_only")
        return Wanted(**{name: self.cleaned_data[name] for name in names})


class OrderFilterForm(forms.Form):
    market = forms.CharField(required=False, max_length=160)
    status = forms.ChoiceField(required=False, choices=[("", "Any"), *OrderStatus.choices])
    side = forms.ChoiceField(required=False, choices=[("", "Both"), ("bid", "Buy YES"), ("ask", "Sell YES")])
    open = forms.BooleanField(required=False, label="Open only")

    def narrowed(self) -> OrderFilter:
        """The valid part of what was asked; a value that does not exist narrows to nothing it names."""
        data = self.cleaned_data if self.is_valid() else getattr(self, "cleaned_data", {})
        return OrderFilter(
            market=data.get("market", ""),
            status=data.get("status", ""),
            side=data.get("side", ""),
            is_open=data.get("open", False),
        )


class ExportForm(forms.Form):
    account = forms.ModelChoiceField(queryset=Account.objects.none(), empty_label=None)
    days = forms.IntegerField(label="Days up to now", min_value=1, max_value=366, initial=30)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["account"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Account.objects.all()

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        return now - timedelta(days=self.cleaned_data["days"]), now
