from __future__ import annotations

from .accounts import Account, CashEntry, Position, Reconciliation, Settlement
from .groups import OrderGroup
from .ladder import BacktestEvidence, GateWaiver, ParameterName, StrategyRun
from .orders import Decision, Fill, LiquidityInterval, Order, OrderEvent
from .plans import LegPlan, PlanLeg
from .requests import OrderRequest
from .sessions import TradingSession
from .strategies import ParameterSet, Strategy, StrategyConfig, StrategyVersion

__all__ = [
    "Account",
    "BacktestEvidence",
    "CashEntry",
    "Decision",
    "Fill",
    "GateWaiver",
    "LegPlan",
    "LiquidityInterval",
    "Order",
    "OrderEvent",
    "OrderGroup",
    "OrderRequest",
    "ParameterName",
    "ParameterSet",
    "PlanLeg",
    "Position",
    "Reconciliation",
    "Settlement",
    "Strategy",
    "StrategyConfig",
    "StrategyRun",
    "StrategyVersion",
    "TradingSession",
]
