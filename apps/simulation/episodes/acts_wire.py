"""Faults of the network and of the database: armed now, they hit what comes next."""

from __future__ import annotations

from random import Random

from .faults import Arm, FaultKind, Matches
from .requests import REQUEST_KINDS
from .world import World

_CREATES: Matches = lambda what: what.startswith("POST")  # noqa: E731
_CANCELS: Matches = lambda what: what.startswith("DELETE")  # noqa: E731
_READS: Matches = lambda what: what.startswith("GET")  # noqa: E731
_ANY: Matches = lambda what: True  # noqa: E731
_BOOK: Matches = lambda what: '"type":"orderbook_' in what[:40]  # noqa: E731
_PRIVATE: Matches = lambda what: what.startswith(('{"type":"fill"', '{"type":"user_order"'))  # noqa: E731
_FILLS: Matches = lambda what: what.startswith('{"type":"fill"')  # noqa: E731
_WRITES: Matches = lambda what: what.startswith("journal")  # noqa: E731

_FRAMES: dict[FaultKind, Matches] = {
    FaultKind.FRAME_DROPPED: _BOOK,
    FaultKind.FRAME_REPEATED: _ANY,
    FaultKind.FRAME_REORDERED: _ANY,
    FaultKind.FRAME_DELAYED: _ANY,
    FaultKind.FRAME_CUT: _ANY,
    FaultKind.FRAME_DRIFTED: _ANY,
    FaultKind.PRIVATE_FRAME_DROPPED: _PRIVATE,
    FaultKind.FILL_REPEATED: _FILLS,
}
_CALLS: dict[FaultKind, Matches] = {
    FaultKind.DATABASE_AWAY: _ANY,
    FaultKind.DATABASE_SLOW: _ANY,
    FaultKind.COMMIT_REFUSED: _WRITES,
    FaultKind.COMMIT_REPLY_LOST: _WRITES,
}
_ARRIVALS = (FaultKind.FILL_DURING_CANCEL, FaultKind.FILL_AFTER_CANCEL)
_SOCKETS = (FaultKind.SOCKET_LOST, FaultKind.SOCKET_SILENT, FaultKind.SOCKET_REFUSED, FaultKind.CHANNEL_LOST)
_CHANNELS = ("fill", "user_order", "orderbook_delta", "ticker", "market_lifecycle_v2")


class WireActs:
    kinds = (*REQUEST_KINDS, *_FRAMES, *_CALLS, *_ARRIVALS, *_SOCKETS)

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng

    def act(self, kind: FaultKind) -> None:
        faults, rng = self._world.faults, self._rng
        if kind in REQUEST_KINDS:
            matches = rng.choice((_CREATES, _CREATES, _CANCELS, _CANCELS, _READS, _ANY))
            faults.requests.append(self._arm(kind, matches, rng.choice((1, 1, 2, 5)), rng.uniform(0.2, 12.5)))
        elif kind in _FRAMES:
            faults.frames.append(self._arm(kind, _FRAMES[kind], rng.choice((1, 2, 8)), rng.uniform(0.05, 4.0)))
        elif kind is FaultKind.DATABASE_AWAY:
            seconds = rng.choice((0.3, 1.5, 4.0, 7.0))
            faults.calls.append(Arm(kind, self._until(seconds), 1_000_000, _CALLS[kind]))
        elif kind in _CALLS:
            faults.calls.append(self._arm(kind, _CALLS[kind], rng.choice((1, 2, 4)), rng.uniform(0.1, 3.0)))
        elif kind in _ARRIVALS:
            self._world.arrivals.append(self._arm(kind, _CANCELS, 1, rng.uniform(0.2, 3.0)))
        else:
            self._socket(kind)

    def calm(self) -> None:
        """Armed faults are cleared by the director; a socket that still holds something back breaks here."""
        for pipe in self._world.pipes:
            pipe.lost_channel = None
            if pipe.silent_until_s > self._world.loop.time():
                pipe.end(1006)

    def _socket(self, kind: FaultKind) -> None:
        faults, rng = self._world.faults, self._rng
        if kind is FaultKind.SOCKET_REFUSED:
            faults.connects.append(self._arm(kind, _ANY, rng.choice((1, 3)), 0.0))
            kind = FaultKind.SOCKET_LOST
        for pipe in self._world.pipes:
            faults.count(kind)
            if kind is FaultKind.SOCKET_LOST:
                pipe.end(1006)
            elif kind is FaultKind.SOCKET_SILENT:
                pipe.silent_until_s = self._until(rng.choice((2.0, 8.0, 20.0)))
            else:
                pipe.lost_channel = (rng.choice(_CHANNELS), self._until(rng.choice((1.0, 4.0, 10.0))))

    def _arm(self, kind: FaultKind, matches: Matches, times: int, amount: float) -> Arm:
        return Arm(kind, self._until(10.0), times, matches, amount)

    def _until(self, seconds: float) -> float:
        return self._world.loop.time() + seconds
