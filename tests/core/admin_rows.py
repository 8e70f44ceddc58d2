"""Rows of every kind that the admin lists, made from the models themselves, so that a new one is covered at once."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models

from apps.governance.models import ProposalOption
from tests.factories import NOW

INLINE = 1_000
"""Rows that hang under row 0 of another kind are numbered from here."""
MOST_INLINE = 24
"""A proposal has no more options than there are letters."""


def registered() -> list[type[models.Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


class AdminRows:
    """`make(model, n)` gives the nth row of a kind with relations of its own: row 3 belongs to market 3, and so on."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], Any] = {}
        self._people: dict[str, User] = {}

    def make(self, model: type[models.Model], n: int, **fixed: Any) -> Any:
        key = (model._meta.label, n)
        if key in self._made and not fixed:
            return self._made[key]
        values = {f.name: self._value(f, n) for f in model._meta.concrete_fields if not _fills_itself(f)}
        row = model(**(values | self._held_by_the_database(model._meta.label, n) | fixed))
        row.save(force_insert=True)
        if not fixed:
            self._made[key] = row
        return row

    def person(self, name: str) -> User:
        if name not in self._people:
            self._people[name] = User.objects.create(username=name, is_staff=True)
        return self._people[name]

    def _held_by_the_database(self, label: str, n: int) -> dict[str, Any]:
        """What a kind of row needs beyond the types of its columns, because a constraint says so."""
        match label:
            case "trading.OrderRequest":
                return {"no_inside_information": True}
            case "governance.WorkItem":
                return {"status": "done"}
            case "governance.ProposalOption":
                return {"key": chr(ord("B") + n - INLINE) if n >= INLINE else "A"}
            case "governance.ProposalDecision":
                option = self.make(ProposalOption, n)
                other = ProposalOption.objects.create(
                    proposal=option.proposal, key="Z", name="other", summary="other", updated_at=NOW
                )
                return {"fallback": other}
        return {}

    def _value(self, field: Any, n: int) -> Any:
        if field.is_relation:
            return self._related(field, n)
        if field.choices:
            default = field.get_default()
            return default if default in dict(field.flatchoices) else field.flatchoices[0][0]
        if not field.unique and field.has_default() and not isinstance(field, models.DateTimeField):
            return field.get_default()
        return _plain(field, n)

    def _related(self, field: Any, n: int) -> Any:
        target = field.related_model
        if target is User:
            return self.person(f"{field.name}{n}")
        if target is field.model:
            return None
        return self.make(target, n)


def _fills_itself(field: Any) -> bool:
    return isinstance(field, models.AutoField) or field.generated


def _plain(field: Any, n: int) -> Any:
    match field:
        case models.DateTimeField():
            return NOW + timedelta(minutes=n)
        case models.DateField():
            return date(2026, 1, 1) + timedelta(days=n)
        case models.BooleanField():
            return True
        case models.DecimalField():
            return Decimal("0.5")
        case models.IntegerField():
            # Far from what the platform itself numbers.
            return 100_000 + n if field.unique else n + 1
        case models.JSONField():
            return {}
        case models.GenericIPAddressField():
            return "127.0.0.1"
        case models.BinaryField():
            return bytes([n])
        case _:
            text = f"{field.name}-{n}"
            return text if field.max_length is None or len(text) <= field.max_length else str(n)


def stock(rows: AdminRows, models_: list[type[models.Model]], numbers: range) -> None:
    """Of every kind so many rows, and under row 0 of each so many of what its page shows inline."""
    for model in models_:
        for n in numbers:
            rows.make(model, n)
    for model in models_:
        for inline in admin.site._registry[model].inlines:
            link = inline.fk_name or next(f.name for f in inline.model._meta.fields if f.related_model is model)
            for n in numbers[: MOST_INLINE - numbers.start]:
                rows.make(inline.model, INLINE + n, **{link: rows.make(model, 0)})
