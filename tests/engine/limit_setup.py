"""A path of nine levels, limits on it and a view, for the tests of the gate."""

from __future__ import annotations

from dataclasses import replace

from apps.engine.exposure import NodeKey, NodeLevel, NodeUse
from apps.engine.limits import Limit, LimitRule, RiskLimits, RiskView, TradingState
from apps.engine.types import MONEY_SCALE, OrderIntent, Side

DOLLAR = MONEY_SCALE
ROOT = NodeKey(NodeLevel.GLOBAL, "")
ENVIRONMENT = NodeKey(NodeLevel.ENVIRONMENT, "simulated")
ACCOUNT = NodeKey(NodeLevel.ACCOUNT, "main")
STRATEGY = NodeKey(NodeLevel.STRATEGY, "maker")
CATEGORY = NodeKey(NodeLevel.CATEGORY, "Crypto")
THEME = NodeKey(NodeLevel.THEME, "bitcoin")
SERIES = NodeKey(NodeLevel.SERIES, "KXS")
EVENT = NodeKey(NodeLevel.EVENT, "KXS-E")
MARKET = NodeKey(NodeLevel.MARKET, "KXT")
PATH = (ROOT, ENVIRONMENT, ACCOUNT, STRATEGY, CATEGORY, THEME, SERIES, EVENT, MARKET)

BASE = (
    Limit(LimitRule.MAX_ORDER_DOLLARS, ACCOUNT, 5 * DOLLAR),
    Limit(LimitRule.MAX_CONTRACTS_PER_MARKET, ACCOUNT, 1000),
    Limit(LimitRule.MIN_PRICE, ACCOUNT, 100),
    Limit(LimitRule.MAX_PRICE, ACCOUNT, 9_900),
    Limit(LimitRule.MAX_TOTAL_EXPOSURE, ACCOUNT, 100 * DOLLAR),
)
LIMITS = RiskLimits(BASE)
NODES = tuple(NodeUse(key, 0, 0, 0) for key in PATH)
VIEW = RiskView(
    TradingState.ACTIVE,
    position=0,
    resting_bids=0,
    resting_asks=0,
    nodes=NODES,
    own_opposite=(),
    restrictions=(),
)


def intent(side: Side = Side.BID, price: int = 5000, quantity: int = 1000) -> OrderIntent:
    return OrderIntent("c", "KXT", side, price, quantity)


def with_limits(*more: Limit) -> RiskLimits:
    return RiskLimits((*BASE, *more))


def used(key: NodeKey, *, dollars: int = 0, contracts: int = 0, orders: int = 0, view: RiskView = VIEW) -> RiskView:
    """The view with one node used that far."""
    nodes = tuple(NodeUse(key, dollars, contracts, orders) if use.key == key else use for use in view.nodes or ())
    return replace(view, nodes=nodes)
