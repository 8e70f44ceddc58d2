"""Hand-computed liquidity figures, exact to the last decimal."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from apps.analytics.metrics import METRICS, LiquidityTotals
from apps.analytics.models import MetricExport
from apps.analytics.services import liquidity_export
from apps.core.exceptions import Refused
from apps.governance.models import AuditEvent
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = make.NOW
DAY = timedelta(days=1)


def export(**overrides: object) -> tuple[str, list[dict[str, str]], bytes]:
    asked = {"account": make.account(), "window_start": NOW - DAY, "window_end": NOW, "actor": None, "now": NOW}
    name, content = liquidity_export(**(asked | overrides))
    return name, list(csv.DictReader(io.StringIO(content.decode()))), content


def account_values(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["metric"]: row["value"] for row in rows if row["scope"] == "account"}


def a_day_of_quoting() -> None:
    run = make.session()
    inside = NOW - timedelta(hours=2)
    bid = make.order(run, quantity=10, price=Decimal("0.57"), accepted_at=inside, filled=6)
    make.order(run, quantity=20, price=Decimal("0.60"), side="ask", accepted_at=inside)
    old = make.order(run, quantity=8, accepted_at=NOW - 3 * DAY)
    make.order(run, quantity=99, accepted_at=None, status="rejected")
    make.order(run, quantity=99, accepted_at=inside, time_in_force="immediate_or_cancel")
    make.fill(bid, quantity=Decimal(4), fee=Decimal("0.05"), filled_at=inside)
    make.fill(bid, quantity=Decimal(2), fee=Decimal("-0.01"), filled_at=inside)
    make.fill(old, quantity=Decimal(3), price=Decimal("0.50"), fee=Decimal("0.02"), filled_at=inside, is_taker=True)
    make.fill(old, quantity=Decimal(5), price=Decimal("0.40"), fee=Decimal("0.07"), filled_at=NOW - 2 * DAY)
    make.fill(old, quantity=Decimal(7), filled_at=NOW - 31 * DAY)
    start = NOW - DAY
    # Half of this stretch lies before the window and must not count.
    make.liquidity(run, started_at=start - timedelta(seconds=100), ended_at=start + timedelta(seconds=100))
    make.liquidity(
        run,
        started_at=inside,
        ended_at=inside + timedelta(seconds=50),
        bid_dollars=Decimal(2),
        ask_dollars=Decimal(0),
        spread_with=Decimal("0.03"),
    )
    make.liquidity(
        run, started_at=inside, ended_at=inside + timedelta(seconds=10), ask_dollars=Decimal(0), spread_without=None
    )


def test_figures_match_the_hand_computation() -> None:
    a_day_of_quoting()
    _, rows, _ = export()
    got = account_values(rows)
    # 9.80 x 100 s + 2 x 50 s + 5.70 x 10 s; improvement (2c x 100 + 1c x 50) / 150 s.
    expected = {
        "resting_orders_placed": "2",
        "resting_contracts_placed": "30.00",
        "liquidity_provided": "13.7",
        "liquidity_dollar_seconds": "1137",
        "quoted_seconds": "160",
        "average_resting_liquidity": "7.106250",
        "average_spread_improvement": "1.666667",
        "spread_measured_seconds": "150",
        "maker_fill_rate_orders": "0.500000",
        "maker_fill_rate_contracts": "0.200000",
        "maker_contracts": "6.00",
        "taker_contracts": "3.00",
        "maker_taker_ratio": "2.000000",
        "volume_dollars": "4.92",
        "volume_30d_contracts": "14.00",
        "volume_30d_dollars": "6.92",
        "fees": "0.06",
    }
    assert got.keys() == expected.keys()
    wrong = {k: (got[k], v) for k, v in expected.items() if Decimal(got[k]) != Decimal(v)}
    assert not wrong


def test_an_undefined_metric_is_empty_and_says_why() -> None:
    _, rows, _ = export()
    undefined = {row["metric"]: row["reason"] for row in rows if row["value"] == ""}
    assert set(undefined) == {
        "average_resting_liquidity",
        "average_spread_improvement",
        "maker_fill_rate_orders",
        "maker_fill_rate_contracts",
        "maker_taker_ratio",
    }
    assert all(undefined.values())
    assert all(row["reason"] == "" for row in rows if row["value"] != "")


def test_markets_add_up_to_the_account() -> None:
    run = make.session()
    make.fill(make.order(run), quantity=Decimal(4))
    other = make.market("=cmd|' /C calc'!A0")
    make.fill(make.order(run, market=other), quantity=Decimal(9))
    _, rows, _ = export(window_end=NOW + DAY, now=NOW + DAY)
    maker = [row for row in rows if row["metric"] == "maker_contracts"]
    assert [row["scope"] for row in maker] == ["account", "market", "market"]
    assert Decimal(maker[0]["value"]) == sum(Decimal(row["value"]) for row in maker[1:]) == 13
    assert maker[1]["market"].startswith("'=cmd")


def test_a_negative_amount_stays_a_number() -> None:
    make.fill(fee=Decimal("-0.015000"), filled_at=NOW - timedelta(hours=1))
    _, rows, _ = export()
    assert account_values(rows)["fees"] == "-0.015000"


def test_times_are_utc_with_their_offset_and_the_30_day_rows_carry_their_own_window() -> None:
    _, rows, _ = export()
    by_metric = {row["metric"]: row for row in rows}
    assert by_metric["fees"]["window_start"] == "2026-11-19T12:00:00+00:00"
    assert by_metric["volume_30d_dollars"]["window_start"] == "2026-10-21T12:00:00+00:00"
    assert {row["window_end"] for row in rows} == {"2026-11-20T12:00:00+00:00"}
    assert {row["schema_version"] for row in rows} == {"liquidity/1"}


def test_the_export_is_recorded_with_the_hash_of_the_file_and_audited() -> None:
    craig = make.user("craig")
    name, rows, content = export(actor=craig)
    record = MetricExport.objects.get()
    assert name == "liquidity-main-20261120T120000Z.csv"
    assert record.sha256 == hashlib.sha256(content).hexdigest()
    assert (record.rows, record.created_by) == (len(rows), craig)
    audit = AuditEvent.objects.get(action="analytics.liquidity.export")
    assert (audit.actor, audit.object_id, audit.after["sha256"]) == (craig, str(record.pk), record.sha256)


def test_other_accounts_do_not_leak_in() -> None:
    stranger = make.session(make.account("other"))
    make.fill(make.order(stranger), filled_at=NOW - timedelta(hours=1))
    make.liquidity(stranger)
    _, rows, _ = export()
    assert {Decimal(value) for value in account_values(rows).values() if value} == {Decimal(0)}


@pytest.mark.parametrize(("start", "end"), [(NOW, NOW), (NOW - DAY, NOW + timedelta(seconds=1))])
def test_an_empty_or_future_window_is_refused_and_nothing_recorded(start: object, end: object) -> None:
    with pytest.raises(Refused):
        export(window_start=start, window_end=end)
    assert not MetricExport.objects.exists()


def test_every_metric_is_defined_once_with_unit_and_definition() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.unit and metric.definition for metric in METRICS)
    assert all(
        (m.compute(LiquidityTotals()).value is None) == bool(m.compute(LiquidityTotals()).reason) for m in METRICS
    )


def test_the_command_writes_the_file_and_names_itself_in_the_audit(tmp_path: object) -> None:
    make.account()
    call_command("export_metrics", "--start", "2026-01-01", "--end", "2026-02-01", "--output", str(tmp_path))
    (written,) = tmp_path.glob("*.csv")  # type: ignore[attr-defined]
    assert hashlib.sha256(written.read_bytes()).hexdigest() == MetricExport.objects.get().sha256
    assert AuditEvent.objects.get().actor_label == "system:export-metrics"


def test_the_command_asks_which_account_when_there_are_several() -> None:
    make.account()
    make.account("other")
    with pytest.raises(CommandError, match="--account"):
        call_command("export_metrics")
    with pytest.raises(CommandError, match="nobody"):
        call_command("export_metrics", "--account", "nobody")
