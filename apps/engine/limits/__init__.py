"""The gate every order passes: `check_intent`. Pure, denied by default, and a denial says which limit with numbers."""

from __future__ import annotations

from .breaches import Breach, breaches, measures
from .gate import check_intent
from .model import Limit, RiskDecision, RiskLimits, RiskView
from .rules import (
    INHERITED_RULES,
    NODE_RULES,
    REQUIRED_RULES,
    SHARE_SCALE,
    LimitRule,
    LimitUnit,
    TradingState,
    limit_text,
    unit_of,
)

__all__ = [
    "INHERITED_RULES",
    "NODE_RULES",
    "REQUIRED_RULES",
    "SHARE_SCALE",
    "Breach",
    "Limit",
    "LimitRule",
    "LimitUnit",
    "RiskDecision",
    "RiskLimits",
    "RiskView",
    "TradingState",
    "breaches",
    "check_intent",
    "limit_text",
    "measures",
    "unit_of",
]
