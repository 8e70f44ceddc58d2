from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields as dataclass_fields
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.forms.boundfield import BoundWidget

from apps.governance.choices import ProposalEvidenceKind, WorkStatus
from apps.governance.models import EvidenceSlot, ProposalOption, RedesignProposal, WorkItem
from apps.governance.proposal_content import (
    Axis,
    Cause,
    Change,
    Figure,
    OptionContent,
    ProposalContent,
    WatchLine,
    number,
)
from apps.governance.proposal_slots import SlotContent

from .forms import ReasonForm

SEPARATOR = "|"
TIME = "%Y-%m-%dT%H:%M"


class LinesField(forms.CharField):
    """Records of one type, one per line with its parts between bars; what is unreadable is named by its line."""

    def __init__(self, record: type[Any], *, example: str = "", optional: int = 0, **kwargs: Any) -> None:
        self._record = record
        self._names = [one.name for one in dataclass_fields(record)]
        self._least = len(self._names) - optional
        super().__init__(
            required=False,
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
            help_text=f"One per line: {f' {SEPARATOR} '.join(self._names)}. {example}".strip(),
            **kwargs,
        )

    def clean(self, value: Any) -> tuple[Any, ...]:
        text = super().clean(value)
        lines = [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
        return tuple(self._read(at, line) for at, line in lines)

    def _read(self, at: int, line: str) -> Any:
        parts = [part.strip() for part in line.split(SEPARATOR)]
        if not self._least <= len(parts) <= len(self._names):
            wanted = f" {SEPARATOR} ".join(self._names)
            raise forms.ValidationError(f"Line {at} is not of the form: {wanted}")
        return self._record(*parts, *[""] * (len(self._names) - len(parts)))

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        return "\n".join(f" {SEPARATOR} ".join(str(line[name]) for name in self._names) for line in value)


class TextLinesField(forms.CharField):
    """Plain lines, empty ones left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One per line", **kwargs)

    def clean(self, value: Any) -> tuple[str, ...]:
        return tuple(line.strip() for line in super().clean(value).splitlines() if line.strip())

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else "\n".join(value)


class UtcTimeField(forms.DateTimeField):
    """A time in UTC, to the minute."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=TIME)
        super().__init__(input_formats=[TIME, "%Y-%m-%d %H:%M"], widget=widget, **kwargs)


class RevisionForm(ReasonForm):
    """Carries the revision the editor saw, so that nobody overwrites what they have not read."""

    revision = forms.IntegerField(widget=forms.HiddenInput)


class ProposalForm(RevisionForm):
    field_order = ("title", "problem", "baseline", "causes", "axes", "reason", "revision")
    title = forms.CharField(label="Title", max_length=160)
    problem = forms.CharField(label="Problem", max_length=8000, widget=forms.Textarea(attrs={"rows": 4}))
    baseline = LinesField(Figure, label="Figures before the change", example="Example: Orders filled | 0 | orders")
    causes = LinesField(Cause, label="Causes and what answers them", optional=1)
    axes = LinesField(
        Axis, label="What the options are compared on", example="Example: Thin books | Fill rate | % of orders"
    )

    @classmethod
    def of(cls, proposal: RedesignProposal) -> ProposalForm:
        names = ("title", "problem", "baseline", "causes", "axes", "revision")
        return cls(initial={name: getattr(proposal, name) for name in names})

    def content(self) -> ProposalContent:
        names = ("title", "problem", "baseline", "causes", "axes")
        return ProposalContent(**{name: self.cleaned_data[name] for name in names})


class OptionForm(RevisionForm):
    field_order = ("name", "summary", "changes", "pros", "cons", "trade_off", "reason", "revision")
    name = forms.CharField(label="Name", max_length=120)
    summary = forms.CharField(label="Summary", max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))
    changes = LinesField(
        Change, label="Parameter changes", example="Example: MM_MIN_SPREAD_CENTS | 2 | 1 | cents. None: leave empty"
    )
    pros = TextLinesField(label="Speaks for it")
    cons = TextLinesField(label="Speaks against it")
    trade_off = forms.CharField(label="Trade-off", max_length=1000, required=False)

    @classmethod
    def of(cls, option: ProposalOption | None, revision: int) -> OptionForm:
        names = ("name", "summary", "changes", "pros", "cons", "trade_off")
        known = {name: getattr(option, name) for name in names} if option else {}
        return cls(initial={**known, "revision": revision})

    def content(self) -> OptionContent:
        names = ("name", "summary", "changes", "pros", "cons", "trade_off")
        return OptionContent(**{name: self.cleaned_data[name] for name in names})


class PersonField(forms.ModelChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=User.objects.none(), **kwargs)


def people() -> QuerySet[User]:
    return User.objects.filter(is_active=True, is_staff=True).order_by("username")


def _offer_rows(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = rows


def _offer(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


class SlotForm(ReasonForm):
    field_order = ("title", "wanted", "owner", "is_required", "reason")
    title = forms.CharField(label="Evidence", max_length=120)
    wanted = forms.CharField(label="What would fill it", max_length=1000, required=False)
    owner = PersonField(label="Who brings it", required=False, empty_label="Nobody yet")
    is_required = forms.BooleanField(label="Nothing is decided without it", required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer_rows(self, "owner", people())

    def slot(self) -> SlotContent:
        data = self.cleaned_data
        return SlotContent("", data["title"], data["wanted"], data["is_required"])


class EvidenceForm(forms.Form):
    kind = forms.ChoiceField(label="Kind", choices=ProposalEvidenceKind.choices)
    title = forms.CharField(label="Title", max_length=160)
    reference = forms.CharField(label="Where it is", max_length=300, required=False)
    sha256 = forms.CharField(label="SHA-256 of the file", max_length=64, required=False)
    note = forms.CharField(label="What it shows", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class ResultForm(forms.Form):
    """One number on one axis; the unit is the axis' own."""

    option = forms.ChoiceField(label="Option")
    axis = forms.ChoiceField(label="Axis")
    value = forms.CharField(label="Value", max_length=24)
    low = forms.CharField(label="Interval from", max_length=24)
    high = forms.CharField(label="Interval to", max_length=24)
    sample = forms.IntegerField(label="Observations (n)", min_value=1)
    reference = forms.CharField(label="Run or report it comes from", max_length=300)
    sha256 = forms.CharField(label="SHA-256 of the run", max_length=64, required=False)

    def __init__(
        self, *args: Any, proposal: RedesignProposal, options: Sequence[ProposalOption], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        _offer(self, "option", [(str(option.pk), str(option)) for option in options])
        axes = [f"{axis['metric']}, {axis['regime'].lower()} ({axis['unit']})" for axis in proposal.axes]
        _offer(self, "axis", [(str(at), label) for at, label in enumerate(axes)])
        for name in ("value", "low", "high"):
            self.fields[name].widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        self._axes = proposal.axes

    def result(self) -> dict[str, Any]:
        """Keywords of the service. Raises `BadProposal` for what is no number."""
        data = self.cleaned_data
        axis = self._axes[int(data["axis"])]
        return {
            "option_id": int(data["option"]),
            "regime": axis["regime"],
            "metric": axis["metric"],
            **{name: number(data[name], field=name) for name in ("value", "low", "high")},
            **{name: data[name] for name in ("sample", "reference", "sha256")},
        }


class ChoiceForm(ReasonForm):
    """One option to do, one to fall back on, and a reason per empty slot the decision does without."""

    revision = forms.IntegerField(widget=forms.HiddenInput)
    primary = forms.ChoiceField(label="Do first", widget=forms.RadioSelect)
    fallback = forms.ChoiceField(label="Fall back on", widget=forms.RadioSelect)

    def __init__(
        self, *args: Any, options: Sequence[ProposalOption], missing: Sequence[EvidenceSlot], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name in ("primary", "fallback"):
            _offer(self, name, [(option.key, str(option)) for option in options])
        self._slots = {f"waive-{slot.key}": slot for slot in missing}
        for name, slot in self._slots.items():
            self.fields[name] = forms.CharField(label=slot.title, max_length=1000, required=False)

    def rows(self) -> list[tuple[str, str, BoundWidget, BoundWidget]]:
        """Letter, name, and the two radio buttons of each option."""
        pairs = zip(self["primary"], self["fallback"], strict=True)
        return [(first.data["value"], str(first.choice_label), first, second) for first, second in pairs]

    def waiver_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self._slots]

    def waivers(self) -> dict[str, str]:
        return {slot.key: self.cleaned_data[name] for name, slot in self._slots.items()}


class WatchForm(ReasonForm):
    field_order = ("until", "lines", "reason")
    until = UtcTimeField(label="Watch until (UTC)")
    lines = LinesField(WatchLine, label="Forecast", optional=1, example="Example: Fill rate | % | 12")

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["until"].initial = (now + timedelta(days=7)).replace(second=0, microsecond=0)

    def forecast(self) -> list[WatchLine]:
        return [
            WatchLine(line.name, line.unit, line.forecast, line.actual or None) for line in self.cleaned_data["lines"]
        ]


class MeasureForm(ReasonForm):
    """A number beside each forecast; what is left empty stays as it is."""

    def __init__(self, *args: Any, lines: Sequence[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = [f"line-{at}" for at in range(len(lines))]
        for name, line in zip(self._names, lines, strict=True):
            self.fields[name] = forms.CharField(
                label=f"{line['name']}, forecast {line['forecast']} {line['unit']}",
                max_length=24,
                required=False,
                widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
            )
        self.order_fields([*self._names, "reason"])

    def actuals(self) -> list[str | None]:
        return [self.cleaned_data[name].strip() or None for name in self._names]


class WorkForm(ReasonForm):
    field_order = ("title", "owners", "due_at", "estimate", "depends_on", "reason")
    title = forms.CharField(label="Task", max_length=160)
    owners = forms.ModelMultipleChoiceField(
        label="Owners, jointly responsible", queryset=User.objects.none(), widget=forms.CheckboxSelectMultiple
    )
    due_at = UtcTimeField(label="Promised by (UTC)")
    estimate = forms.CharField(label="As it was promised, in words", max_length=60, required=False)
    depends_on = forms.ModelMultipleChoiceField(
        label="Comes after", queryset=WorkItem.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, proposal: RedesignProposal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer_rows(self, "owners", people())
        _offer_rows(self, "depends_on", proposal.work_items.all())


class WorkChangeForm(ReasonForm):
    field_order = ("status", "due_at", "owners", "reason")
    status = forms.ChoiceField(
        label="State", choices=[(one.value, one.label) for one in WorkStatus if one is not WorkStatus.DONE]
    )
    due_at = UtcTimeField(label="Promised by (UTC)")
    owners = forms.ModelMultipleChoiceField(
        label="Owners, jointly responsible", queryset=User.objects.none(), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, data: Any, *, item: WorkItem) -> None:
        super().__init__(data, initial={"status": item.status, "due_at": item.due_at, "owners": item.owners.all()})
        _offer_rows(self, "owners", people())


class CommentForm(forms.Form):
    object_type = forms.CharField(max_length=80, widget=forms.HiddenInput)
    object_id = forms.CharField(max_length=240, widget=forms.HiddenInput)
    supplements = forms.IntegerField(required=False, widget=forms.HiddenInput)
    next = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)
    text = forms.CharField(label="Remark", max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))
