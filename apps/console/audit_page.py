"""What the audit page is narrowed to, and one row's change laid out for reading."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms

from apps.governance.models import AuditEvent, AuditVerification

_DAY = forms.DateInput(attrs={"type": "date"})


class AuditFilterForm(forms.Form):
    """What stands in the address. An empty field narrows nothing; days are UTC, both of them included."""

    actor = forms.CharField(label="Who", max_length=150, required=False)
    action = forms.CharField(label="Action, or its beginning", max_length=80, required=False)
    object = forms.CharField(label="Object (kind:id)", max_length=321, required=False)
    start = forms.DateField(label="From", required=False, widget=_DAY)
    end = forms.DateField(label="To", required=False, widget=_DAY)

    def clean_object(self) -> tuple[str, str] | None:
        text = self.cleaned_data["object"]
        kind, colon, key = text.partition(":")
        if text and not (kind and colon and key):
            raise forms.ValidationError("A kind and an id, such as risk.RiskLimit:5")
        return (kind, key) if text else None

    def narrowed(self) -> dict[str, Any]:
        """Arguments for `audit_list`; what is not valid narrows nothing and is complained of beside the field."""
        self.is_valid()
        found = self.cleaned_data
        kind, key = found.get("object") or ("", "")
        start, end = found.get("start"), found.get("end")
        return {
            "actor": found.get("actor", ""),
            "action": found.get("action", ""),
            "obj_type": kind,
            "obj_id": key,
            "start": _midnight(start) if start else None,
            "end": _midnight(end) + timedelta(days=1) if end else None,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One name of a row's before and after, as text; None where it has none."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """One row; `problem` is what the last verification found wrong with it, if anything."""

    event: AuditEvent
    changes: tuple[Change, ...]
    problem: str = ""

    @property
    def about(self) -> str:
        """The names that changed, for the closed row."""
        return ", ".join(change.name for change in self.changes if change.old != change.new)


def audit_lines(events: Iterable[AuditEvent], last: AuditVerification | None) -> tuple[Line, ...]:
    problems = {found["sequence"]: found["kind"] for found in last.breaks} if last else {}
    return tuple(
        Line(event, tuple(_changes(event.before, event.after)), problems.get(event.sequence, "")) for event in events
    )


def _changes(before: Any, after: Any) -> Iterator[Change]:
    old, new = _named(before), _named(after)
    for name in [*old, *(name for name in new if name not in old)]:
        yield Change(name, old.get(name), new.get(name))


def _named(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        return {"": _text(value)}
    return {name: _text(item) for name, item in sorted(value.items())}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), UTC)
