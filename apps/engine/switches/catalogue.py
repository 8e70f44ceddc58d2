"""Every switch by key, and the drill that shows that each trips when it must and does not when it must not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .base import Switch, SwitchState, Thresholds, Verdict
from .health import K5, K6, K12, K13, K15
from .money import K1, K2, K4, K14
from .orders import K9, K16, K17, K19, KM
from .quality import K3, K8
from .truth import K7, K10, K11, K18

_ALL: tuple[Switch[Any, Any], ...] = (
    K1, K2, K3, K4, K5, K6, K7, K8, K9, K10, K11, K12, K13, K14, K15, K16, K17, K18, K19, KM,
)  # fmt: skip
SWITCHES: Mapping[str, Switch[Any, Any]] = MappingProxyType({switch.key: switch for switch in _ALL})


@dataclass(frozen=True, slots=True)
class Drill:
    """`trip` should have tripped, `control` should be ok."""

    key: str
    trip: Verdict
    control: Verdict

    @property
    def passed(self) -> bool:
        return self.trip.state is SwitchState.TRIPPED and self.control.state is SwitchState.OK


def drill(switch: Switch[Any, Any], now_ms: int, thresholds: Thresholds | None = None) -> Drill:
    """Runs both cases of one switch with the thresholds in force."""
    limits = switch.thresholds if thresholds is None else thresholds
    return Drill(
        switch.key,
        switch.evaluate(switch.trip_case(limits, now_ms), now_ms, limits),
        switch.evaluate(switch.calm_case(limits, now_ms), now_ms, limits),
    )
