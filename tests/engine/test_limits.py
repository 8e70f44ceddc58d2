"""Pre-trade rules at, below and above their boundaries; what is missing or no integer denies."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.limits import LimitRule, RiskLimits, RiskView, TradingState, check_intent
from apps.engine.types import MONEY_SCALE, OrderIntent, Side

DOLLAR = MONEY_SCALE
LIMITS = RiskLimits(max_contracts_per_market=1000, max_total_exposure=100 * DOLLAR, max_order_dollars=5 * DOLLAR)
VIEW = RiskView(TradingState.ACTIVE, position=0, resting_bids=0, resting_asks=0, total_exposure=0)


def intent(side: Side = Side.BID, price: int = 5000, quantity: int = 1000) -> OrderIntent:
    return OrderIntent("c", "KXT", side, price, quantity)


def test_default_order_limit_is_500_dollars() -> None:
    limits = RiskLimits(max_contracts_per_market=10**9, max_total_exposure=10**12)
    assert check_intent(intent(price=5000, quantity=100_000), limits, VIEW).allowed
    refused = check_intent(intent(price=5000, quantity=100_001), limits, VIEW)
    assert (refused.rule, refused.observed, refused.limit) == (
        LimitRule.MAX_ORDER_DOLLARS,
        500_005_000,
        500_000_000,
    )


@pytest.mark.parametrize(
    ("order", "view", "rule"),
    [
        (intent(), VIEW, LimitRule.ALLOWED),
        (intent(price=5001), VIEW, LimitRule.MAX_ORDER_DOLLARS),
        (intent(Side.ASK, 4999), VIEW, LimitRule.MAX_ORDER_DOLLARS),
        (intent(Side.ASK, 9000), VIEW, LimitRule.ALLOWED),
        (intent(price=100, quantity=1001), VIEW, LimitRule.MAX_CONTRACTS_PER_MARKET),
        (intent(price=99, quantity=1), VIEW, LimitRule.MIN_PRICE),
        (intent(price=100, quantity=1), VIEW, LimitRule.ALLOWED),
        (intent(Side.ASK, 9901, 1), VIEW, LimitRule.MAX_PRICE),
        (intent(Side.ASK, 9900, 1), VIEW, LimitRule.ALLOWED),
        # what rests on the same side counts, the other side does not
        (intent(price=100, quantity=500), replace(VIEW, resting_bids=500), LimitRule.ALLOWED),
        (intent(price=100, quantity=501), replace(VIEW, resting_bids=500), LimitRule.MAX_CONTRACTS_PER_MARKET),
        (intent(price=100, quantity=1000), replace(VIEW, resting_asks=500), LimitRule.ALLOWED),
        (intent(price=100, quantity=501), replace(VIEW, position=500), LimitRule.MAX_CONTRACTS_PER_MARKET),
        (intent(Side.ASK, 9900, 501), replace(VIEW, position=-500), LimitRule.MAX_CONTRACTS_PER_MARKET),
        (intent(Side.ASK, 9900, 500), replace(VIEW, position=-500), LimitRule.ALLOWED),
        # above the limit already: only the way back is open
        (intent(Side.ASK, 9900, 100), replace(VIEW, position=5000), LimitRule.ALLOWED),
        (intent(Side.BID, 100, 1), replace(VIEW, position=5000), LimitRule.MAX_CONTRACTS_PER_MARKET),
        # exposure: 95 at risk, 5 more is at the limit
        (intent(), replace(VIEW, total_exposure=95 * DOLLAR), LimitRule.ALLOWED),
        (intent(), replace(VIEW, total_exposure=95 * DOLLAR + 1), LimitRule.MAX_TOTAL_EXPOSURE),
        (
            intent(Side.ASK, 9000, 500),
            replace(VIEW, position=500, total_exposure=200 * DOLLAR),
            LimitRule.ALLOWED,
        ),
        (
            intent(Side.ASK, 9000, 500),
            replace(VIEW, position=500, resting_asks=1, total_exposure=200 * DOLLAR),
            LimitRule.MAX_TOTAL_EXPOSURE,
        ),
    ],
)
def test_rules_at_their_boundaries(order: OrderIntent, view: RiskView, rule: LimitRule) -> None:
    decision = check_intent(order, LIMITS, view)
    assert decision.rule is rule
    assert decision.allowed is (rule is LimitRule.ALLOWED)


def test_denial_names_observed_and_limit() -> None:
    decision = check_intent(intent(quantity=400), LIMITS, replace(VIEW, total_exposure=99 * DOLLAR))
    assert decision.rule is LimitRule.MAX_TOTAL_EXPOSURE
    assert (decision.observed, decision.limit) == (101 * DOLLAR, 100 * DOLLAR)
    assert str(101 * DOLLAR) in decision.reason
    assert str(100 * DOLLAR) in decision.reason


def test_the_first_rule_that_objects_decides() -> None:
    halted = replace(VIEW, trading_state=TradingState.HALTED, total_exposure=10**12)
    assert check_intent(intent(price=50), LIMITS, halted).rule is LimitRule.TRADING_STATE


@pytest.mark.parametrize(
    ("side", "quantity", "position", "resting_asks", "allowed"),
    [
        (Side.ASK, 500, 500, 0, True),
        (Side.ASK, 501, 500, 0, False),
        (Side.ASK, 400, 500, 100, True),
        (Side.ASK, 401, 500, 100, False),
        (Side.BID, 1, 500, 0, False),
        (Side.BID, 500, -500, 0, True),
        (Side.BID, 1, 0, 0, False),
        (Side.ASK, 1, 0, 0, False),
    ],
)
def test_reducing_only_leads_towards_zero(
    side: Side, quantity: int, position: int, resting_asks: int, allowed: bool
) -> None:
    view = replace(VIEW, trading_state=TradingState.REDUCING, position=position, resting_asks=resting_asks)
    decision = check_intent(intent(side, 5000, quantity), LIMITS, view)
    assert decision.allowed is allowed
    assert decision.rule is (LimitRule.ALLOWED if allowed else LimitRule.REDUCING_ONLY)


@pytest.mark.parametrize("state", [TradingState.HALTED, "paused", "", 0])
def test_any_other_trading_state_denies(state: object) -> None:
    view = replace(VIEW, trading_state=state)  # type: ignore[arg-type]
    assert check_intent(intent(), LIMITS, view).rule is LimitRule.TRADING_STATE


def test_missing_limits_or_view_deny() -> None:
    assert check_intent(intent(), None, VIEW).rule is LimitRule.INPUT_MISSING
    assert check_intent(intent(), LIMITS, None).rule is LimitRule.INPUT_MISSING


@pytest.mark.parametrize("name", [f.name for f in fields(RiskView)])
def test_missing_knowledge_denies(name: str) -> None:
    decision = check_intent(intent(), LIMITS, replace(VIEW, **{name: None}))  # type: ignore[arg-type]
    assert decision.rule is LimitRule.INPUT_MISSING
    assert name in decision.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0, "1", True, None])
@pytest.mark.parametrize("name", [f.name for f in fields(RiskLimits)])
def test_limit_that_is_no_integer_denies(name: str, value: object) -> None:
    decision = check_intent(intent(), replace(LIMITS, **{name: value}), VIEW)  # type: ignore[arg-type]
    assert decision.rule in (LimitRule.INPUT_INVALID, LimitRule.INPUT_MISSING)
    assert not decision.allowed


@pytest.mark.parametrize("value", [float("nan"), -float("inf"), 0.5, "0", False])
@pytest.mark.parametrize("name", ["position", "resting_bids", "resting_asks", "total_exposure"])
def test_view_that_is_no_integer_denies(name: str, value: object) -> None:
    decision = check_intent(intent(), LIMITS, replace(VIEW, **{name: value}))  # type: ignore[arg-type]
    assert decision.rule is LimitRule.INPUT_INVALID


@pytest.mark.parametrize(
    ("price", "quantity"),
    [(0, 1), (10_000, 1), (-1, 1), (5000, 0), (5000, -1), (float("nan"), 1), (5000, float("nan")), (None, 1)],
)
def test_absurd_order_denies(price: int, quantity: int) -> None:
    decision = check_intent(intent(price=price, quantity=quantity), LIMITS, VIEW)
    assert not decision.allowed
    assert decision.rule in (LimitRule.INPUT_INVALID, LimitRule.INPUT_MISSING)


@pytest.mark.parametrize("name", ["resting_bids", "resting_asks", "total_exposure"])
def test_negative_amounts_deny(name: str) -> None:
    decision = check_intent(intent(), LIMITS, replace(VIEW, **{name: -1}))  # type: ignore[arg-type]
    assert decision.rule is LimitRule.INPUT_INVALID


@given(
    st.sampled_from(list(Side)),
    st.integers(1, 9999),
    st.integers(1, 3000),
    st.integers(-2000, 2000),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.sampled_from(list(TradingState)),
)
def test_allowed_order_keeps_every_limit(
    side: Side, price: int, quantity: int, position: int, bids: int, asks: int, state: TradingState
) -> None:
    view = RiskView(state, position, bids, asks, 0)
    if not check_intent(intent(side, price, quantity), LIMITS, view).allowed:
        return
    after = position + side.sign * (quantity + (bids if side is Side.BID else asks))
    assert state is not TradingState.HALTED
    assert abs(after) <= LIMITS.max_contracts_per_market or after * side.sign < 0
    assert LIMITS.min_price <= price <= LIMITS.max_price
    if state is TradingState.REDUCING:
        assert abs(after) <= abs(position)
        assert after * position >= 0
