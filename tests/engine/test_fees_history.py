"""The dated schedules against the published documents copied into tests/data/fees."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from apps.engine.errors import BadNumber, UnknownFeeType
from apps.engine.fees import FREE, MAKER, NEXT_CENT, FeeRule, Form, charge_fill
from apps.engine.fees_history import (
    INDEX_PREFIXES,
    MAKER_2025,
    MAKER_LISTS,
    maker_formula,
    rule_on,
    series_of,
    taker_formula,
)
from apps.engine.types import Side

DATA = Path(__file__).parents[1] / "data" / "fees"


@dataclass
class Entry:
    """One entry of the history file: when, who, which form and rate, which series or prefixes."""

    since: date
    values: dict[str, str] = field(default_factory=dict)
    series: list[str] = field(default_factory=list)

    @property
    def rate(self) -> int:
        return int(Decimal(self.values["rate"]) * 10_000)


def _entries() -> list[Entry]:
    lines = (DATA / "fee_history.yaml").read_text().splitlines()
    entries: list[Entry] = []
    for line in lines[lines.index("schedule:") + 1 :]:
        if start := re.fullmatch(r'  - effective_from: "([\d-]+)"', line):
            entries.append(Entry(date.fromisoformat(start[1])))
        elif value := re.fullmatch(r"    (role|form|rate|scope): (.+)", line):
            entries[-1].values[value[1]] = value[2]
        elif series := re.fullmatch(r"        - (\S+)", line):
            entries[-1].series.append(series[1])
    return entries


ENTRIES = _entries()
MAKER_ENTRIES = [e for e in ENTRIES if e.values["role"] == "maker" and e.series]


def test_history_file_was_read_whole() -> None:
    assert len(ENTRIES) == 9
    assert [len(e.series) for e in MAKER_ENTRIES] == [29, 39, 48, 101, 103]


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.values["role"] == "taker"], ids=lambda e: e.since)
def test_taker_rates_are_those_of_the_file(entry: Entry) -> None:
    markets = ["KXFED-25"]
    if "prefixes" in entry.values["scope"]:
        markets = re.findall(r"'(\w+)'", entry.values["scope"])
        assert tuple(markets) == INDEX_PREFIXES
    for market in markets:
        formula = taker_formula(entry.since, market + "D-1")
        assert (formula.form.value, formula.rate) == (entry.values["form"], entry.rate)


@pytest.mark.parametrize("entry", MAKER_ENTRIES, ids=lambda e: e.since)
def test_maker_lists_are_those_of_the_file(entry: Entry) -> None:
    listed = {since: (formula, series) for since, formula, series in MAKER_LISTS}
    formula, series = listed[entry.since]
    assert series == frozenset(entry.series)
    assert (formula.form.value, formula.rate) == (entry.values["form"], entry.rate)
    for name in entry.series:
        assert maker_formula(entry.since, name) == formula
    assert maker_formula(entry.since, "KXHIGHNY") == FREE


@pytest.mark.parametrize(
    ("day", "series", "expected"),
    [
        (date(2024, 12, 1), "KXFED", FREE),
        (date(2025, 5, 12), "KXFED", FREE),
        (date(2025, 5, 13), "KXFED", MAKER_2025),
        (date(2025, 6, 4), "KXNFLGAME", FREE),
        (date(2025, 7, 7), "KXNFLGAME", MAKER_2025),
        (date(2025, 7, 8), "KXNFLGAME", MAKER),
        (date(2025, 9, 16), "KXBTCMAX", MAKER),
        (date(2025, 9, 17), "KXBTCMAX", FREE),
        (date(2026, 2, 1), "KXNFLTOTAL", MAKER),
    ],
)
def test_maker_fee_by_day(day: date, series: str, expected: object) -> None:
    assert maker_formula(day, series) == expected


TABLE_ROW = re.compile(r"\$(0\.\d\d) \$(\d\.\d\d) \$\d+\.\d\d \$(\d\.\d\d)")
INDEX_TABLE = "Specific Trading Fees Table"


def _table_rows() -> list[tuple[str, str, str, str, str]]:
    rows = []
    for file, market in (("20210720", "KX"), ("20210801", "KX"), ("20220926", "KX")):
        text = (DATA / f"schedule_{file}.txt").read_text()
        general, _, index = text.partition(INDEX_TABLE)
        rows += [(file, market, *found) for found in TABLE_ROW.findall(general)]
        rows += [(file, "INXD-22", *found) for found in TABLE_ROW.findall(index)]
    return rows


TABLE_ROWS = _table_rows()


def test_all_printed_tables_were_read() -> None:
    assert len(TABLE_ROWS) == 4 * 21


@pytest.mark.parametrize(("file", "market", "price", "one", "hundred"), TABLE_ROWS)
def test_printed_fee_tables(file: str, market: str, price: str, one: str, hundred: str) -> None:
    at = datetime.strptime(file, "%Y%m%d").replace(tzinfo=UTC)
    rule = rule_on(at, market)
    for contracts, printed in ((100, one), (10_000, hundred)):
        charge = charge_fill(
            rule,
            side=Side.BID,
            price=int(Decimal(price) * 10_000),
            quantity=contracts,
            is_taker=True,
            rounding=NEXT_CENT,
        )
        assert charge.fee == int(Decimal(printed) * 1_000_000)


def test_flat_maker_fee_of_may_2025() -> None:
    rule = rule_on(datetime(2025, 5, 20, tzinfo=UTC), "KXFED-25JUN-T4.25")
    charge = charge_fill(rule, side=Side.BID, price=2000, quantity=500, is_taker=False, rounding=NEXT_CENT)
    assert rule.formula(is_taker=False).form is Form.FLAT_PER_CONTRACT
    assert charge.fee == 20_000


def test_recorded_series_rule_needs_its_date() -> None:
    ticker = "KXMLBGAME-26AUG14"
    assert rule_on(datetime(2026, 8, 14, tzinfo=UTC), ticker) == FeeRule.of("quadratic_with_maker_fees", "0.5")
    assert rule_on(datetime(2026, 5, 1, tzinfo=UTC), ticker).fee_type == "published_schedule"


def test_day_is_that_of_utc() -> None:
    late = datetime.fromisoformat("2025-05-12T21:00:00-04:00")
    assert rule_on(late, "KXFED-1").formula(is_taker=False) == MAKER_2025


def test_nothing_is_known_before_the_first_schedule() -> None:
    with pytest.raises(UnknownFeeType):
        rule_on(datetime(2021, 6, 30, tzinfo=UTC), "KXFED-1")
    with pytest.raises(BadNumber):
        rule_on(datetime(2022, 1, 1), "KXFED-1")  # noqa: DTZ001 - the zone is what is missing


def test_series_of_ticker() -> None:
    assert series_of("KXHIGHNY-26NOV20-T55") == "KXHIGHNY"
    assert series_of("KXHIGHNY") == "KXHIGHNY"
