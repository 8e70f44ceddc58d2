"""The one way a table leaves the platform as CSV: typed cells, UTC times, and no cell a spreadsheet would run.

Cells by type: str is neutralised with a leading apostrophe when a spreadsheet would take it for a formula; Decimal and
int are written as plain decimal digits, so a negative number stays a number; an aware datetime becomes ISO 8601 in UTC
with its offset; bool becomes true or false; None becomes the empty cell. Anything else, float and naive times
included, is refused with `BadCell`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

Cell = str | int | bool | Decimal | datetime | None

# The ASCII starters of a formula, their full-width twins, and the control characters some programs skip first.
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL_STARTS = ("\t", "\r", "\n", "\0")


class BadCell(TypeError):
    """A value that has no exact, unambiguous form in a CSV cell."""


def safe_text(text: str) -> str:
    """`text`, with an apostrophe in front if a spreadsheet could read it as a formula."""
    if text.startswith(_CONTROL_STARTS) or text.lstrip().startswith(_FORMULA_STARTS):
        return f"'{text}"
    return text


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise BadCell(f"a time without a zone cannot be exported: {value!r}")
    return value.astimezone(UTC).isoformat()


def cell_text(value: Cell) -> str:
    """The text of one cell; raises `BadCell` for a type that is not in the list above."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return safe_text(value)
        case int():
            return str(value)
        case Decimal() if value.is_finite():
            return f"{value:f}"
        case datetime():
            return _instant(value)
        case _:
            raise BadCell(f"no exact CSV form for {type(value).__name__}: {value!r}")


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Header and rows, one CSV line (with CRLF) at a time, so that a long table can be streamed.

    A row that is longer or shorter than the header is refused with `BadCell`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def line(cells: Iterable[str]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(cells)
        return buffer.getvalue()

    yield line(safe_text(column) for column in columns)
    for row in rows:
        if len(row) != len(columns):
            raise BadCell(f"a row of {len(row)} cells under {len(columns)} columns")
        yield line(cell_text(cell) for cell in row)


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """The same as UTF-8 bytes, for a file whose hash is recorded."""
    return "".join(csv_lines(columns, rows)).encode()
