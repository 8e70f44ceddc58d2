from __future__ import annotations

from django import forms
from django.contrib.auth.models import User
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.core.admintasks import ReasonForm

from .choices import LimitRule, ResumeCheck, Scope
from .services.restrictions import RESTRICTABLE


class ScopeForm(ReasonForm):
    """Which part of the trade a step applies to."""

    scope = forms.ChoiceField(choices=Scope.choices, widget=UnfoldAdminSelectWidget(), label="What")
    scope_id = forms.CharField(
        required=False,
        max_length=160,
        label="Which one",
        help_text="Name, slug or ticker; * for each of its kind; empty for everything",
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


class ResumeForm(ReasonForm):
    """Every line has to be ticked by hand."""

    checked = forms.MultipleChoiceField(
        choices=ResumeCheck.choices, widget=forms.CheckboxSelectMultiple(), label="Checklist"
    )
    field_order = ("checked", "reason")


class LimitValueForm(ReasonForm):
    value = forms.CharField(
        max_length=24, label="Proposed value", help_text="A plain decimal number", widget=UnfoldAdminTextInputWidget()
    )
    field_order = ("value", "reason")


class NewLimitForm(ScopeForm):
    rule = forms.ChoiceField(choices=LimitRule.choices, widget=UnfoldAdminSelectWidget(), label="Rule")
    value = forms.CharField(max_length=24, label="Value", widget=UnfoldAdminTextInputWidget())
    field_order = ("scope", "scope_id", "rule", "value", "reason")


def _members_field() -> forms.CharField:
    return forms.CharField(
        label="Members",
        max_length=100_000,
        help_text="Tickers of series, events or markets, separated by spaces or new lines",
        widget=UnfoldAdminTextareaWidget({"rows": 6}),
    )


class ThemeMembersForm(ReasonForm):
    members = _members_field()
    field_order = ("members", "reason")


class NewThemeForm(ReasonForm):
    slug = forms.CharField(max_length=60, label="Short name", widget=UnfoldAdminTextInputWidget())
    name = forms.CharField(max_length=120, label="Name", widget=UnfoldAdminTextInputWidget())
    description = forms.CharField(
        required=False, max_length=2000, label="What they share", widget=UnfoldAdminTextareaWidget({"rows": 2})
    )
    members = _members_field()
    field_order = ("slug", "name", "description", "members", "reason")


class RestrictionForm(ReasonForm):
    scope = forms.ChoiceField(
        choices=[(scope.value, scope.label) for scope in RESTRICTABLE], widget=UnfoldAdminSelectWidget(), label="What"
    )
    scope_id = forms.CharField(
        max_length=160, label="Which one", help_text="Its name, slug or ticker", widget=UnfoldAdminTextInputWidget()
    )
    person = forms.ModelChoiceField(
        queryset=User.objects.filter(is_active=True).order_by("username"),
        required=False,
        empty_label="The whole firm",
        label="For whom",
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ("scope", "scope_id", "person", "reason")
