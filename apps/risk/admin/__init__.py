from __future__ import annotations

from .limits import RiskLimitAdmin
from .lists import RestrictedMarketAdmin, ThemeAdmin
from .states import KillRunAdmin, TradingStateAdmin

__all__ = ["KillRunAdmin", "RestrictedMarketAdmin", "RiskLimitAdmin", "ThemeAdmin", "TradingStateAdmin"]
