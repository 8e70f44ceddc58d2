"""The parts of benches that turn samples into figures and verdicts."""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.bench.bench_block import LOST, PUSHED, Result, Sent
from tests.bench.bench_soak import Soak, Verdict
from tests.bench.figures import judged
from tests.bench.peak import FOLDERS, busiest, recorded_peaks

S = 1_000_000_000


def test_the_busiest_window_slides_and_leaves_its_end_out() -> None:
    assert busiest([0, S // 2, S - 1], 1) == 3
    assert busiest([0, S // 2, S], 1) == 2
    assert busiest([10 * S + i * S // 4 for i in range(8)], 1) == 4
    assert busiest([0, 5 * S, 9 * S], 10) == 0.3
    assert busiest([], 1) == 0


def test_the_repositorys_own_recordings_have_peaks() -> None:
    peaks = recorded_peaks(FOLDERS[:1])
    assert peaks[1].per_second >= peaks[10].per_second > 0


def test_a_goal_is_met_only_by_a_run_that_is_large_enough() -> None:
    assert judged(True, is_enough=True) is True
    assert judged(False, is_enough=False) is False
    assert judged(True, is_enough=False) is None


@pytest.mark.parametrize(
    ("way", "p99", "maximum", "is_met"),
    [(PUSHED, 50.0, 250.0, True), (PUSHED, 50.1, 60.0, False), (LOST, 249.0, 250.0, True), (LOST, 100.0, 250.1, False)],
)
def test_a_block_is_judged_by_how_it_was_told(way: str, p99: float, maximum: float, is_met: bool) -> None:
    assert Result(way, 100, 1.0, p99, maximum, 5, 0).is_met is is_met


def test_orders_sent_after_a_moment_are_found_even_behind_half_a_record(tmp_path: Path) -> None:
    path = tmp_path / "sent"
    path.write_bytes(struct.pack("<3q", 10, 20, 30) + b"half")
    assert Sent(path).since(10) == [20, 30]
    assert Sent(tmp_path / "none").since(0) == []


def sample(minute: float, **fields: Any) -> dict[str, Any]:
    counters = {"frames": int(minute * 60_000), "decisions": 5, "orders": 4, "fills": 3, "errors": 0}
    base = {
        "minute": minute, "at": minute * 60, "resident_mb": 100.0, "guardian_mb": 50.0, "backlog": 1, "feed_age_ms": 7,
        "closed": {}, "refused": 0, "rate_limited": 0, "lost_token_account": 0, "takes": 9,
        "spare_tokens": {"write": 0.5}, "counters": counters,
    }  # fmt: skip
    return {**base, **fields}


def verdict(rows: list[dict[str, Any]], *, events: dict[str, list[str]] | None = None) -> Verdict:
    soak = Soak(None, Path("unused"))  # type: ignore[arg-type]
    soak.rows = rows
    options = argparse.Namespace(minutes=15.0, markets=10)
    return soak.verdict(options, 900.0, (True, "", events or {}))


ROWS = [sample(m / 2) for m in range(31)]


def test_a_calm_soak_is_met() -> None:
    found = verdict(ROWS)
    assert found.is_met
    assert (found.growth, found.frames_per_s) == (0, 1000)
    assert all(figure.passed for figure in found.figures())


@pytest.mark.parametrize(
    ("changes", "events"),
    [
        ({"resident_mb": 105.1}, {}),
        ({"refused": 1}, {}),
        ({"rate_limited": 1}, {}),
        ({"spare_tokens": {"write": -0.1}}, {}),
        ({"closed": {"feed": 3}}, {}),
        ({}, {"K6_STALE_FEED": ["nothing was heard"]}),
    ],
    ids=["memory", "429 at the exchange", "429 at the client", "reserve", "gate", "event"],
)
def test_one_thing_that_is_wrong_misses_it(changes: dict[str, Any], events: dict[str, list[str]]) -> None:
    rows = [sample(m / 2, **(changes if m > 25 else {})) for m in range(31)]
    assert not verdict(rows, events=events).is_met


def test_memory_before_the_third_minute_does_not_count() -> None:
    assert verdict([sample(m / 2, resident_mb=60.0 if m < 6 else 100.0) for m in range(31)]).growth == 0
