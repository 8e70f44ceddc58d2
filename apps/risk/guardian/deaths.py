"""Which sessions have fallen silent. A normal end says so, and a quiet market does not stop the beat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .heartbeat import Heartbeat

SILENT_MS = 20_000
LOOK_EVERY_MS = 5_000
LOOK_SELDOM_MS = 30_000
SELDOM_AFTER_MS = 120_000


@dataclass(slots=True)
class DeathWatch:
    """Keeps the newest beat of every account of one environment, whatever way it came."""

    environment: str
    silent_ms: int = SILENT_MS
    _newest: dict[str, Heartbeat] = field(default_factory=dict)
    _looked_ms: dict[str, int] = field(default_factory=dict)

    def note(self, beats: Mapping[str, Heartbeat]) -> None:
        for name, beat in beats.items():
            known = self._newest.get(name)
            if beat.environment == self.environment and (known is None or beat.at_ms >= known.at_ms):
                self._newest[name] = beat

    def silent(self, now_ms: int) -> list[Heartbeat]:
        """Sessions that stopped beating without a word. A beat from the future, after a clock was set back, is none."""
        return [
            beat for beat in self._newest.values() if not beat.is_stopped and abs(now_ms - beat.at_ms) > self.silent_ms
        ]

    def due(self, now_ms: int) -> list[Heartbeat]:
        """Of the silent ones those whose orders should be looked for now: often at first, then now and then."""
        found = [beat for beat in self.silent(now_ms) if self._is_due(beat, now_ms)]
        self._looked(found, now_ms)
        return found

    def again(self, name: str) -> None:
        """The look did not succeed: it is due at once."""
        self._looked_ms.pop(name, None)

    def _is_due(self, beat: Heartbeat, now_ms: int) -> bool:
        looked_ms = self._looked_ms.get(beat.name)
        is_old = abs(now_ms - beat.at_ms) > SELDOM_AFTER_MS
        return looked_ms is None or abs(now_ms - looked_ms) >= (LOOK_SELDOM_MS if is_old else LOOK_EVERY_MS)

    def _looked(self, beats: Iterable[Heartbeat], now_ms: int) -> None:
        for beat in beats:
            self._looked_ms[beat.name] = now_ms
