from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from apps.core.csv import BadCell, cell_text, csv_bytes, csv_lines


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1", "\uff1d1", "\uff0b1", "\u00a0=1"]
)
def test_text_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert cell_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "KXBTC15M", "a=b", "1-2", "it's"])
def test_other_text_is_left_alone(text: str) -> None:
    assert cell_text(text) == text


def test_typed_cells() -> None:
    assert cell_text(Decimal("-0.000001")) == "-0.000001"
    assert cell_text(Decimal("1E+3")) == "1000"
    assert cell_text(-7) == "-7"
    assert cell_text(True) == "true"
    assert cell_text(None) == ""
    east = datetime(2026, 11, 20, 7, tzinfo=timezone(timedelta(hours=-5)))
    assert cell_text(east) == "2026-11-20T12:00:00+00:00"


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), Decimal("NaN"), Decimal("Infinity"), datetime(2026, 1, 1), object()],  # noqa: DTZ001
)
def test_values_without_an_exact_form_are_refused(value: object) -> None:
    with pytest.raises(BadCell):
        cell_text(value)  # type: ignore[arg-type]


def test_lines_quote_and_end_in_crlf_and_rows_must_fit() -> None:
    assert csv_bytes(["a", "b"], [["x,y", 'say "no"']]) == b'a,b\r\n"x,y","say ""no"""\r\n'
    with pytest.raises(BadCell):
        list(csv_lines(["a"], [["x", "y"]]))


def test_lines_come_one_at_a_time() -> None:
    lines = csv_lines(["n"], ([n] for n in range(10**9)))
    assert [next(lines), next(lines)] == ["n\r\n", "0\r\n"]
