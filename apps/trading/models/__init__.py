from __future__ import annotations

from .accounts import Account, CashEntry, Position, Reconciliation, Settlement
from .orders import Decision, Fill, LiquidityInterval, Order, OrderEvent
from .sessions import TradingSession
from .strategies import ParameterSet, Strategy, StrategyConfig, StrategyVersion

__all__ = [
    "Account",
    "CashEntry",
    "Decision",
    "Fill",
    "LiquidityInterval",
    "Order",
    "OrderEvent",
    "ParameterSet",
    "Position",
    "Reconciliation",
    "Settlement",
    "Strategy",
    "StrategyConfig",
    "StrategyVersion",
    "TradingSession",
]
