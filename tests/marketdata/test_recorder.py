from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from apps.gateway.errors import TruncatedRecording
from apps.gateway.kalshi.recordings import open_recording, read_recording
from apps.marketdata import segments
from apps.marketdata.recorder import Recorder, RecorderConfig, SegmentClosed, SegmentNews, SegmentOpened
from apps.marketdata.segments import file_sha256, frames_from, read_index, whole_lines

START_NS = 1_763_620_000_000_000_000
SECOND_NS = 1_000_000_000


def make_recorder(tmp_path: Path, news: list[SegmentNews] | None = None, **config: int) -> Recorder:
    heard: list[SegmentNews] = [] if news is None else news
    return Recorder(
        directory=tmp_path,
        source="ws://exchange.test/ws",
        session="s7",
        on_segment=heard.append,
        config=RecorderConfig(**config),
    )


def frame(n: int) -> bytes:
    return b'{"type":"orderbook_delta","sid":1,"seq":%d,"msg":{"market_ticker":"KXA-1","n":"\xc3\xa9"}}' % n


def files(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.rglob("*.jsonl.gz"))


def test_frames_come_back_exactly_with_time_and_connection(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path)
    for n in range(300):
        assert recorder.record(START_NS + n, f"c{n // 100}", frame(n))
    recorder.stop()
    (path,) = files(tmp_path)
    recording = open_recording(path)
    assert recording.header.use_yes_price is True
    assert recording.header.started_ns == START_NS
    assert recording.header.source == "ws://exchange.test/ws"
    found = list(recording)
    assert [f.raw for f in found] == [frame(n) for n in range(300)]
    assert [f.recv_ns for f in found] == [START_NS + n for n in range(300)]
    assert [f.connection_id for f in found] == [f"c{n // 100}" for n in range(300)]


def test_malformed_frames_are_recorded_as_they_came(tmp_path: Path) -> None:
    odd = [b"", b"not json", b'{"cut":', '"quote\\" and \u2028"'.encode(), b"\xff\xfe\x00broken", b"two\nlines\r\n"]
    recorder = make_recorder(tmp_path)
    for raw in odd:
        recorder.record(START_NS, "c", raw)
    recorder.stop()
    (path,) = files(tmp_path)
    assert [f.raw for f in read_recording(path)][:4] == odd[:4]
    lines = list(frames_from(path, 0))
    assert bytes.fromhex(lines[4]["x"]) == odd[4]
    assert lines[5]["f"].encode() == odd[5]


def flushed(path: Path) -> list[bytes]:
    """Frames of a file that may not be closed, past its header."""
    return [msgspec.json.decode(line)["f"].encode() for line in list(whole_lines(path))[1:]]


def read_until_cut(path: Path) -> tuple[list[bytes], bool]:
    """What the gateway's reader gives, and whether it told that the file is cut off."""
    found: list[bytes] = []
    try:
        found.extend(f.raw for f in read_recording(path))
    except TruncatedRecording:
        return found, True
    return found, False


def test_each_cycle_is_on_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path)
    for n in range(3):
        recorder.record(START_NS + n, "c", frame(n))
        recorder.cycle()
        (path,) = files(tmp_path)
        assert flushed(path) == [frame(i) for i in range(n + 1)]
    recorder.stop()


CRASH = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from apps.marketdata.recorder import Recorder, RecorderConfig
r = Recorder(directory=Path({directory!r}), source="x", session="crash", on_segment=lambda n: None,
             config=RecorderConfig(index_every=100))
for n in range(1000):
    r.record({start} + n, "c", b'{{"n":%d}}' % n)
    if n % 50 == 0:
        r.cycle()
r.cycle()
r.record({start} + 1000, "c", b'{{"n":1000}}')
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_recorder_leaves_everything_up_to_its_last_flush(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE']='kalshiops.settings_test'\n"
        f"import sys; sys.path.insert(0, {root!r})\nimport django; django.setup()\n"
    ) + CRASH.format(root=root, directory=str(tmp_path), start=START_NS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    (path,) = files(tmp_path)
    assert flushed(path) == [b'{"n":%d}' % n for n in range(1000)]
    assert read_until_cut(path)[1]
    entries, summary = read_index(path)
    assert summary is None
    assert [e.frames for e in entries] == sorted(e.frames for e in entries)
    assert len(entries) >= 5


def test_a_file_cut_anywhere_reads_as_a_prefix(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, index_every=10)
    for n in range(60):
        recorder.record(START_NS + n, "c", frame(n))
        recorder.cycle()
    recorder.stop()
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    cut = tmp_path / "cut.gz"
    most = 0
    for size in range(200, len(whole), 97):
        cut.write_bytes(whole[:size])
        read = flushed(cut)
        assert read == [frame(n) for n in range(len(read))]
        assert len(read) >= most
        most = len(read)
    assert most >= 55


def test_index_lets_a_reader_start_in_the_middle(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, index_every=25)
    for n in range(200):
        recorder.record(START_NS + n * SECOND_NS, "c1" if n < 120 else "c2", frame(n))
        if n % 5 == 4:
            recorder.cycle()
    recorder.stop()
    (path,) = files(tmp_path)
    entries, summary = read_index(path)
    assert [e.frames for e in entries] == list(range(25, 200, 25))
    assert summary is not None
    assert (summary.frames, summary.connections) == (200, {"c1": 120, "c2": 80})
    assert (summary.first_t, summary.last_t) == (START_NS, START_NS + 199 * SECOND_NS)
    assert summary.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    found = [line["t"] for line in frames_from(path, START_NS + 160 * SECOND_NS)]
    assert found == [START_NS + n * SECOND_NS for n in range(160, 200)]
    with path.open("rb") as stream:
        stream.seek(entries[-1].offset)
        assert stream.read(2) == b"\x1f\x8b"


def test_rotation_by_time_and_by_size_keeps_every_frame_once(tmp_path: Path) -> None:
    news: list[SegmentNews] = []
    recorder = make_recorder(tmp_path, news, max_segment_s=10)
    for n in range(45):
        recorder.record(START_NS + n * SECOND_NS, "c", frame(n))
        recorder.cycle()
    recorder.stop()
    assert len(files(tmp_path)) == 5
    assert [f.raw for p in files(tmp_path) for f in read_recording(p)] == [frame(n) for n in range(45)]
    opened = [n.path for n in news if isinstance(n, SegmentOpened)]
    closed = [n for n in news if isinstance(n, SegmentClosed)]
    assert opened == [n.path for n in closed]
    assert all(n.summary.sha256 == file_sha256(tmp_path / n.path) for n in closed)
    assert closed[0].ended_at == datetime.fromtimestamp((START_NS + 9 * SECOND_NS) / 1e9, UTC)

    small = make_recorder(tmp_path / "small", max_segment_bytes=600)
    for _ in range(100):
        small.record(START_NS, "c", os.urandom(100).hex().encode())
        small.cycle()
    small.stop()
    assert len(files(tmp_path / "small")) > 5
    assert sum(1 for p in files(tmp_path / "small") for _ in read_recording(p)) == 100


def test_overflow_is_refused_counted_and_named_in_the_index(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, max_queued_frames=3)
    assert [recorder.record(START_NS, "c", frame(n)) for n in range(5)] == [True, True, True, False, False]
    assert recorder.dropped == 2
    recorder.cycle()
    assert recorder.record(START_NS, "c", frame(5))
    recorder.stop()
    (path,) = files(tmp_path)
    _, summary = read_index(path)
    assert summary is not None
    assert (summary.frames, summary.dropped) == (4, 2)


def test_queue_is_bounded_by_bytes_too(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, max_queued_bytes=1000)
    assert recorder.record(START_NS, "c", b"x" * 900)
    assert not recorder.record(START_NS, "c", b"x" * 200)
    recorder.cycle()
    assert recorder.record(START_NS, "c", b"x" * 200)
    recorder.stop()


def test_full_disk_loses_nothing_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = make_recorder(tmp_path, index_every=10)
    real = os.write
    full = threading.Event()

    def write(fd: int, data: bytes) -> int:
        if full.is_set():
            real(fd, bytes(data[: len(data) // 2]))
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data)

    monkeypatch.setattr(segments.os, "write", write)
    for n in range(90):
        (full.set if n // 15 % 2 else full.clear)()
        recorder.record(START_NS + n, "c", frame(n))
        recorder.cycle()
        assert (recorder.problem is not None) == full.is_set()
    assert recorder.problem == "recording: No space left on device"
    assert recorder.queued == 15
    full.clear()
    recorder.stop()
    assert recorder.problem is None
    (path,) = files(tmp_path)
    assert [f.raw for f in read_recording(path)] == [frame(n) for n in range(90)]


def test_disk_that_is_full_from_the_start_leaves_no_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = make_recorder(tmp_path)

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(segments.os, "write", refuse)
        recorder.record(START_NS, "c", frame(0))
        recorder.cycle()
        assert files(tmp_path) == []
    recorder.stop()
    (path,) = files(tmp_path)
    assert [f.raw for f in read_recording(path)] == [frame(0)]


def test_thread_writes_while_the_session_runs(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, flush_s=0)  # type: ignore[arg-type]
    recorder.start()
    assert recorder.is_running
    for n in range(2_000):
        recorder.record(START_NS + n, "c", frame(n))
    recorder.stop()
    assert not recorder.is_running
    assert (recorder.written, recorder.queued, recorder.dropped) == (2_000, 0, 0)
    (path,) = files(tmp_path)
    assert sum(1 for _ in read_recording(path)) == 2_000


def test_cut_off_index_line_is_left_out(tmp_path: Path) -> None:
    recorder = make_recorder(tmp_path, index_every=2)
    for n in range(10):
        recorder.record(START_NS + n, "c", frame(n))
        recorder.cycle()
    recorder.stop()
    (path,) = files(tmp_path)
    index = segments.index_path(path)
    index.write_bytes(index.read_bytes()[:-30])
    entries, summary = read_index(path)
    assert len(entries) == 4
    assert summary is None
    assert msgspec.json.decode(index.read_bytes().splitlines()[0])["frames"] == 2
