"""List filters that are questions, with an answer to each link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.filters import ChoicesFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

SPANS = {
    "hour": ("In the last hour", timedelta(hours=1)),
    "day": ("In the last day", timedelta(days=1)),
    "week": ("In the last week", timedelta(days=7)),
}


class Question(SimpleListFilter):
    """`answers` maps what stands in the address to what stands on the link; `narrow` gives the rows of an answer.

    An answer that is not in the table sends the reader back to the whole list instead of showing it as if narrowed.
    """

    answers: ClassVar[Mapping[str, str]] = {"yes": "Yes", "no": "No"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.answers.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        answer = self.value()
        if answer is None:
            return queryset
        if answer not in self.answers:
            raise IncorrectLookupParameters(f"{answer!r} is no answer to: {self.title}")
        return self.narrow(queryset, answer, request, timezone.now())

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        raise NotImplementedError


class YesNo(Question):
    """`chosen` gives the rows for which the answer is yes; all others are a no."""

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        yes = self.chosen(queryset, now).values("pk")
        return queryset.filter(pk__in=yes) if answer == "yes" else queryset.exclude(pk__in=yes)

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        raise NotImplementedError


def happened(field: str, question: str) -> type[Question]:
    """When did it happen: in the last hour, day or week, by the time in `field`."""

    class Happened(Question):
        title = question
        parameter_name = f"{field}_within"
        answers = {name: label for name, (label, _) in SPANS.items()}

        def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
            return queryset.filter(**{f"{field}__gte": now - SPANS[answer][1]})

    return Happened


def asks(question: str, base: type[FieldListFilter] = ChoicesFieldListFilter) -> type[FieldListFilter]:
    """A list filter that is headed by the operator's question: `("status", asks("What became of it?"))`."""

    class Asked(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = question

    return Asked
