"""Stakes after fees: never negative, never above the fraction, larger with more edge, nothing without one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.errors import BadNumber
from apps.engine.exposure import NodeUse
from apps.engine.fees import FCM, FeeRule
from apps.engine.limits import Limit, LimitRule, RiskLimits, check_intent
from apps.engine.sizing import Size, SizeReason, _largest, fit_to_limits, kelly_size
from apps.engine.types import MONEY_SCALE, Side

from .limit_setup import ACCOUNT, BASE, CATEGORY, DOLLAR, LIMITS, THEME, VIEW, intent, used, with_limits

BANKROLL = 10_000 * MONEY_SCALE
FREE = FeeRule.of("quadratic", 0)
USUAL = FeeRule.of("quadratic_with_maker_fees", 1)


def size(
    side: Side = Side.BID,
    price: int = 5000,
    probability: int | Fraction | Decimal = 600_000,
    bankroll: int = BANKROLL,
    fraction_ppm: int = 250_000,
    fee_rule: FeeRule = USUAL,
    is_taker: bool = True,
    min_edge_ppm: int = 0,
) -> Size:
    return kelly_size(
        side=side,
        price=price,
        probability=probability,
        bankroll=bankroll,
        fraction_ppm=fraction_ppm,
        fee_rule=fee_rule,
        is_taker=is_taker,
        min_edge_ppm=min_edge_ppm,
    )


def test_without_fees_it_is_the_textbook_fraction() -> None:
    # p 0.6 at even money: Kelly 20 %, a quarter of it is 5 % of 10,000
    found = size(fee_rule=FREE)
    assert found == Size(100_000, 500 * MONEY_SCALE, 100_000, 200_000, SizeReason.SIZED)


def test_an_ask_is_the_mirror_of_a_bid() -> None:
    bid, ask = size(price=3000, probability=400_000), size(Side.ASK, price=7000, probability=600_000)
    assert ask == bid


def test_fees_come_out_of_the_edge() -> None:
    # taker fee at 0.50 is 0.0175 a contract: u 0.5175, edge 0.0825, Kelly 0.0825 / 0.4825
    found = size()
    assert (found.edge_ppm, found.kelly_ppm) == (82_500, 170_984)
    assert 427_456_000 < found.stake <= 427_461_139
    maker = size(is_taker=False)
    assert maker.edge_ppm == 95_625
    assert maker.quantity > found.quantity


@pytest.mark.parametrize(
    ("probability", "least", "reason"),
    [
        (517_500, 0, SizeReason.NO_EDGE),
        (517_600, 0, SizeReason.SIZED),
        (517_499, 0, SizeReason.NO_EDGE),
        (0, 0, SizeReason.NO_EDGE),
        (537_500, 20_000, SizeReason.SIZED),
        (537_499, 20_000, SizeReason.NO_EDGE),
        (1_000_000, 0, SizeReason.SIZED),
    ],
)
def test_no_edge_after_fees_stakes_nothing_and_says_so(probability: int, least: int, reason: SizeReason) -> None:
    found = size(probability=probability, min_edge_ppm=least)
    assert found.reason is reason
    assert (found.quantity == 0) is (reason is SizeReason.NO_EDGE)


def test_nothing_to_stake_says_why() -> None:
    assert size(fraction_ppm=0).reason is SizeReason.NO_FRACTION
    assert size(bankroll=0).reason is SizeReason.NO_BANKROLL
    assert size(bankroll=1).reason is SizeReason.TOO_SMALL
    assert {size(fraction_ppm=0).quantity, size(bankroll=0).stake, size(bankroll=1).stake} == {0}


@pytest.mark.parametrize(
    "value", [0.5, float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity"), True, None, "1"]
)
def test_probability_that_is_not_exact_is_an_error(value: int) -> None:
    with pytest.raises(BadNumber):
        size(probability=value)


@pytest.mark.parametrize("value", [-1, 1_000_001, Fraction(-1, 9), Fraction(10, 9), Decimal("1.0001"), Decimal("-0.1")])
def test_probability_out_of_range_is_an_error(value: int | Fraction | Decimal) -> None:
    with pytest.raises(BadNumber):
        size(probability=value)


@pytest.mark.parametrize(
    "bad",
    [
        {"price": 0},
        {"price": 10_000},
        {"price": 0.5},
        {"bankroll": -1},
        {"bankroll": float("nan")},
        {"bankroll": None},
        {"fraction_ppm": -1},
        {"fraction_ppm": 1_000_001},
        {"fraction_ppm": 0.25},
        {"min_edge_ppm": -1},
    ],
)
def test_numbers_that_cannot_be_are_errors(bad: dict[str, int]) -> None:
    with pytest.raises(BadNumber):
        size(**bad)  # type: ignore[arg-type]


def test_the_same_probability_in_every_form_is_the_same_size() -> None:
    assert size(probability=Fraction(3, 5)) == size(probability=Decimal("0.6")) == size(probability=600_000)


_SIDES, _PRICES = st.sampled_from(list(Side)), st.integers(1, 9999)
_CHANCES, _FRACTIONS = st.integers(0, 1_000_000), st.integers(0, 1_000_000)
_BANKROLLS = st.integers(0, 10**12)


@settings(max_examples=150)
@given(_SIDES, _PRICES, _CHANCES, _BANKROLLS, _FRACTIONS, st.booleans(), st.sampled_from([FREE, USUAL]))
def test_stake_is_never_negative_and_never_above_the_fraction(
    side: Side, price: int, chance: int, bankroll: int, fraction: int, is_taker: bool, rule: FeeRule
) -> None:
    found = size(side, price, chance, bankroll, fraction, rule, is_taker)
    assert found.quantity >= 0
    assert 0 <= found.stake <= bankroll * fraction // 1_000_000
    assert (found.quantity > 0) is (found.reason is SizeReason.SIZED)
    if found.quantity:
        assert found.edge_ppm >= 0


@settings(max_examples=150)
@given(_SIDES, _PRICES, _CHANCES, _CHANCES, _BANKROLLS, _FRACTIONS, st.sampled_from([FREE, USUAL]))
def test_more_edge_never_means_a_smaller_stake(
    side: Side, price: int, one: int, other: int, bankroll: int, fraction: int, rule: FeeRule
) -> None:
    low, high = sorted((one, other), reverse=side is Side.ASK)
    less = size(side, price, low, bankroll, fraction, rule)
    more = size(side, price, high, bankroll, fraction, rule)
    assert less.quantity <= more.quantity
    assert less.edge_ppm <= more.edge_ppm


def test_coarse_rounding_of_fees_is_paid_out_of_the_stake() -> None:
    found = kelly_size(
        side=Side.BID, price=1, probability=900_000, bankroll=1_000_000, fraction_ppm=20_000, fee_rule=USUAL,
        is_taker=True, rounding=FCM,
    )  # fmt: skip
    assert found.quantity > 0
    assert found.stake <= 20_000
    assert found.stake % 10_000 == 0


def test_an_order_is_cut_to_what_every_limit_allows() -> None:
    limits = with_limits(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 4 * DOLLAR))
    order, verdict = fit_to_limits(intent(), limits, VIEW)
    assert order is not None
    assert (order.quantity, verdict.allowed, verdict.node) == (800, True, THEME)
    assert not check_intent(replace(order, quantity=801), limits, VIEW).allowed


def test_an_order_within_the_limits_is_left_alone() -> None:
    order, verdict = fit_to_limits(intent(), LIMITS, VIEW)
    assert (order, verdict.allowed) == (intent(), True)


@pytest.mark.parametrize("quantity", [1000, 1, 0, -5, 0.5, None])
def test_where_nothing_fits_the_denial_is_handed_back(quantity: int) -> None:
    order, verdict = fit_to_limits(intent(quantity=quantity), LIMITS, used(ACCOUNT, dollars=100 * DOLLAR))
    assert order is None
    assert not verdict.allowed


@settings(max_examples=60)
@given(st.integers(1, 5000), st.integers(0, 100 * DOLLAR), st.integers(0, 2000))
def test_a_cut_order_is_allowed_and_no_larger(quantity: int, dollars: int, contracts: int) -> None:
    limits = RiskLimits((*BASE, Limit(LimitRule.MAX_CONTRACTS, CATEGORY, 1500)))
    view = used(ACCOUNT, dollars=dollars)
    view = replace(
        view, nodes=tuple(NodeUse(*u[:2], contracts, 0) if u.key == CATEGORY else u for u in view.nodes or ())
    )
    order, verdict = fit_to_limits(intent(quantity=quantity), limits, view)
    assert verdict.allowed is (order is not None)
    if order is not None:
        assert 0 < order.quantity <= quantity
        assert check_intent(order, limits, view).allowed


@pytest.mark.parametrize("price", [0, 10_000])
def test_a_price_at_the_edge_is_refused_as_a_price(price: int) -> None:
    with pytest.raises(BadNumber, match=r"price outside 0\.\.1"):
        size(price=price)


def test_the_largest_that_fits_is_found_whatever_the_bounds() -> None:
    for most in range(20):
        for edge in range(20):
            assert _largest(most, edge.__ge__) == min(most, edge)
