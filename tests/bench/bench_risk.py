"""Time of one pre-trade check for a path of nine levels, with and without asking the tree for its use.

python -m tests.bench.bench_risk [checks]
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

from apps.engine.exposure import ExposureTree, NodeKey, NodeLevel
from apps.engine.limits import Limit, LimitRule, RiskLimits, RiskView, TradingState, check_intent
from apps.engine.types import MONEY_SCALE, OrderIntent, Side
from tests.bench.figures import Figure, write

CHECKS = 200_000
GOAL_US = 2_000
ORDERS_A_SECOND = 10
PATH = (
    NodeKey(NodeLevel.GLOBAL, ""),
    NodeKey(NodeLevel.ENVIRONMENT, "live"),
    NodeKey(NodeLevel.ACCOUNT, "main"),
    NodeKey(NodeLevel.STRATEGY, "maker-inside"),
    NodeKey(NodeLevel.CATEGORY, "Crypto"),
    NodeKey(NodeLevel.THEME, "bitcoin"),
    NodeKey(NodeLevel.SERIES, "KXBTC15M"),
    NodeKey(NodeLevel.EVENT, "KXBTC15M-26NOV201015"),
    NodeKey(NodeLevel.MARKET, "KXBTC15M-26NOV201015-15"),
)


def limits() -> RiskLimits:
    """Dollars, contracts and share of NAV on every node, a rate on two, and all rules of the order."""
    account, market = PATH[2], PATH[-1]
    found = [
        Limit(LimitRule.MIN_PRICE, account, 200),
        Limit(LimitRule.MAX_PRICE, account, 9_800),
        Limit(LimitRule.MAX_ORDER_DOLLARS, account, 500 * MONEY_SCALE),
        Limit(LimitRule.MAX_ORDER_CONTRACTS, account, 100_000),
        Limit(LimitRule.MAX_DEPTH_SHARE, account, 250_000),
        Limit(LimitRule.MAX_CONTRACTS_PER_MARKET, market, 100_000),
        Limit(LimitRule.MAX_ORDERS_PER_MINUTE, account, 10**6),
        Limit(LimitRule.MAX_ORDERS_PER_MINUTE, market, 10**6),
    ]
    for node in PATH:
        found.append(Limit(LimitRule.MAX_TOTAL_EXPOSURE, node, 2_000 * MONEY_SCALE))
        found.append(Limit(LimitRule.MAX_CONTRACTS, node, 10**6))
        found.append(Limit(LimitRule.MAX_NAV_SHARE, node, 250_000))
    return RiskLimits(tuple(found))


def main(checks: int) -> None:
    tree, binding, market = ExposureTree(), limits(), PATH[-1].id
    tree.place(market, PATH)
    tree.set_use(market, 100 * MONEY_SCALE, 20_000)
    intent = OrderIntent("c", market, Side.BID, 5_600, 500)
    alone, whole = [], []
    for number in range(checks):
        now_ms = number * 1_000 // ORDERS_A_SECOND
        started = perf_counter_ns()
        tree.note_order(market, now_ms)
        nodes = tree.path_use(market, now_ms)
        view = RiskView(TradingState.ACTIVE, 500, 500, 0, nodes, (6_000,), (), depth=100_000, nav=10_000 * MONEY_SCALE)
        between = perf_counter_ns()
        verdict = check_intent(intent, binding, view)
        ended = perf_counter_ns()
        assert verdict.allowed
        alone.append(ended - between)
        whole.append(ended - started)
    print(f"{checks} checks, path of {len(PATH)} levels, {len(binding.limits)} limits")
    figures = []
    for name, times in (("check alone", alone), ("tree, view and check", whole)):
        times.sort()
        median, p99 = times[checks // 2] / 1_000, times[checks * 99 // 100] / 1_000
        figures.append(Figure("G22", f"risk {name}, p50 / p99", f"{median:.1f} / {p99:.1f} us", p99 <= GOAL_US, checks))
        print(f"{name:>22}: median {median:.1f} us, p99 {p99:.1f} us, worst {times[-1] / 1_000:.0f} us")
    write("risk", figures)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CHECKS)
