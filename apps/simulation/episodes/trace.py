"""What happened in an episode, as one hash and, when asked for, as lines to read."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b


class Trace:
    """Two runs of a seed are the same run exactly when their hashes are."""

    def __init__(self, now_s: Callable[[], float], *, keep: bool = False) -> None:
        self._now_s = now_s
        self._hash = blake2b(digest_size=16)
        self.lines: list[str] | None = [] if keep else None

    def note(self, kind: str, text: str) -> None:
        line = f"{self._now_s():11.6f} {kind:<9} {text}"
        self._hash.update(line.encode())
        if self.lines is not None:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
