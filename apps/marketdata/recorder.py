"""Keeps every raw frame of a session: a bounded queue, and a thread that writes segments. Needs no database.

A crash loses at most one flush interval. What does not fit the queue is counted, reported and named in the index of
the file it is missing from; a full disk holds frames back in the queue until there is room again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .mapping import at_ns
from .segments import RawFrame, Segment, SegmentHeader, SegmentSummary


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Bounds of the queue, when a file ends, how often it is flushed and how often it can be entered."""

    max_queued_frames: int = 200_000
    max_queued_bytes: int = 256 * 1024 * 1024
    max_segment_bytes: int = 256 * 1024 * 1024
    max_segment_s: int = 3600
    flush_s: float = 0.5
    index_every: int = 5_000


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """A file was begun; `path` is relative to the recordings' directory."""

    path: str
    source: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """A file is complete."""

    path: str
    ended_at: datetime
    summary: SegmentSummary


SegmentNews = SegmentOpened | SegmentClosed


class Recorder:
    """`record` from the event loop, `cycle` from the writing thread (or a test).

    `session` names the files and must be new for each session. `on_segment` is called from the writing thread.
    """

    def __init__(
        self,
        *,
        directory: Path,
        source: str,
        session: str,
        on_segment: Callable[[SegmentNews], None],
        config: RecorderConfig | None = None,
    ) -> None:
        self.config = config or RecorderConfig()
        self.dropped = 0
        self.written = 0
        self.problem: str | None = None
        self._directory = directory
        self._source = source
        self._session = session
        self._on_segment = on_segment
        self._queue: queue.SimpleQueue[RawFrame] = queue.SimpleQueue()
        self._pending: list[RawFrame] = []
        self._segment: Segment | None = None
        self._number = 0
        self._dropped_reported = 0
        # Each pair has one writer per side, so that the difference needs no lock.
        self._frames_in = self._frames_out = 0
        self._bytes_in = self._bytes_out = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def queued(self) -> int:
        return self._frames_in - self._frames_out

    @property
    def is_running(self) -> bool:
        """False before `start`, after `stop`, and when the writing thread died of something unforeseen."""
        return self._thread is not None and self._thread.is_alive()

    def record(self, recv_ns: int, connection_id: str, raw: bytes | str) -> bool:
        """Queue one frame. False when there is no room: the frame is lost to the recording and counted."""
        data = raw.encode() if isinstance(raw, str) else bytes(raw)
        if (
            self.queued >= self.config.max_queued_frames
            or self._bytes_in - self._bytes_out + len(data) > self.config.max_queued_bytes
        ):
            self.dropped += 1
            return False
        self._frames_in += 1
        self._bytes_in += len(data)
        self._queue.put(RawFrame(recv_ns, connection_id, data))
        return True

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="marketdata-recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued and close the file. Blocks. Frames that could not be written stay in `queued`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.cycle()
        if not self._pending:
            self._attempt(self._close_segment)

    def cycle(self) -> None:
        """Move everything queued to disk. A refusing disk is told in `problem` and tried again next time."""
        self._drain()
        if self._attempt(self._write):
            self.problem = None

    def _run(self) -> None:
        while not self._stop.wait(self.config.flush_s):
            self.cycle()

    def _drain(self) -> None:
        for _ in range(self._queue.qsize()):
            self._pending.append(self._queue.get_nowait())

    def _attempt(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except OSError as e:
            self.problem = f"recording: {e.strerror or type(e).__name__}"
            return False
        return True

    def _write(self) -> None:
        if self._segment is not None and self._is_full(self._segment):
            self._close_segment()
        if not self._pending:
            return
        if self._segment is None:
            self._segment = self._open_segment(self._pending[0].recv_ns)
        self._segment.write(self._pending)
        self._frames_out += len(self._pending)
        self._bytes_out += sum(len(f.raw) for f in self._pending)
        self.written += len(self._pending)
        self._pending = []

    def _is_full(self, segment: Segment) -> bool:
        newest = self._pending[-1].recv_ns if self._pending else segment.last_t or segment.header.started_ns
        age_s = (newest - segment.header.started_ns) / 1e9
        return segment.frames > 0 and (
            segment.size >= self.config.max_segment_bytes or age_s >= self.config.max_segment_s
        )

    def _open_segment(self, started_ns: int) -> Segment:
        started_at = at_ns(started_ns)
        name = f"{started_at:%Y-%m-%d}/{started_at:%Y%m%dT%H%M%S}Z-{self._session}-{self._number:04d}.jsonl.gz"
        header = SegmentHeader(started_ns, self._source, self._session, self._number)
        segment = Segment(self._directory / name, header, index_every=self.config.index_every)
        self._number += 1
        self._on_segment(SegmentOpened(name, self._source, started_at))
        return segment

    def _close_segment(self) -> None:
        segment = self._segment
        if segment is None:
            return
        segment.dropped = self.dropped - self._dropped_reported
        summary = segment.close()
        self._dropped_reported += segment.dropped
        self._segment = None
        name = str(segment.path.relative_to(self._directory))
        self._on_segment(SegmentClosed(name, at_ns(segment.last_t or segment.header.started_ns), summary))
