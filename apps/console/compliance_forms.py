from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone

from apps.core.exceptions import ApplicationError
from apps.core.permissions import holders
from apps.governance.choices import CompliancePermission, IncidentStatus, Severity
from apps.governance.models import Incident
from apps.governance.services.lessons import About
from apps.risk.services.restrictions import RESTRICTABLE
from apps.trading.models import StrategyVersion

_KINDS = {scope.value for scope in RESTRICTABLE}


def _words(label: str, *, rows: int = 2, required: bool = True, help_text: str = "") -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(label=label, max_length=8000, widget=widget, required=required, help_text=help_text)


class ServiceForm(forms.Form):
    """Carries what was typed to a service and takes back what the service says of it."""

    def add_service_error(self, error: ApplicationError) -> None:
        """At the field the service names, else above the form."""
        field = error.extra.get("field")
        self.add_error(field if field in self.fields else None, error.message)


class _PersonField(forms.ModelChoiceField):
    """Somebody who may work incidents."""

    def __init__(self, label: str) -> None:
        super().__init__(queryset=User.objects.none(), label=label, empty_label="Choose")


class _OwnerForm(ServiceForm):
    owner = _PersonField("Owner")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["owner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = holders(CompliancePermission.WORK_INCIDENTS.full).order_by("username")


class IncidentForm(ServiceForm):
    title = forms.CharField(label="Title", max_length=160)
    severity = forms.ChoiceField(label="Severity", choices=Severity.choices, initial=Severity.WARNING)
    text = _words("What happened, as far as it is known")


class NoteForm(ServiceForm):
    kind = forms.ChoiceField(label="Kind", choices=[("note", "Note"), ("cause", "Cause")])
    text = _words("What to add to the timeline")


class MoveForm(ServiceForm):
    """The steps that lead on from `now`; without it all of them, and the service decides."""

    status = forms.ChoiceField(label="Step")
    text = _words("What was done")

    def __init__(self, *args: Any, now: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["status"]
        assert isinstance(field, forms.ChoiceField)
        steps = (IncidentStatus.ACKNOWLEDGED, IncidentStatus.MITIGATED)
        field.choices = [(one.value, one.label) for one in steps if one != now]


class AssignForm(_OwnerForm):
    text = _words("Why")


class ActionForm(_OwnerForm):
    field_order = ("text", "owner", "due_on")
    text = _words("What shall be done")
    due_on = forms.DateField(label="Due on", widget=forms.DateInput(attrs={"type": "date"}))


class CloseForm(ServiceForm):
    text = _words("How it ended")
    none_needed_because = _words("No action is needed because", required=False, help_text="Only if there is no action")


class DoneForm(ServiceForm):
    text = _words("How it was done", rows=1)


class LessonForm(ServiceForm):
    title = forms.CharField(label="Title", max_length=160)
    text = _words("What was learned", rows=4)
    tags = forms.CharField(label="Tags, comma separated", max_length=200, required=False)
    incident = forms.ModelChoiceField(queryset=Incident.objects.none(), required=False, empty_label="None")
    versions = forms.ModelMultipleChoiceField(
        label="Strategy versions it is about", queryset=StrategyVersion.objects.none(), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, rows in (
            ("incident", Incident.objects.all()),
            ("versions", StrategyVersion.objects.select_related("strategy")),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows

    def about(self) -> list[About]:
        label = StrategyVersion._meta.label
        return [About(label, str(version.pk), str(version)) for version in self.cleaned_data["versions"]]


class AttestationForm(ServiceForm):
    employer = forms.CharField(label='Employer outside this team, or "none"', max_length=160)
    restricted = _words(
        "Closed to me because of it",
        rows=3,
        required=False,
        help_text=f"One per line: a kind and its name, e.g. series KXHIGHNY. Kinds: {', '.join(sorted(_KINDS))}",
    )

    def clean_restricted(self) -> list[tuple[str, str]]:
        found = []
        for number, line in enumerate(self.cleaned_data["restricted"].splitlines(), 1):
            kind, _, name = line.strip().partition(" ")
            if not kind:
                continue
            if kind.lower() not in _KINDS or not name.strip():
                raise forms.ValidationError(f"Line {number} is not a kind and a name: {line.strip()}")
            found.append((kind.lower(), name.strip()))
        return found


class TermsForm(ServiceForm):
    title = forms.CharField(label="Title", max_length=160)
    text = _words("Text", rows=10)
    valid_on = forms.DateField(
        label="In force from (empty: at once)", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def valid_from(self, now: datetime) -> datetime:
        day = self.cleaned_data["valid_on"]
        return now if day is None else timezone.make_aware(datetime.combine(day, time.min))


class ReviewForm(ServiceForm):
    review = forms.CharField(label="What follows from it", max_length=500)
