"""Every recorded frame is read, or refused with the right error; books replayed from them hold."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from apps.gateway.kalshi.replay import replay_book
from tests.gateway.recorded import DATA, ws_recording, ws_recordings

RECORDINGS = ws_recordings()


def _label(path: Path) -> str:
    return f"{'shipped' if path.is_relative_to(DATA) else 'all'}/{path.name}"


@pytest.mark.parametrize("path", RECORDINGS, ids=_label)
def test_recording_replays(path: Path) -> None:
    report = replay_book(path, use_yes_price=True if "trade_yes" in path.name else None)
    assert report.truncated is None
    assert sum(report.frames.values()) > 0
    if "perps" in path.name:
        # Orders and fills of the margin exchange have other fields; each is refused for what it lacks.
        assert report.refused == {"MissingField": 13}
        return
    assert not report.refused
    assert not report.unknown_fields
    if "tickers" in path.name:
        # Recorded without its deltas, so every later snapshot stands behind a gap.
        assert sum(report.gaps.values()) > 0
        return
    assert not report.book_refused
    assert sum(report.gaps.values()) == 0
    assert all(top.reason is None for top in report.markets.values())


def test_recorded_frames_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    frames: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    shipped = [path for path in RECORDINGS if path.is_relative_to(DATA)]
    for path in shipped:
        report = replay_book(path)
        frames.update(report.frames)
        refused.update(report.refused)
    with capsys.disabled():
        sys.stdout.write(f"\nshipped recordings: {len(shipped)}; read {dict(frames)}; refused {dict(refused)}\n")
    assert frames["orderbook_delta"] > 4000
    assert refused == {"MissingField": 13}


def test_final_tops_of_the_twelve_sports_markets() -> None:
    markets = replay_book(ws_recording("mlb_wnba_20260807.json.gz")).as_json()["markets"]
    assert len(markets) == 12
    assert markets["KXMLBGAME-26AUG071840TORPHI-PHI"] == {
        "best_bid": "0.6700",
        "best_ask": "0.6800",
        "unquotable": None,
    }


def test_no_leg_and_yes_priced_recordings_of_one_market_agree_on_the_ask() -> None:
    no_leg = replay_book(ws_recording("demo_orderbook_trade_noleg_20260611.jsonl"))
    yes = replay_book(ws_recording("demo_orderbook_trade_yes_20260611.jsonl"), use_yes_price=True)
    assert [top.best_ask for top in no_leg.markets.values()] == [5200]
    assert [top.best_ask for top in yes.markets.values()] == [5200]
