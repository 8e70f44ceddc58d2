from __future__ import annotations

from .limits import RiskLimitAdmin
from .lists import RestrictedMarketAdmin, ThemeAdmin
from .states import KillRunAdmin, TradingStateAdmin
from .switches import NavDayAdmin, SwitchDrillAdmin, SwitchSettingAdmin, SwitchStatusAdmin

__all__ = [
    "KillRunAdmin",
    "NavDayAdmin",
    "RestrictedMarketAdmin",
    "RiskLimitAdmin",
    "SwitchDrillAdmin",
    "SwitchSettingAdmin",
    "SwitchStatusAdmin",
    "ThemeAdmin",
    "TradingStateAdmin",
]
