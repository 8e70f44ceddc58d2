"""What the admin's front page shows above and beside its lists: panels, what waits for a person, and counts.

The apps say what belongs there: `PANELS.append(...)` and `WAITING.append(...)` in their admin modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode

from .admin_columns import WARN, Mark

CAP = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A piece of the page with a template of its own, for those who hold `permission`."""

    template: str
    permission: str
    context: Callable[[HttpRequest, datetime], dict[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Rows somebody has to see to. `admin_list` ("risk_killrun") with `narrowed` as its query shows exactly those."""

    label: str
    admin_list: str
    narrowed: dict[str, str]
    rows: Callable[[User, datetime], QuerySet]
    mark: Mark = WARN

    @property
    def permission(self) -> str:
        app, _, model = self.admin_list.partition("_")
        return f"{app}.view_{model}"

    @property
    def href(self) -> str:
        return f"{reverse(f'admin:{self.admin_list}_changelist')}?{urlencode(self.narrowed)}"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many, up to `CAP`; `text` says when there are more."""

    number: int
    words: str = ""

    @property
    def text(self) -> str:
        number = f"{CAP:,}+" if self.number > CAP else f"{self.number:,}"
        return f"{number} {self.words}".rstrip()


@dataclass(slots=True)
class WaitingLine:
    label: str
    href: str
    mark: Mark
    count: Counted = field(default_factory=lambda: Counted(0))


PANELS: list[Panel] = []
WAITING: list[Waiting] = []


def panels_html(request: HttpRequest, now: datetime) -> list[str]:
    return [
        render_to_string(panel.template, panel.context(request, now), request)
        for panel in PANELS
        if request.user.has_perm(panel.permission)
    ]


def waiting_for(user: User) -> list[Waiting]:
    return [line for line in WAITING if user.has_perm(line.permission)]


def capped_counts(querysets: Sequence[QuerySet]) -> list[int]:
    """The number of rows of each, at most `CAP` + 1: one query, which looks at no more rows than that."""
    parts: list[str] = []
    values: list[Any] = []
    for place, rows in enumerate(querysets):
        try:
            sql, params = rows.order_by().values("pk")[: CAP + 1].query.sql_with_params()
        except EmptyResultSet:
            continue
        parts.append(f"SELECT {place}, COUNT(*) FROM ({sql}) AS found")  # noqa: S608  made by the ORM
        values.extend(params)
    counts = [0] * len(querysets)
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            for place, number in cursor.fetchall():
                counts[place] = number
    return counts
