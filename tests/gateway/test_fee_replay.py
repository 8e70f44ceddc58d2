"""Recorded fills against the fee rule, and the two operator commands that show files."""

from __future__ import annotations

import gzip
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.gateway import errors as e
from apps.gateway.kalshi.fee_replay import check_fees, fee_rules, read_fills
from tests.gateway.recorded import rest_bundles, ws_recording


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    for name in ("portfolio_fills_redacted.json", "series_fee_fields.json"):
        (tmp_path / name).write_text(rest_bundles()["prod_202608"][name])
    (tmp_path / "demo.json").write_text(rest_bundles()["demo_20260611"]["fills__after_taker.json"])
    return tmp_path


def test_production_fills_match_where_the_series_rule_is_known(captures: Path) -> None:
    path = captures / "portfolio_fills_redacted.json"
    report = check_fees(path, fee_rules(path, None, ["KXMLB=0.5"]))
    assert (report["fills"], report["matching"]) == (33, 33)
    assert {row["rule_from"] for row in report["rows"]} >= {"KXMLBGAME", "KXMLB*", "history"}


def test_a_wrong_multiplier_shows_its_difference_and_where_the_rule_came_from(captures: Path) -> None:
    path = captures / "portfolio_fills_redacted.json"
    rows = check_fees(path, fee_rules(path, None, ["KXMLBKS=1"]))["rows"]
    odd = [row for row in rows if row["difference"] != "0.000000"]
    assert [(row["ticker"].split("-")[0], row["rule_from"], row["difference"]) for row in odd] == [
        ("KXMLBKS", "KXMLBKS*", "-0.008700")
    ]


def test_without_any_option_history_gives_the_rule_and_all_fills_match(captures: Path) -> None:
    path = captures / "portfolio_fills_redacted.json"
    (captures / "series_fee_fields.json").unlink()
    report = check_fees(path, fee_rules(path, None, []))
    assert (report["fills"], report["matching"]) == (33, 33)
    assert {row["rule_from"] for row in report["rows"]} == {"history"}


def test_demo_fills_and_the_recorded_fill_frame_match(captures: Path) -> None:
    for path in (captures / "demo.json", ws_recording("fill_frame_demo_20260630.jsonl")):
        report = check_fees(path, fee_rules(path, None, []))
        assert report["matching"] == report["fills"] > 0


def test_a_file_without_fills_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"type":"subscribed","id":1,"msg":{"channel":"fill","sid":2}}\n')
    with pytest.raises(e.UnknownMessage):
        read_fills(path)


def test_an_unreadable_multiplier_is_refused(captures: Path) -> None:
    with pytest.raises(e.RequestRefused):
        fee_rules(captures / "demo.json", None, ["KXMLB"])


def test_fees_check_command_prints_json(captures: Path) -> None:
    out = StringIO()
    call_command("fees_check", str(captures / "demo.json"), "--json", stdout=out)
    (report,) = json.loads(out.getvalue())["files"]
    assert report["matching"] == 3
    assert report["rows"][0]["rule_from"] == "history"
    assert report["rows"][0]["rounding"]


def test_replay_book_command_prints_json() -> None:
    out = StringIO()
    call_command("replay_book", str(ws_recording("mlb_wnba_20260807.json.gz")), "--json", stdout=out)
    (report,) = json.loads(out.getvalue())["files"]
    assert report["frames"] == {"subscribed": 1, "orderbook_snapshot": 12, "ok": 11, "orderbook_delta": 245}
    assert report["sequence_gaps_total"] == 0
    assert report["refused"] == {}


@pytest.mark.parametrize("command", ["fees_check", "replay_book"])
def test_a_file_nobody_can_read_fails_the_command(command: str, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path / "broken.gz"):
        (tmp_path / "broken.gz").write_bytes(gzip.compress(b"x")[:12])
        with pytest.raises(CommandError):
            call_command(command, str(path), stdout=StringIO())


def test_replay_book_without_json_writes_lines() -> None:
    out = StringIO()
    call_command("replay_book", str(ws_recording("kxbtc_range_20260418.jsonl")), stdout=out)
    assert "sequence_gaps_total: 0" in out.getvalue()
