"""The books about recording files; the files themselves are complete without them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from apps.marketdata.models import Recording
from apps.marketdata.segments import file_sha256, whole_lines


def recording_open(*, path: str, source: str, started_at: datetime) -> Recording:
    """`path` is relative to `RECORDINGS_DIR`. Telling twice is harmless."""
    recording, _ = Recording.objects.get_or_create(path=path, defaults={"source": source, "started_at": started_at})
    return recording


def recording_close(*, path: str, ended_at: datetime, frames: int, size: int, sha256: str) -> None:
    Recording.objects.filter(path=path).update(ended_at=ended_at, frames=frames, bytes=size, sha256=sha256)


def recordings_recover(*, directory: Path, source: str, before: datetime, now: datetime) -> list[str]:
    """Close the rows of files that a session left open when it died; returns their paths.

    Call it while holding the session's lease: then nobody writes any file begun `before`. A file that is gone
    is closed with no frames and no digest.
    """
    orphans = Recording.objects.filter(source=source, ended_at=None, started_at__lt=before)
    closed = []
    for recording in orphans:
        file = directory / recording.path
        if file.is_file():
            recording_close(
                path=recording.path,
                ended_at=now,
                frames=_count_frames(file),
                size=file.stat().st_size,
                sha256=file_sha256(file),
            )
        else:
            recording_close(path=recording.path, ended_at=now, frames=0, size=0, sha256="")
        closed.append(recording.path)
    return closed


def _count_frames(file: Path) -> int:
    """Whole lines after the header, up to where the file was cut off."""
    return max(0, sum(1 for _ in whole_lines(file)) - 1)
