"""Every rule of the gate stops something that no other rule stops: switched off, that order would be sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.engine.limits import (
    INHERITED_RULES,
    NODE_RULES,
    Limit,
    LimitRule,
    RiskLimits,
    RiskView,
    TradingState,
    check_intent,
    gate,
)
from apps.engine.types import OrderIntent, Side

from .limit_setup import ACCOUNT, BASE, CATEGORY, DOLLAR, LIMITS, MARKET, THEME, VIEW, intent, used, with_limits

ABSOLUTE = {
    LimitRule.TRADING_STATE: (intent(), replace(VIEW, trading_state=TradingState.HALTED)),
    LimitRule.RESTRICTED: (intent(), replace(VIEW, restrictions=("firm: listed",))),
    LimitRule.REDUCING_ONLY: (intent(), replace(VIEW, trading_state=TradingState.REDUCING)),
    LimitRule.SELF_TRADE: (intent(), replace(VIEW, own_opposite=(5000,))),
    LimitRule.MIN_PRICE: (intent(price=99), VIEW),
    LimitRule.MAX_PRICE: (intent(Side.ASK, 9901), VIEW),
}
MEASURED = {
    LimitRule.MAX_ORDER_DOLLARS: (intent(price=9000, quantity=900), VIEW, None),
    LimitRule.MAX_ORDER_CONTRACTS: (intent(), VIEW, Limit(LimitRule.MAX_ORDER_CONTRACTS, ACCOUNT, 999)),
    LimitRule.MAX_DEPTH_SHARE: (
        intent(), replace(VIEW, depth=1999), Limit(LimitRule.MAX_DEPTH_SHARE, ACCOUNT, 500_000),
    ),
    LimitRule.MAX_CONTRACTS_PER_MARKET: (intent(price=200, quantity=1001), VIEW, None),
    LimitRule.MAX_TOTAL_EXPOSURE: (intent(), used(ACCOUNT, dollars=96 * DOLLAR), None),
    LimitRule.MAX_CONTRACTS: (intent(), used(CATEGORY, contracts=1), Limit(LimitRule.MAX_CONTRACTS, CATEGORY, 1000)),
    LimitRule.MAX_ORDERS_PER_MINUTE: (
        intent(), used(ACCOUNT, orders=60), Limit(LimitRule.MAX_ORDERS_PER_MINUTE, ACCOUNT, 60),
    ),
    LimitRule.MAX_NAV_SHARE: (
        intent(), replace(VIEW, nav=33 * DOLLAR), Limit(LimitRule.MAX_NAV_SHARE, THEME, 150_000),
    ),
}  # fmt: skip


def test_every_rule_that_takes_a_number_is_here() -> None:
    assert (set(ABSOLUTE) | set(MEASURED)) >= INHERITED_RULES | NODE_RULES


@pytest.mark.parametrize("rule", ABSOLUTE, ids=str)
def test_what_holds_at_any_size_is_held_by_its_rule_alone(rule: LimitRule, monkeypatch: pytest.MonkeyPatch) -> None:
    order, view = ABSOLUTE[rule]
    assert check_intent(order, with_limits(), view).rule is rule
    guards = [guard for guard in gate._ABSOLUTE if _refuses_with(guard, order, view) is not rule]
    assert len(guards) == len(gate._ABSOLUTE) - 1
    monkeypatch.setattr(gate, "_ABSOLUTE", tuple(guards))
    assert check_intent(order, with_limits(), view).allowed


@pytest.mark.parametrize("rule", MEASURED, ids=str)
def test_a_limit_is_held_by_its_rule_alone(rule: LimitRule, monkeypatch: pytest.MonkeyPatch) -> None:
    order, view, limit = MEASURED[rule]
    limits = with_limits() if limit is None else with_limits(limit)
    assert check_intent(order, limits, view).rule is rule
    monkeypatch.setitem(gate._OBSERVED, rule, lambda facts, use: None)
    assert check_intent(order, limits, view).allowed


def _refuses_with(guard: object, order: OrderIntent, view: RiskView) -> LimitRule | None:
    refusal = guard(gate._Facts(order, with_limits(), view))  # type: ignore[operator]
    return None if refusal is None else refusal.rule


@pytest.mark.parametrize("value", [5000.0, True, "5000"])
def test_a_number_that_only_looks_like_one_is_refused_by_name(value: Any) -> None:
    for name in ("price", "quantity"):
        decision = check_intent(replace(intent(price=100, quantity=1), **{name: value}), LIMITS, VIEW)
        assert (decision.allowed, decision.rule) == (False, LimitRule.INPUT_INVALID)
        assert decision.reason.startswith(f"{name} is not an integer")


def test_a_limit_without_a_value_is_missing_not_wrong() -> None:
    limits = with_limits(Limit(LimitRule.MAX_CONTRACTS, ACCOUNT, None))  # type: ignore[arg-type]
    assert check_intent(intent(), limits, VIEW).rule is LimitRule.INPUT_MISSING


def test_the_tighter_of_two_limits_binds_in_either_order() -> None:
    dollars = (Limit(LimitRule.MAX_ORDER_DOLLARS, MARKET, 2 * DOLLAR), Limit(LimitRule.MIN_PRICE, MARKET, 3000))
    for limits in (RiskLimits((*BASE, *dollars)), RiskLimits((*dollars, *BASE))):
        assert limits.inherited[LimitRule.MAX_ORDER_DOLLARS] == dollars[0]
        assert limits.inherited[LimitRule.MIN_PRICE] == dollars[1]
        assert check_intent(intent(price=2999, quantity=1), limits, VIEW).rule is LimitRule.MIN_PRICE


def test_an_order_that_no_limit_measures_is_denied() -> None:
    limits = RiskLimits(BASE)
    object.__setattr__(limits, "measured", ())
    assert check_intent(intent(), limits, VIEW).rule is LimitRule.INPUT_MISSING
