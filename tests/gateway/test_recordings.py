"""Recordings in every envelope; a cut-off one yields all that stands before the cut."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
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


def _members(frames: int, per_member: int, per_flush: int, *, close: bool) -> Iterator[bytes]:
    """What a recorder writes: a new gzip member every so often, a flush more often; the last one may stay open."""
    header = b'{"v":1,"started_ns":5,"use_yes_price":true,"source":"test"}\n'
    for start in range(0, frames, per_member):
        member = zlib.compressobj(wbits=31)
        last = min(frames, start + per_member)
        for n in range(start, last, per_flush):
            lines = [b'{"t":%d,"c":"c1","f":"{\\"n\\":%d}"}\n' % (i, i) for i in range(n, min(last, n + per_flush))]
            yield member.compress((header if n == 0 else b"") + b"".join(lines)) + member.flush(zlib.Z_SYNC_FLUSH)
        if close or last < frames:
            yield member.flush()


def _until_the_cut(path: Path) -> tuple[list[bytes], str]:
    found: list[bytes] = []
    try:
        found.extend(frame.raw for frame in read_recording(path))
    except e.TruncatedRecording as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize("per_member", [100, 1000, 5000])
def test_a_recorder_killed_after_a_flush_lost_no_flushed_frame(tmp_path: Path, per_member: int) -> None:
    path = tmp_path / "killed.jsonl.gz"
    path.write_bytes(b"".join(_members(1000, per_member, 45, close=False)))
    found, cut = _until_the_cut(path)
    assert found == [b'{"n":%d}' % n for n in range(1000)]
    assert cut
    path.write_bytes(b"".join(_members(1000, per_member, 45, close=True)))
    assert _until_the_cut(path) == (found, "")


def test_a_recording_killed_within_a_write_keeps_what_was_flushed_before(tmp_path: Path) -> None:
    path = tmp_path / "killed.jsonl.gz"
    writes = list(_members(600, 200, 50, close=False))
    for whole in range(2, len(writes)):
        path.write_bytes(b"".join(writes[:whole]) + writes[whole][:7])
        found, cut = _until_the_cut(path)
        flushed = sum(len(w) > 20 for w in writes[:whole]) * 50
        assert len(found) >= flushed
        assert found == [b'{"n":%d}' % n for n in range(len(found))]
        assert cut


def test_damage_in_the_middle_ends_the_recording_after_the_frames_before_it(tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl.gz"
    writes = list(_members(1000, 200, 50, close=True))
    good = b"".join(writes[:8])
    path.write_bytes(good + b"\xff" * 64 + b"".join(writes[8:]))
    found, cut = _until_the_cut(path)
    assert len(found) >= 350
    assert found == [b'{"n":%d}' % n for n in range(len(found))]
    assert "damaged.jsonl.gz" in cut


def test_zeros_behind_the_last_member_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "padded.jsonl.gz"
    path.write_bytes(b"".join(_members(10, 5, 5, close=True)) + bytes(100_000))
    found, cut = _until_the_cut(path)
    assert (len(found), cut) == (10, "")


def test_a_frame_that_was_no_text_comes_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    header = b'{"v":1,"started_ns":5,"use_yes_price":true}\n'
    path.write_bytes(header + b'{"t":1,"c":"c","f":"\\\\xff{","x":"ff7b"}\n')
    assert [frame.raw for frame in read_recording(path)] == [b"\xff{"]


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
