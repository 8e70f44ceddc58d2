from __future__ import annotations

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.core.admintasks import ReasonForm

from .choices import LimitRule, Scope


class ScopeForm(ReasonForm):
    """Which part of the trade a step applies to."""

    scope = forms.ChoiceField(choices=Scope.choices, widget=UnfoldAdminSelectWidget(), label="What")
    scope_id = forms.CharField(
        required=False,
        max_length=160,
        label="Which one",
        help_text="Account name, strategy, series or market ticker; empty for everything",
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order: tuple[str, ...] = ("scope", "scope_id", "reason")


class HaltForm(ReasonForm):
    """A stop does not wait for words."""

    reason = forms.CharField(
        required=False,
        max_length=2000,
        label="Reason",
        help_text="May be left empty: stopping never waits.",
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class HaltScopeForm(HaltForm, ScopeForm):
    field_order = ("scope", "scope_id", "reason")


class LimitValueForm(ReasonForm):
    value = forms.CharField(
        max_length=24, label="Proposed value", help_text="A plain decimal number", widget=UnfoldAdminTextInputWidget()
    )
    field_order = ("value", "reason")


class NewLimitForm(ScopeForm):
    rule = forms.ChoiceField(choices=LimitRule.choices, widget=UnfoldAdminSelectWidget(), label="Rule")
    value = forms.CharField(max_length=24, label="Value", widget=UnfoldAdminTextInputWidget())
    field_order = ("scope", "scope_id", "rule", "value", "reason")
