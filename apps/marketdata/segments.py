"""One recording file: gzip JSONL that can be read up to its last flush, with an index to seek by.

Header `{"v":1,"started_ns":…,"use_yes_price":true,"source":"…"}`, then `{"t":recv_ns,"c":connection,"f":"frame"}`.
Every `index_every` frames a new gzip member begins, the strongest of flush points: a reader may start there.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from apps.gateway.gzip_stream import open_unpacked

RECORDER_VERSION = 1
INDEX_SUFFIX = ".idx.jsonl"
_LEVEL = 6
_GZIP = 31
_encode = msgspec.json.Encoder().encode


class RawFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame as it came: Unix nanoseconds of receipt, our connection's name, the exact bytes."""

    recv_ns: int
    connection_id: str
    raw: bytes


class IndexEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a member starts: byte offset, frames before it, receive time and connection of its first frame."""

    offset: int
    frames: int
    t: int
    c: str


class SegmentSummary(msgspec.Struct, frozen=True):
    """Last line of the index of a closed file. `dropped` counts frames that never reached the file."""

    closed: bool
    frames: int
    bytes: int
    first_t: int | None
    last_t: int | None
    connections: dict[str, int]
    dropped: int
    sha256: str


def frame_line(frame: RawFrame) -> bytes:
    """One JSON line. Bytes that are no UTF-8 keep their exact form in hex beside a readable rendering."""
    line: dict[str, Any] = {"t": frame.recv_ns, "c": frame.connection_id}
    try:
        line["f"] = frame.raw.decode()
    except UnicodeDecodeError:
        line["f"] = frame.raw.decode(errors="backslashreplace")
        line["x"] = frame.raw.hex()
    return _encode(line) + b"\n"


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def index_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".jsonl.gz") + INDEX_SUFFIX)


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What the first line says. `session` and `number` chain the files of one session in order."""

    started_ns: int
    source: str
    session: str
    number: int

    def line(self) -> bytes:
        fields = {
            "v": RECORDER_VERSION,
            "started_ns": self.started_ns,
            "use_yes_price": True,
            "source": self.source,
            "session": self.session,
            "segment": self.number,
        }
        return _encode(fields) + b"\n"


class Segment:
    """Writes one file. `write` puts whole frames on disk or raises `OSError` and leaves the file as it was."""

    def __init__(self, path: Path, header: SegmentHeader, *, index_every: int) -> None:
        self.path = path
        self.header = header
        self.frames = 0
        self.size = 0
        self.dropped = 0
        self.first_t: int | None = None
        self.last_t: int | None = None
        self.connections: Counter[str] = Counter()
        self._index_every = index_every
        self._in_member = 0
        self._index_lines: list[bytes] = []
        self._member = _new_member()
        self._ended = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            self._commit(header.line())
        except OSError:
            os.close(self._fd)
            path.unlink()
            raise

    def write(self, frames: Sequence[RawFrame]) -> None:
        """Compress, flush and sync these frames; all of them or, with `OSError`, none."""
        if not frames:
            return
        if self._in_member >= self._index_every:
            self._commit(b"", ends=True)
            self._member = _new_member()
            self._in_member = 0
        starts_member = self.frames > 0 and not self._in_member
        offset = self.size
        self._commit(b"".join(map(frame_line, frames)))
        if starts_member:
            entry = IndexEntry(offset, self.frames, frames[0].recv_ns, frames[0].connection_id)
            self._index_lines.append(_encode(entry) + b"\n")
        self._count(frames)
        self._in_member += len(frames)
        # The frames are safe; an index that cannot be written now is tried again with the next batch.
        with suppress(OSError):
            self._write_index()

    def close(self) -> SegmentSummary:
        """End the compression and write the index's last line. May be called again after an `OSError`."""
        if not self._ended:
            self._commit(b"", ends=True)
            os.close(self._fd)
            self._ended = True
        summary = SegmentSummary(
            True,
            self.frames,
            self.size,
            self.first_t,
            self.last_t,
            dict(self.connections),
            self.dropped,
            file_sha256(self.path),
        )
        self._write_index(_encode(summary) + b"\n")
        return summary

    def _commit(self, data: bytes, *, ends: bool = False) -> None:
        # On a copy, so that a full disk leaves both the file and the compressor where they were.
        attempt = self._member.copy()
        packed = attempt.compress(data) + attempt.flush(zlib.Z_FINISH if ends else zlib.Z_SYNC_FLUSH)
        try:
            _write_all(self._fd, packed)
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.size)
            os.lseek(self._fd, self.size, os.SEEK_SET)
            raise
        self.size += len(packed)
        self._member = attempt

    def _count(self, frames: Sequence[RawFrame]) -> None:
        self.frames += len(frames)
        if self.first_t is None:
            self.first_t = frames[0].recv_ns
        self.last_t = frames[-1].recv_ns
        self.connections.update(f.connection_id for f in frames)

    def _write_index(self, last: bytes = b"") -> None:
        data = b"".join(self._index_lines) + last
        if not data:
            return
        with index_path(self.path).open("ab") as stream:
            start = stream.tell()
            try:
                stream.write(data)
                stream.flush()
            except OSError:
                stream.truncate(start)
                raise
        self._index_lines.clear()


def _new_member() -> Any:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_index(path: Path) -> tuple[list[IndexEntry], SegmentSummary | None]:
    """Entries and summary of a recording's index; a cut-off last line is left out."""
    entries: list[IndexEntry] = []
    summary = None
    if not index_path(path).is_file():
        return entries, summary
    for line in index_path(path).read_bytes().splitlines():
        try:
            if b'"closed"' in line:
                summary = msgspec.json.decode(line, type=SegmentSummary)
            else:
                entries.append(msgspec.json.decode(line, type=IndexEntry))
        except msgspec.DecodeError:
            break
    return entries, summary


def whole_lines(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Every line that was flushed, from a member's offset on, also of a file that nobody closed."""
    with open_unpacked(path, offset) as stream, suppress(EOFError, zlib.error):
        while (line := stream.readline()).endswith(b"\n"):
            yield line[:-1]


def frames_from(path: Path, at_ns: int) -> Iterator[dict[str, Any]]:
    """Lines of a recording received at or after a time, starting at the nearest member before it."""
    entries, _ = read_index(path)
    offset = max((e.offset for e in entries if e.t <= at_ns), default=0)
    for line in whole_lines(path, offset):
        frame = msgspec.json.decode(line)
        if "t" in frame and frame["t"] >= at_ns:
            yield frame
