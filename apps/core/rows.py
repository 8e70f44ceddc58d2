"""Inserts for the hot path: the statement of a model is built once, and only the values are prepared per row.

Django builds the SQL of every insert anew, which costs several times the insert itself (measured: 1.7 ms against
0.4 ms for an order with its decision and first event). Values still go through the model's own fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection, models

# Columns whose Python value every driver takes as it is; the others go through their field.
_PLAIN = (models.CharField, models.TextField, models.BooleanField, models.IntegerField, models.ForeignKey)


class _Statement:
    """`INSERT` of all concrete fields of a model but the automatic key."""

    def __init__(self, model: type[models.Model]) -> None:
        meta = model._meta
        fields = [f for f in meta.concrete_fields if not f.primary_key]
        columns = ", ".join(connection.ops.quote_name(str(f.column)) for f in fields)
        marks = ", ".join(["%s"] * len(fields))
        table, key = connection.ops.quote_name(meta.db_table), connection.ops.quote_name(str(meta.pk.column))
        self.plain = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608  names come from the model
        self.returning = f"{self.plain} RETURNING {key}"
        self._names = [f.attname for f in fields]
        self._prepared = [(i, f) for i, f in enumerate(fields) if not isinstance(f, _PLAIN)]

    def values(self, row: models.Model) -> list[Any]:
        state = row.__dict__
        values = [state[name] for name in self._names]
        for i, field in self._prepared:
            if values[i] is not None:
                values[i] = field.get_db_prep_save(values[i], connection)
        return values


@cache
def _statement(model: type[models.Model], vendor: str) -> _Statement:
    return _Statement(model)


def insert_row(row: models.Model) -> int:
    """Inserts one new row and returns its key, which the row then carries. Database errors as usual."""
    statement = _statement(type(row), connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(statement.returning, statement.values(row))
        row.pk = cursor.fetchone()[0]
    row._state.adding = False
    return int(row.pk)


def insert_rows(rows: Sequence[models.Model] | Iterable[models.Model]) -> None:
    """Inserts many rows of one model without reading their keys back."""
    rows = list(rows)
    if not rows:
        return
    statement = _statement(type(rows[0]), connection.vendor)
    with connection.cursor() as cursor:
        cursor.executemany(statement.plain, [statement.values(row) for row in rows])
