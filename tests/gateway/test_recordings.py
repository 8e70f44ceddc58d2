"""Recordings in every envelope; a cut-off one yields all that stands before the cut."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from apps.gateway import errors as e
from apps.gateway.kalshi.frames import DeltaFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.recordings import RecordedFrame, open_recording, read_recording
from apps.gateway.kalshi.replay import replay_book
from tests.gateway.recorded import ws_recording

BTC = "kxbtc15m_20260513T1556Z_head.jsonl.gz"
FRAMES = [
    b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}',
    b'{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"M","yes_dollars_fp":[["0.4700","3.00"]]}}',
]


def _own(path: Path, *, header: bytes | None = None, cut: int = 0, newline: bool = True) -> Path:
    lines = [header or b'{"v":1,"started_ns":5,"use_yes_price":true,"source":"test"}']
    lines += [json.dumps({"t": 10 + n, "c": "c1", "f": f.decode()}).encode() for n, f in enumerate(FRAMES)]
    data = gzip.compress(b"\n".join(lines) + (b"\n" if newline else b""))
    path.write_bytes(data[: len(data) - cut])
    return path


def test_our_own_format_gives_back_the_exact_frames(tmp_path: Path) -> None:
    recording = open_recording(_own(tmp_path / "own.gz"))
    assert (recording.header.use_yes_price, recording.header.started_ns, recording.header.source) == (True, 5, "test")
    assert list(recording) == [RecordedFrame(10, "c1", FRAMES[0]), RecordedFrame(11, "c1", FRAMES[1])]


def test_an_unknown_recorder_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(e.BadField):
        open_recording(_own(tmp_path / "own.gz", header=b'{"v":9,"started_ns":5,"use_yes_price":true}'))


def test_our_own_format_without_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(b'{"t":1,"c":"c","f":"{}"}\n')
    with pytest.raises(e.MissingField):
        open_recording(path)


def test_cut_off_gzip_yields_everything_before_the_cut(tmp_path: Path) -> None:
    whole = ws_recording(BTC).read_bytes()
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    collected: list[bytes] = []
    with pytest.raises(e.TruncatedRecording):
        collected.extend(frame.raw for frame in read_recording(path))
    complete = [frame.raw for frame in read_recording(ws_recording(BTC))]
    assert len(collected) > 500
    assert collected == complete[: len(collected)]


def test_cut_off_last_line_is_named_after_the_lines_before_it(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(FRAMES[0] + b"\n" + FRAMES[1][:40])
    frames = read_recording(path)
    assert next(frames).raw == FRAMES[0]
    with pytest.raises(e.TruncatedRecording):
        next(frames)


def test_last_line_without_newline_is_complete_when_it_reads(tmp_path: Path) -> None:
    assert len(list(read_recording(_own(tmp_path / "own.gz", newline=False)))) == 2


def test_replay_of_a_cut_off_recording_reports_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"\n".join(FRAMES) + b"\n" + FRAMES[1][:40])
    report = replay_book(path).as_json()
    assert report["truncated"]
    assert report["frames"] == {"subscribed": 1, "orderbook_snapshot": 1}
    assert report["markets"]["M"]["best_bid"] == "0.4700"


def test_an_unreadable_line_in_the_middle_is_passed_on_to_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\n\n".join([FRAMES[0], b'{"type":"orderbook_snap', FRAMES[1], b""]))
    report = replay_book(path)
    assert report.refused == {"MalformedFrame": 1}
    assert report.frames == {"subscribed": 1, "orderbook_snapshot": 1}


def test_a_document_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{\n "a": 1\n}')
    with pytest.raises(e.BadField):
        list(read_recording(path))


def test_empty_file_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert list(read_recording(path)) == []


def test_foreign_envelope_is_rebuilt_as_the_wire_sent_it() -> None:
    frames = [f for f in read_recording(ws_recording(BTC)) if f.control is None]
    delta = next(f for f in frames if f.raw.startswith(b'{"type":"orderbook_delta"'))
    body = json.loads(delta.raw)
    assert list(body) == ["type", "sid", "seq", "msg"]
    assert body["sid"] == 2
    assert "price_cents" not in body["msg"]
    decoded = Decoder(use_yes_price=False).decode(delta.raw)
    assert isinstance(decoded, DeltaFrame)
    assert {f.connection_id for f in frames} == {f"native-passive-20260513T1556Z-rv600#{n}" for n in (1, 2)}


def test_recorder_events_stand_beside_the_frames() -> None:
    events = [f for f in read_recording(ws_recording(BTC)) if f.control is not None]
    assert [f.control for f in events] == [
        "watch_market",
        "ws_connected",
        "market_rotated",
        "watch_market",
        "ws_connected",
    ]
    assert events[0].info is not None
    assert events[0].info["strike"] == 79257.99
    assert all(f.raw == b"" for f in events)


def test_gap_duplicate_and_bad_levels_are_reported(tmp_path: Path) -> None:
    def delta(seq: int, price: str, size: str, side: str = "yes") -> bytes:
        msg = {"market_ticker": "M", "price_dollars": price, "delta_fp": size, "side": side}
        return json.dumps({"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": msg}).encode()

    path = tmp_path / "r.jsonl"
    lines = [FRAMES[1], delta(2, "0.4700", "-9.00"), delta(3, "0.4700", "1.00"), delta(3, "0.4700", "1.00")]
    path.write_bytes(b"\n".join([*lines, delta(7, "0.4700", "1.00")]) + b"\n")
    report = replay_book(path).as_json()
    assert report["negative_levels"] == 1
    assert report["duplicates"] == 1
    assert report["sequence_gaps"] == {"-/1": 1}
    assert report["markets"]["M"]["unquotable"] is not None
    assert report["markets"]["M"]["best_bid"] is None
