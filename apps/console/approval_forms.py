"""Forms around a request: deciding, editing, evidence, the table of signatures, and looking at what one did alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django import forms

from apps.core.exceptions import ApplicationError
from apps.governance.choices import Direction, LinkKind, Vote
from apps.governance.evidence import EvidenceLink, checked_evidence
from apps.governance.handlers import EditField
from apps.governance.signoff_handler import DIRECTIONS, ENVIRONMENTS

from .forms import ReasonForm

EMPTY_LINKS = 2
FLAGS = ("true", "false")
LINK_PARTS = ("kind", "title", "reference", "sha256")


class RevisionForm(ReasonForm):
    """Carries the revision that the person was looking at."""

    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class VoteForm(RevisionForm):
    vote = forms.ChoiceField(choices=Vote.choices, widget=forms.HiddenInput)


class EvidenceLine(NamedTuple):
    """One piece of evidence of a form: its four fields."""

    kind: forms.BoundField
    title: forms.BoundField
    reference: forms.BoundField
    sha256: forms.BoundField


class EvidenceForm(ReasonForm):
    """Any form that offers evidence: what there is and room for more; a line without a kind is no evidence."""

    def __init__(self, *args: Any, evidence: Sequence[EvidenceLink] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        given = sum(name.startswith("evidence_") and name.endswith("_kind") for name in self.data)
        self._lines = max(given, len(evidence) + EMPTY_LINKS)
        for number in range(self._lines):
            link = evidence[number] if number < len(evidence) else EvidenceLink("", "")
            for name, field in _evidence_fields(link, number).items():
                self.fields[f"evidence_{number}_{name}"] = field

    def evidence_lines(self) -> list[EvidenceLine]:
        return [EvidenceLine(*(self[f"evidence_{n}_{part}"] for part in LINK_PARTS)) for n in range(self._lines)]

    def evidence(self) -> list[EvidenceLink]:
        data = self.cleaned_data
        links = (EvidenceLink(*(data[f"evidence_{n}_{part}"] for part in LINK_PARTS)) for n in range(self._lines))
        return [link for link in links if link.kind]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                checked_evidence(self.evidence())
            except ApplicationError as error:
                self.add_error(None, error.message)
        return data


class EditRequestForm(EvidenceForm):
    """What the owner of the change lets be edited, the evidence, and when to apply it."""

    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
    apply_after = forms.DateTimeField(
        label="Apply not before (UTC), if not at once",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, fields: Sequence[EditField], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._edits = fields
        for edit in fields:
            self.fields[f"value_{edit.name}"] = _value_field(edit)

    def lines(self) -> list[tuple[forms.BoundField, EditField]]:
        return [(self[f"value_{edit.name}"], edit) for edit in self._edits]

    def values(self) -> dict[str, str]:
        return {edit.name: self.cleaned_data[f"value_{edit.name}"] for edit in self._edits}

    def clean_apply_after(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["apply_after"]
        return None if at is None else at.replace(tzinfo=UTC)

    def add_service_error(self, error: ApplicationError) -> None:
        field = f"value_{error.extra.get('field')}"
        self.add_error(field if field in self.fields else None, error.message)


class SignoffForm(ReasonForm):
    """A rule for the table: whom it needs, for which changes. All zero retires it."""

    field_order = ("action", "environment", "direction")
    action = forms.ChoiceField(label="Changes")
    environment = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((name, name.capitalize()) for name in ENVIRONMENTS)]
    )
    direction = forms.ChoiceField(
        required=False, label="Effect on risk", choices=[("", "Any"), *((d, Direction(d).label) for d in DIRECTIONS)]
    )

    def __init__(self, *args: Any, actions: Sequence[tuple[str, str]], roles: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["action"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(actions)
        self._roles = roles
        for role in roles:
            widget = forms.NumberInput(attrs={"inputmode": "numeric"})
            label = f"Signatures of {role}"
            self.fields[f"role_{role}"] = forms.IntegerField(
                label=label, min_value=0, max_value=5, initial=0, widget=widget
            )
        self.order_fields(["action", "environment", "direction", *(f"role_{role}" for role in roles), "reason"])

    def needs(self) -> dict[str, int] | None:
        needs = {role: self.cleaned_data[f"role_{role}"] for role in self._roles}
        return {role: count for role, count in needs.items() if count} or None


def _evidence_fields(link: EvidenceLink, number: int) -> dict[str, forms.Field]:
    said = f"of evidence {number + 1}"
    kinds = [("", "—"), *LinkKind.choices]

    def text(label: str, value: str, size: int) -> forms.Field:
        widget = forms.TextInput(attrs={"aria-label": f"{label} {said}", "autocomplete": "off"})
        return forms.CharField(required=False, label=label, initial=value, max_length=size, widget=widget)

    return {
        "kind": forms.ChoiceField(
            required=False,
            label="Kind",
            choices=kinds,
            initial=link.kind,
            widget=forms.Select(attrs={"aria-label": f"Kind {said}"}),
        ),
        "title": text("Title", link.title, 160),
        "reference": text("Where it is found", link.reference, 300),
        "sha256": text("SHA-256", link.sha256, 64),
    }


def _value_field(edit: EditField) -> forms.Field:
    offered = edit.choices or (FLAGS if edit.value in FLAGS else ())
    if offered:
        choices = [(choice, {"true": "Yes", "false": "No"}.get(choice, choice.capitalize())) for choice in offered]
        return forms.ChoiceField(label=edit.label, choices=choices, initial=edit.value)
    widget = forms.TextInput(attrs={"autocomplete": "off"})
    return forms.CharField(label=edit.label, max_length=20_000, initial=edit.value, widget=widget)
