"""The table of reliability goals: what was measured is shown with its source, what was not says so."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.risk.reliability import GOALS, SHIPPED, figure_files, figures_read, report
from tests.bench import figures as written_by_benches

AT = "2026-11-20T12:00:00+00:00"


def row(**fields: Any) -> dict[str, Any]:
    base = {"goal": "G2", "figure": "last ack p95", "value": "115 ms", "passed": True, "n": 60, "command": "bench"}
    return {**base, "at": AT, "release": "1.0", **fields}


def leave(run_dir: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (run_dir / "figures").mkdir(exist_ok=True)
    (run_dir / "figures" / f"{name}.json").write_text(json.dumps(rows))


def printed(run_dir: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("reliability_report", *options, run_dir=run_dir, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def nothing_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("apps.risk.reliability.figure_files.__defaults__", (tmp_path / "none.json",))


def test_without_figures_every_goal_is_not_measured(tmp_path: Path) -> None:
    text = printed(tmp_path)
    assert text.count("not measured") == len(GOALS)
    assert "n =" not in text


def test_a_figure_is_shown_with_size_time_release_command_and_verdict(tmp_path: Path) -> None:
    leave(
        tmp_path, "kill", [row(), row(figure="last ack max", value="612 ms", passed=False), row(goal="G3", passed=None)]
    )
    text = printed(tmp_path)
    assert "last ack p95: 115 ms  [met]  n = 60, 2026-11-20 12:00, release 1.0, bench" in text
    assert "612 ms  [MISSED]" in text
    assert "115 ms  [-]" in text
    assert text.count("not measured") == len(GOALS) - 2


def test_the_newer_of_the_same_figure_counts_whatever_its_file(tmp_path: Path) -> None:
    leave(tmp_path, "a", [row(value="new", at="2026-11-20T13:00:00+01:00", release="2.0"), row(figure="other")])
    leave(tmp_path, "b", [row(value="newest", at="2026-11-20T12:00:01+00:00")])
    leave(tmp_path, "c", [row(value="old", at="2026-11-19T23:00:00+00:00")])
    [found] = [r for r in report(figures_read(figure_files(tmp_path))) if r.goal.key == "G2"]
    assert [(f.figure, f.value) for f in found.figures] == [("last ack p95", "newest"), ("other", "115 ms")]


def test_markdown_is_a_table_that_no_text_breaks(tmp_path: Path) -> None:
    leave(tmp_path, "kill", [row(figure="a | b")])
    lines = printed(tmp_path, "--markdown").strip().splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {10}
    assert len(lines) == len(GOALS) + 2


def test_recorded_figures_are_shipped_and_read_again(tmp_path: Path) -> None:
    leave(tmp_path, "kill", [row(), row(goal="G1", figure="block p99", value="12 ms")])
    shipped = tmp_path / "figures.json"
    assert "2 figures recorded" in printed(tmp_path, "--record", str(shipped))
    again = figures_read(figure_files(tmp_path / "elsewhere", shipped))
    assert [(f.goal, f.value) for f in again] == [("G1", "12 ms"), ("G2", "115 ms")]


@pytest.mark.parametrize(
    "rows",
    [
        [row(at="2026-11-20T12:00:00")], [row(passed="yes")], [row(n="60")], [row(n=True)], [row(value="")],
        [{"goal": "G2"}], [7], {"goal": "G2"},
    ],
    ids=str,
)  # fmt: skip
def test_figures_that_are_none_are_refused_with_their_file(tmp_path: Path, rows: Any) -> None:
    leave(tmp_path, "odd", rows)
    with pytest.raises(CommandError, match=r"odd\.json"):
        printed(tmp_path)


def test_what_a_bench_writes_is_what_the_report_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", [str(written_by_benches.ROOT / "tests/bench/bench_kill.py"), "--json", "x", "--runs", "5"]
    )
    monkeypatch.setenv("KALSHIOPS_RELEASE", "3.1")
    folder = tmp_path / "figures"
    written_by_benches.write("kill", [written_by_benches.Figure("G2", "max", "210 ms", True, 30)], folder=folder)
    [found] = figures_read(figure_files(tmp_path))
    assert (found.value, found.passed, found.release) == ("210 ms", True, "3.1")
    assert found.command == "python tests/bench/bench_kill.py --runs 5"


def test_shipped_figures_if_any_can_be_read() -> None:
    figures_read([SHIPPED] if SHIPPED.is_file() else [])
