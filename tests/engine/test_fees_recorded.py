"""Every recorded fill of 2026, predicted: exact under the rule of its day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from apps.engine.decimals import parse_money, parse_price, parse_quantity
from apps.engine.fees import DIRECT, DIRECT_JUNE_2026, FeeRule
from apps.engine.fees_check import RecordedFill, compare
from apps.engine.fees_history import RECORDED_RULES, rule_on
from apps.engine.types import Side

DATA = Path(__file__).parents[1] / "data" / "fees"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "rest"
FILES = sorted(
    [
        *DATA.glob("*fills*.json"),
        *SHARED.glob("*/portfolio_fills_redacted.json"),
        *SHARED.glob("*/fills__*_taker.json"),
    ]
)


def _fills(path: Path) -> Iterator[RecordedFill]:
    body = json.loads(path.read_text())
    for row in body.get("payload", body)["fills"]:
        at = datetime.fromisoformat(row["created_time"])
        yield RecordedFill(
            trade_id=row["trade_id"],
            order_id=row["order_id"],
            ticker=row["ticker"],
            side=Side(row["book_side"]),
            price=parse_price(row["yes_price_dollars"]),
            quantity=parse_quantity(row["count_fp"]),
            is_taker=row["is_taker"],
            charged=parse_money(row["fee_cost"]),
            at=at,
            rule=rule_on(at, row["ticker"]),
        )


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_recorded_fee_is_predicted_exactly(path: Path) -> None:
    rows = compare(_fills(path))
    assert len(rows) in (3, 33)
    assert {row.rounding for row in rows} == {DIRECT_JUNE_2026.name}
    assert [row for row in rows if row.difference] == []


def test_one_fill_of_august_tells_the_two_rules_apart() -> None:
    """71.94 @ 0.013, charged 0.06478: today's rule says 0.06468, that of its day rounds the trade fee up to
    $0.0001 first and says 0.06478. The other 35 recorded fills come out alike under both."""
    rows = [row for path in DATA.glob("*fills*.json") for row in compare(_fills(path), rounding=DIRECT)]
    assert len(rows) == 36
    [odd] = [row for row in rows if row.difference]
    assert (odd.fill.quantity, odd.fill.price) == (7194, 130)
    assert (odd.predicted, odd.charged, odd.difference) == (64_680, 64_780, 100)


def test_multipliers_are_those_the_exchange_reported() -> None:
    payloads = json.loads((DATA / "series_fee_fields.json").read_text(), parse_float=Decimal)["payloads"]
    for ticker, payload in payloads.items():
        series = payload["series"]
        reported = FeeRule.of(series["fee_type"], series["fee_multiplier"])
        if ticker in RECORDED_RULES:
            assert RECORDED_RULES[ticker] == reported
        else:
            assert reported.multiplier_micro == 1_000_000


def test_fills_of_one_order_share_the_accumulator_and_come_out_in_time_order() -> None:
    first = next(_fills(DATA / "demo_fills_20260611.json"))
    changes = {"quantity": 30, "price": 5000, "charged": 5_300}
    fills = [
        RecordedFill(
            **{name: getattr(first, name) for name in first.__slots__} | changes | {"at": first.at.replace(second=s)}
        )
        for s in (3, 1, 2)
    ]
    rows = compare(fills, rounding=DIRECT)
    assert [row.fill.at.second for row in rows] == [1, 2, 3]
    assert [row.predicted for row in rows] == [5_300, 5_200, 5_300]
    assert [row.difference for row in rows] == [0, 100, 0]


def test_member_cleared_through_an_fcm_pays_to_the_cent() -> None:
    rows = compare(_fills(DATA / "demo_fills_20260611.json"), direct=False)
    assert [row.predicted % 10_000 for row in rows] == [0, 0, 0]
