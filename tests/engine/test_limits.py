"""The gate at, below and above the boundary of every rule; what is missing or no integer denies."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.exposure import NodeKey, NodeLevel, NodeUse
from apps.engine.limits import (
    INHERITED_RULES,
    NODE_RULES,
    REQUIRED_RULES,
    Limit,
    LimitRule,
    RiskLimits,
    RiskView,
    TradingState,
    check_intent,
    limit_text,
)
from apps.engine.types import OrderIntent, Side

from .limit_setup import (
    ACCOUNT,
    BASE,
    CATEGORY,
    DOLLAR,
    EVENT,
    LIMITS,
    MARKET,
    NODES,
    PATH,
    STRATEGY,
    THEME,
    VIEW,
    intent,
    used,
    with_limits,
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
        # 95 dollars at risk, 5 more is at the limit
        (intent(), used(ACCOUNT, dollars=95 * DOLLAR), LimitRule.ALLOWED),
        (intent(), used(ACCOUNT, dollars=95 * DOLLAR + 1), LimitRule.MAX_TOTAL_EXPOSURE),
        # our own order on the other side: one tick away is free, its price and beyond are not
        (intent(price=4999), replace(VIEW, own_opposite=(5000,)), LimitRule.ALLOWED),
        (intent(price=5000), replace(VIEW, own_opposite=(6000, 5000)), LimitRule.SELF_TRADE),
        (intent(Side.ASK, 5001), replace(VIEW, own_opposite=(5000,)), LimitRule.ALLOWED),
        (intent(Side.ASK, 5000), replace(VIEW, own_opposite=(5000, 4000)), LimitRule.SELF_TRADE),
        (intent(), replace(VIEW, restrictions=("firm: insider",)), LimitRule.RESTRICTED),
    ],
)
def test_rules_at_their_boundaries(order: OrderIntent, view: RiskView, rule: LimitRule) -> None:
    decision = check_intent(order, LIMITS, view)
    assert decision.rule is rule
    assert decision.allowed is (rule is LimitRule.ALLOWED)


@pytest.mark.parametrize(
    ("limit", "view", "edge"),
    [
        # an order of 10 contracts at 0.50: 5 dollars
        (Limit(LimitRule.MAX_ORDER_CONTRACTS, STRATEGY, 0), VIEW, 1000),
        (Limit(LimitRule.MAX_DEPTH_SHARE, STRATEGY, 0), replace(VIEW, depth=4000), 250_000),
        (Limit(LimitRule.MAX_DEPTH_SHARE, STRATEGY, 0), replace(VIEW, depth=3000), 333_334),
        (Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 0), used(THEME, dollars=7 * DOLLAR), 12 * DOLLAR),
        (Limit(LimitRule.MAX_CONTRACTS, CATEGORY, 0), used(CATEGORY, contracts=300), 1300),
        (Limit(LimitRule.MAX_ORDERS_PER_MINUTE, ACCOUNT, 0), used(ACCOUNT, orders=59), 60),
        (Limit(LimitRule.MAX_NAV_SHARE, THEME, 0), replace(used(THEME, dollars=7 * DOLLAR), nav=80 * DOLLAR), 150_000),
        (Limit(LimitRule.MAX_NAV_SHARE, THEME, 0), replace(VIEW, nav=30 * DOLLAR), 166_667),
    ],
    ids=lambda value: str(value.rule) if isinstance(value, Limit) else "",
)
def test_each_further_rule_at_its_boundary_says_node_and_numbers(limit: Limit, view: RiskView, edge: int) -> None:
    assert check_intent(intent(), with_limits(replace(limit, value=edge)), view).allowed
    refused = check_intent(intent(), with_limits(replace(limit, value=edge - 1)), view)
    assert (refused.allowed, refused.rule, refused.node) == (False, limit.rule, limit.node)
    assert (refused.observed, refused.limit, refused.headroom) == (edge, edge - 1, -1)
    for part in (str(limit.node), limit_text(limit.rule, edge), limit_text(limit.rule, edge - 1)):
        assert part in refused.reason


@pytest.mark.parametrize(
    ("limit", "hidden"),
    [
        (Limit(LimitRule.MAX_DEPTH_SHARE, ACCOUNT, 10**6), replace(VIEW, depth=None)),
        (Limit(LimitRule.MAX_NAV_SHARE, ACCOUNT, 10**6), replace(VIEW, nav=None)),
    ],
)
def test_what_a_share_is_of_must_be_known_where_the_limit_is_set(limit: Limit, hidden: RiskView) -> None:
    assert check_intent(intent(), LIMITS, hidden).allowed
    refused = check_intent(intent(), with_limits(limit), hidden)
    assert (refused.rule, refused.node) == (LimitRule.INPUT_MISSING, ACCOUNT)
    assert "is not known" in refused.reason


@pytest.mark.parametrize("rule", [LimitRule.MAX_DEPTH_SHARE, LimitRule.MAX_NAV_SHARE])
def test_any_share_of_nothing_is_too_much(rule: LimitRule) -> None:
    view = replace(VIEW, depth=0, nav=0)
    assert check_intent(intent(), with_limits(Limit(rule, ACCOUNT, 10**12)), view).rule is rule


def test_the_tightest_of_all_limits_binds_and_is_named() -> None:
    limits = with_limits(
        Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 10 * DOLLAR),
        Limit(LimitRule.MAX_TOTAL_EXPOSURE, EVENT, 8 * DOLLAR),
        Limit(LimitRule.MAX_CONTRACTS, MARKET, 500),
    )
    view = used(THEME, dollars=20 * DOLLAR, view=used(EVENT, dollars=4 * DOLLAR))
    # theme 25 of 10 is 250 %, market 1000 of 500 contracts 200 %, event 9 of 8 112 %
    refused = check_intent(intent(), limits, view)
    assert (refused.rule, refused.node) == (LimitRule.MAX_TOTAL_EXPOSURE, THEME)
    assert (refused.observed, refused.limit, refused.used_ppm) == (25 * DOLLAR, 10 * DOLLAR, 2_500_000)
    assert refused.reason == "theme bitcoin: max_total_exposure would be $25.000000, limit $10.000000"


def test_an_allowed_order_names_the_limit_with_the_least_room() -> None:
    allowed = check_intent(intent(quantity=900), LIMITS, used(ACCOUNT, dollars=95 * DOLLAR))
    assert (allowed.allowed, allowed.rule) == (True, LimitRule.ALLOWED)
    assert (allowed.binding, allowed.node) == (LimitRule.MAX_TOTAL_EXPOSURE, ACCOUNT)
    assert (allowed.observed, allowed.limit, allowed.headroom) == (99_500_000, 100_000_000, 500_000)


def test_of_one_rule_on_several_nodes_the_tighter_value_binds_the_order() -> None:
    limits = with_limits(
        Limit(LimitRule.MAX_ORDER_DOLLARS, MARKET, 2 * DOLLAR),
        Limit(LimitRule.MIN_PRICE, STRATEGY, 3000),
        Limit(LimitRule.MAX_PRICE, EVENT, 6000),
    )
    assert check_intent(intent(), limits, VIEW).node == MARKET
    low, high = (check_intent(intent(price=p, quantity=1), limits, VIEW) for p in (2999, 6001))
    assert (low.rule, low.node, low.headroom) == (LimitRule.MIN_PRICE, STRATEGY, -1)
    assert (high.rule, high.node, high.headroom) == (LimitRule.MAX_PRICE, EVENT, -1)
    found = [limits.value(rule) for rule in (LimitRule.MIN_PRICE, LimitRule.MAX_PRICE, LimitRule.MAX_CONTRACTS)]
    assert found == [3000, 6000, None]


def test_orders_that_reduce_pass_full_nodes_but_not_the_rates() -> None:
    full = tuple(NodeUse(key, 10**12, 10**9, 0) for key in PATH)
    view = replace(VIEW, position=500, nodes=full, nav=None, depth=None)
    sums = (LimitRule.MAX_TOTAL_EXPOSURE, LimitRule.MAX_CONTRACTS, LimitRule.MAX_NAV_SHARE)
    limits = with_limits(*(Limit(rule, key, 1) for rule in sums for key in PATH), Limit(sums[0], ACCOUNT, 0))
    closing = intent(Side.ASK, 9000, 500)
    assert check_intent(closing, limits, view).allowed
    assert not check_intent(intent(Side.ASK, 9000, 501), limits, view).allowed
    assert not check_intent(closing, limits, replace(view, resting_asks=1)).allowed
    rate = with_limits(Limit(LimitRule.MAX_ORDERS_PER_MINUTE, ACCOUNT, 10))
    assert check_intent(closing, rate, used(ACCOUNT, orders=9, view=view)).allowed
    refused = check_intent(closing, rate, used(ACCOUNT, orders=10, view=view))
    assert (refused.rule, refused.observed, refused.limit) == (LimitRule.MAX_ORDERS_PER_MINUTE, 11, 10)


def test_what_can_be_held_at_worst_counts_as_contracts_of_a_node() -> None:
    limits = with_limits(Limit(LimitRule.MAX_CONTRACTS, CATEGORY, 1000))
    # 800 asks may already make us short 800; a bid of 1000 can make 1000, which is 200 more than that
    both = replace(used(CATEGORY, contracts=800), resting_asks=800)
    assert check_intent(intent(price=100, quantity=1000), limits, both).allowed
    assert check_intent(intent(price=100, quantity=1000), limits, replace(both, resting_bids=1)).rule in (
        LimitRule.MAX_CONTRACTS,
        LimitRule.MAX_CONTRACTS_PER_MARKET,
    )


def test_what_holds_at_any_size_is_said_before_any_number() -> None:
    halted = replace(used(ACCOUNT, dollars=10**12), trading_state=TradingState.HALTED)
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


@pytest.mark.parametrize("rule", REQUIRED_RULES)
def test_without_a_limit_of_each_required_rule_nothing_is_sent(rule: LimitRule) -> None:
    refused = check_intent(intent(), RiskLimits(tuple(li for li in BASE if li.rule is not rule)), VIEW)
    assert refused.rule is LimitRule.INPUT_MISSING
    assert rule.value in refused.reason


@pytest.mark.parametrize("name", [f.name for f in fields(RiskView) if f.name not in ("depth", "nav")])
def test_missing_knowledge_denies(name: str) -> None:
    decision = check_intent(intent(), LIMITS, replace(VIEW, **{name: None}))  # type: ignore[arg-type]
    assert decision.rule is LimitRule.INPUT_MISSING
    assert name in decision.reason


@pytest.mark.parametrize("rule", sorted(NODE_RULES))
def test_a_limit_of_a_node_that_is_not_on_the_path_denies(rule: LimitRule) -> None:
    elsewhere = NodeKey(NodeLevel.THEME, "elsewhere")
    view = replace(VIEW, nav=10**12)
    assert check_intent(intent(), with_limits(Limit(rule, THEME, 10**12)), view).allowed
    refused = check_intent(intent(), with_limits(Limit(rule, elsewhere, 10**12)), view)
    assert (refused.rule, refused.node) == (LimitRule.INPUT_MISSING, elsewhere)


def test_a_view_of_no_node_at_all_denies() -> None:
    assert check_intent(intent(), LIMITS, replace(VIEW, nodes=())).rule is LimitRule.INPUT_MISSING


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0, "1", True, None, -1])
@pytest.mark.parametrize("rule", sorted(INHERITED_RULES | NODE_RULES))
def test_limit_that_is_no_integer_denies(rule: LimitRule, value: object) -> None:
    decision = check_intent(intent(), with_limits(Limit(rule, ACCOUNT, value)), VIEW)  # type: ignore[arg-type]
    assert decision.rule in (LimitRule.INPUT_INVALID, LimitRule.INPUT_MISSING)
    assert not decision.allowed


def test_a_limit_of_an_unknown_rule_denies() -> None:
    decision = check_intent(intent(), with_limits(Limit(LimitRule.ALLOWED, ACCOUNT, 1)), VIEW)
    assert decision.rule is LimitRule.INPUT_INVALID


@pytest.mark.parametrize("value", [float("nan"), -float("inf"), 0.5, "0", False])
@pytest.mark.parametrize("name", ["position", "resting_bids", "resting_asks", "depth", "nav"])
def test_view_that_is_no_integer_denies(name: str, value: object) -> None:
    decision = check_intent(intent(), LIMITS, replace(VIEW, **{name: value}))  # type: ignore[arg-type]
    assert decision.rule is LimitRule.INPUT_INVALID


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5, "0", None, True, -1])
@pytest.mark.parametrize("name", ["dollars", "contracts", "orders"])
def test_use_that_is_no_integer_denies(name: str, value: object) -> None:
    nodes = (*NODES[:-1], NODES[-1]._replace(**{name: value}))
    assert check_intent(intent(), LIMITS, replace(VIEW, nodes=nodes)).rule is LimitRule.INPUT_INVALID


def test_own_price_that_is_no_integer_denies() -> None:
    view = replace(VIEW, own_opposite=(float("nan"),))  # type: ignore[arg-type]
    assert check_intent(intent(), LIMITS, view).rule is LimitRule.INPUT_INVALID


@pytest.mark.parametrize(
    ("price", "quantity"),
    [(0, 1), (10_000, 1), (-1, 1), (5000, 0), (5000, -1), (float("nan"), 1), (5000, float("nan")), (None, 1)],
)
def test_absurd_order_denies(price: int, quantity: int) -> None:
    decision = check_intent(intent(price=price, quantity=quantity), LIMITS, VIEW)
    assert not decision.allowed
    assert decision.rule in (LimitRule.INPUT_INVALID, LimitRule.INPUT_MISSING)


def test_absurd_side_denies() -> None:
    order = replace(intent(), side="buy")  # type: ignore[arg-type]
    assert check_intent(order, LIMITS, VIEW).rule is LimitRule.INPUT_INVALID


@pytest.mark.parametrize("name", ["resting_bids", "resting_asks", "depth", "nav"])
def test_negative_amounts_deny(name: str) -> None:
    decision = check_intent(intent(), LIMITS, replace(VIEW, **{name: -1}))  # type: ignore[arg-type]
    assert decision.rule is LimitRule.INPUT_INVALID


@settings(max_examples=150)
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
    view = replace(VIEW, trading_state=state, position=position, resting_bids=bids, resting_asks=asks)
    if not check_intent(intent(side, price, quantity), LIMITS, view).allowed:
        return
    after = position + side.sign * (quantity + (bids if side is Side.BID else asks))
    assert state is not TradingState.HALTED
    assert abs(after) <= 1000 or after * side.sign < 0
    assert 100 <= price <= 9_900
    if state is TradingState.REDUCING:
        assert abs(after) <= abs(position)
        assert after * position >= 0
