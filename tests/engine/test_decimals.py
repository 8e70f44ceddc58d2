"""Decimal strings to engine integers and back, without loss or a guess."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine import decimals
from apps.engine.errors import BadNumber
from apps.engine.types import Side

PARSERS = [decimals.parse_price, decimals.parse_quantity, decimals.parse_money]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (decimals.parse_price, "0.5200", 5200),
        (decimals.parse_price, "0.52", 5200),
        (decimals.parse_price, "1", 10_000),
        (decimals.parse_price, "0.52000000", 5200),
        (decimals.parse_quantity, "10.00", 1000),
        (decimals.parse_quantity, "-0.27", -27),
        (decimals.parse_money, "0.017500", 17_500),
        (decimals.parse_money, "-1", -1_000_000),
    ],
)
def test_parse(parse: Callable[[str], int], text: str, value: int) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "text",
    ["", "-", ".", ".5", "5.", "1e3", "NaN", "inf", " 1", "1 ", "+1", "1_0", "--1", "0x1", "٣", "1" * 25, "1,0"],
)
def test_rubbish_is_refused(parse: Callable[[str], int], text: str) -> None:
    with pytest.raises(BadNumber):
        parse(text)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("value", [None, 1, 0.5, b"1", Decimal(1)])
def test_only_strings_are_parsed(parse: Callable[[object], int], value: object) -> None:
    with pytest.raises(BadNumber):
        parse(value)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (decimals.parse_price, "1.0001"),
        (decimals.parse_price, "-0.0001"),
        (decimals.parse_price, "0.00001"),
        (decimals.parse_quantity, "0.001"),
        (decimals.parse_money, "0.0000001"),
    ],
)
def test_out_of_range_or_too_fine_is_refused(parse: Callable[[str], int], text: str) -> None:
    with pytest.raises(BadNumber):
        parse(text)


@given(st.integers(-(10**15), 10**15))
def test_money_and_quantity_survive_the_round_trip(value: int) -> None:
    assert decimals.parse_money(decimals.format_money(value)) == value
    assert decimals.parse_quantity(decimals.format_quantity(value)) == value
    assert decimals.money_from_decimal(decimals.money_to_decimal(value)) == value
    assert decimals.quantity_from_decimal(decimals.quantity_to_decimal(value)) == value


@given(st.integers(0, 10_000))
def test_price_survives_the_round_trip(value: int) -> None:
    assert decimals.parse_price(decimals.format_price(value)) == value
    assert decimals.price_from_decimal(decimals.price_to_decimal(value)) == value


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("0.00001")])
def test_decimal_off_the_scale_is_refused(value: Decimal) -> None:
    with pytest.raises(BadNumber):
        decimals.price_from_decimal(value)


def test_sides_mirror_each_other() -> None:
    assert (Side.BID.opposite, Side.ASK.opposite) == (Side.ASK, Side.BID)
    assert (Side.BID.sign, Side.ASK.sign) == (1, -1)
