from __future__ import annotations

from .kill import KillRun
from .limits import RestrictedMarket, RiskLimit, Theme
from .nav import NavDay
from .states import TradingState
from .switches import SwitchDrill, SwitchSetting, SwitchStatus

__all__ = [
    "KillRun",
    "NavDay",
    "RestrictedMarket",
    "RiskLimit",
    "SwitchDrill",
    "SwitchSetting",
    "SwitchStatus",
    "Theme",
    "TradingState",
]
