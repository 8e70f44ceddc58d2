"""Faults of the HTTP side: planned one by one, or drawn for every request from a seeded plan."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class FaultKind(StrEnum):
    """`*_BEFORE` hits before the request takes effect, `*_AFTER` once it has; the other answers come instead of it.

    `ERROR_*` is 503, `INTERNAL_*` 500, `SILENCE_*` no answer ever, `LATE_BEFORE` an effect and `LATE_AFTER` an answer
    that comes late. From `OTHER_ORDER` on the effect is done and its answer spoiled (`spoiling`).
    """

    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    INTERNAL_BEFORE = "internal_before"
    INTERNAL_AFTER = "internal_after"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    SILENCE_BEFORE = "silence_before"
    SILENCE_AFTER = "silence_after"
    LATE_BEFORE = "late_before"
    LATE_AFTER = "late_after"
    OTHER_ORDER = "other_order"
    CUT = "cut"
    CORRUPT = "corrupt"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    RENAMED_FIELD = "renamed_field"


_K = FaultKind
PROFILES: Mapping[str, tuple[FaultKind, ...]] = {
    # The mixture of the measured mock: a third each 503, lost before the engine, effect done but reply lost.
    "thirds": (_K.ERROR_BEFORE, _K.SILENCE_BEFORE, _K.SILENCE_AFTER),
    "errors": (
        _K.ERROR_BEFORE,
        _K.ERROR_AFTER,
        _K.INTERNAL_BEFORE,
        _K.INTERNAL_AFTER,
        _K.RATE_LIMITED,
        _K.UNAUTHORIZED,
    ),
    "network": (_K.SILENCE_BEFORE, _K.SILENCE_AFTER, _K.LATE_BEFORE, _K.LATE_AFTER),
    "replies": (
        _K.OTHER_ORDER,
        _K.CUT,
        _K.CORRUPT,
        _K.UNKNOWN_FIELD,
        _K.MISSING_FIELD,
        _K.RENAMED_FIELD,
    ),
    "all": tuple(FaultKind),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Hits the next request of this method whose path starts so."""

    kind: FaultKind
    method: str
    path: str


@dataclass(slots=True)
class FaultPlan:
    """Each request is hit with probability `rate` by one of `kinds`, only under `paths` and with `methods` if given.

    `paths` are prefixes of the whole path, base included; late kinds take `late_s` seconds, lowest and highest.
    """

    rate: float
    kinds: tuple[FaultKind, ...]
    rng: Random
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    late_s: tuple[float, float] = (0.5, 5.0)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"a fault rate lies between 0 and 1: {self.rate}")
        if not self.kinds:
            raise ValueError("a fault plan needs at least one kind")

    def draw(self, method: str, path: str) -> FaultKind | None:
        if self.methods and method not in self.methods:
            return None
        if self.paths and not path.startswith(self.paths):
            return None
        return self.rng.choice(self.kinds) if self.rng.random() < self.rate else None


@dataclass(slots=True)
class Faults:
    """What shall go wrong: `planned` first, then the `random` plan. `rng` decides the details of a fault."""

    planned: deque[Fault] = field(default_factory=deque)
    random: FaultPlan | None = None
    rng: Random = field(default_factory=lambda: Random(0))
    given: Counter[str] = field(default_factory=Counter)

    def plan(self, kind: FaultKind, method: str, path: str) -> None:
        self.planned.append(Fault(kind, method, path))

    def take(self, method: str, path: str) -> FaultKind | None:
        """The fault for this request, used up and counted; None when it is to go well."""
        kind = self._planned(method, path)
        if kind is None and self.random is not None:
            kind = self.random.draw(method, path)
        if kind is not None:
            self.given[kind.value] += 1
        return kind

    def late_s(self) -> float:
        """How late the late kinds are."""
        low, high = (0.5, 5.0) if self.random is None else self.random.late_s
        return self.rng.uniform(low, high)

    def _planned(self, method: str, path: str) -> FaultKind | None:
        for fault in self.planned:
            if fault.method == method and path.startswith(fault.path):
                self.planned.remove(fault)
                return fault.kind
        return None


@dataclass(slots=True)
class Latency:
    """Round trips with a log-normal distribution; `sigma` 0 makes all of them `median_ms`."""

    median_ms: float
    sigma: float
    rng: Random

    def __post_init__(self) -> None:
        if not (self.median_ms >= 0 and self.sigma >= 0):
            raise ValueError(f"latency needs a median and a sigma from 0 on: {self.median_ms}, {self.sigma}")

    def draw_s(self) -> float:
        return self.median_ms / 1000 * self.rng.lognormvariate(0, self.sigma)
