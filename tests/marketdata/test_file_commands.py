"""The two operator commands on files: figures for good ones, a typed error beside them for the others."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

DATA = Path(__file__).resolve().parents[1] / "data"
RECORDING = DATA / "ws" / "kxbtc15m_20260513T1556Z_head.jsonl.gz"


def run(command: str, *files: Path) -> tuple[list[dict[str, Any]], str]:
    """(reports, what the command failed with)"""
    out, failed = io.StringIO(), ""
    try:
        call_command(command, *map(str, files), "--json", stdout=out)
    except CommandError as error:
        failed = str(error)
    return json.loads(out.getvalue())["files"], failed


def test_replay_book_reports_frames_gaps_and_final_prices() -> None:
    (report,), failed = run("replay_book", RECORDING)
    assert failed == ""
    assert report["frames"]["orderbook_delta"] > 4_000
    assert set(report["sequence_gaps"].values()) <= {0}
    assert report["refused"] == {}


def test_one_file_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{\n "frames": "none"\n}')
    reports, failed = run("replay_book", broken, tmp_path / "absent.jsonl", RECORDING)
    assert [report.get("error") for report in reports] == [reports[0]["error"], "FileNotFoundError", None]
    assert reports[0]["error"] in ("MalformedFrame", "UnknownMessage", "BadField", "MissingField")
    assert failed == "2 of 3 files could not be read: broken.json, absent.jsonl"


def test_fees_check_predicts_every_recorded_fill_of_its_day() -> None:
    reports, failed = run(
        "fees_check", DATA / "fees" / "portfolio_fills_redacted.json", DATA / "fees" / "demo_fills_20260611.json"
    )
    assert failed == ""
    assert [(report["fills"], report["matching"]) for report in reports] == [(33, 33), (3, 3)]


@pytest.mark.parametrize("command", ["replay_book", "fees_check"])
def test_without_a_file_the_command_says_so(command: str) -> None:
    with pytest.raises(CommandError, match="required"):
        call_command(command)
