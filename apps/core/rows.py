"""Inserts for the hot path: a model's statement is built once, and only the values are prepared for each row.

Django builds model, SQL and parameters of every insert anew, which costs several times the insert itself (measured:
1.7 ms against 0.4 ms for an order with its decision and first event).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import connection, models

Values = Mapping[str, Any]
"""Column attribute (`order_id`, not `order`) to value, for every column but the key."""


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
        self._prepared = [(i, prepare) for i, f in enumerate(fields) if (prepare := _preparation(f)) is not None]

    def values(self, row: Values) -> list[Any]:
        """Raises `KeyError` for a column that was left out: there are no silent defaults here."""
        values = [row[name] for name in self._names]
        for i, prepare in self._prepared:
            if values[i] is not None:
                values[i] = prepare(values[i])
        return values


def _preparation(field: Any) -> Callable[[Any], Any] | None:
    """How a column's value becomes what the driver takes; None where it takes it as it is."""
    if isinstance(field, models.JSONField):
        return lambda value: field.get_db_prep_save(value, connection)
    if connection.vendor != "sqlite":
        return None
    if isinstance(field, models.DecimalField):
        return _plain_decimal
    if isinstance(field, models.DateTimeField):
        return _naive_utc
    return None


def _plain_decimal(value: Decimal) -> str:
    return f"{value:f}"


def _naive_utc(value: datetime) -> str:
    return str(value.astimezone(UTC).replace(tzinfo=None))


@cache
def _statement(model: type[models.Model], vendor: str) -> _Statement:
    return _Statement(model)


def insert_row(model: type[models.Model], row: Values) -> int:
    """Inserts one row and returns its key. Database errors as usual."""
    statement = _statement(model, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(statement.returning, statement.values(row))
        return int(cursor.fetchone()[0])


def insert_rows(model: type[models.Model], rows: Sequence[Values]) -> None:
    """Inserts many rows without reading their keys back."""
    statement = _statement(model, connection.vendor)
    with connection.cursor() as cursor:
        cursor.executemany(statement.plain, [statement.values(row) for row in rows])
