"""The highest rate of messages in the recordings: tests/data/ws, and ../shared/data/ws where it stands beside."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apps.gateway.errors import GatewayError  # noqa: E402
from apps.gateway.kalshi.recordings import open_recording  # noqa: E402

FOLDERS = (ROOT / "tests/data/ws", ROOT.parent / "shared/data/ws")
WINDOWS_S = (1, 10)


@dataclass(frozen=True, slots=True)
class Peak:
    """Most frames in any `seconds`, as frames per second, and the recording that had them."""

    seconds: int
    per_second: float
    recording: str

    def __str__(self) -> str:
        return f"{self.per_second:.0f} frames/s over {self.seconds} s ({self.recording})"


def busiest(times_ns: Iterable[int], seconds: int) -> float:
    """Most of these times that lie within any window of so many seconds, divided by its length."""
    times, window, most, start = sorted(times_ns), seconds * 1_000_000_000, 0, 0
    for end, at in enumerate(times):
        while at - times[start] >= window:
            start += 1
        most = max(most, end - start + 1)
    return most / seconds


def times_of(path: Path) -> list[int]:
    """When each frame of a recording came, as far as it can be read; empty where it has no times."""
    found: list[int] = []
    try:
        found.extend(f.recv_ns for f in open_recording(path) if f.raw and f.recv_ns is not None)
    except GatewayError as error:
        print(f"{path.name}: read up to {error}", file=sys.stderr)
    return found


def recorded_peaks(folders: Iterable[Path] = FOLDERS) -> dict[int, Peak]:
    """By length of the window. Raises `SystemExit` when no recording has times."""
    best: dict[int, Peak] = {}
    for path in sorted(path for folder in folders if folder.is_dir() for path in folder.glob("*.json*")):
        if path.name.endswith(".meta.json"):
            continue
        times = times_of(path)
        for seconds in WINDOWS_S if times else ():
            peak = Peak(seconds, busiest(times, seconds), path.name)
            if seconds not in best or peak.per_second > best[seconds].per_second:
                best[seconds] = peak
    if not best:
        raise SystemExit("no recording with times was found")
    return best


if __name__ == "__main__":
    for found in recorded_peaks().values():
        print(found)
