"""Taking: only in markets that are assigned to it, only with an edge after the fee, never past its bound."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.fees import FeeRule, charge_fill
from apps.engine.grid import CENTI_CENT, DECI_CENT, LINEAR_CENT, TAPERED_DECI_CENT, PriceRange, price_grid
from apps.engine.limits import TradingState
from apps.engine.rollout import ExecutionMode, Style, assigned_taker
from apps.engine.strategies.base import MarketView, Quote, QuoteReason, SkipReason, combine
from apps.engine.strategies.execution import TakerTimeInForce
from apps.engine.strategies.maker_inside import SLUG, MakerParams, decide
from apps.engine.types import Price, Side, TimeInForce

FEES = FeeRule("quadratic", 1_000_000)
SNIPER = MakerParams(execution_mode=ExecutionMode.SNIPER)


def view(bid: Price = 5600, ask: Price = 5700, *, reference: Price | None = 6000, size: int = 5_000) -> MarketView:
    return MarketView(
        ticker="KXT",
        grid=price_grid(LINEAR_CENT),
        bid=(bid, size),
        ask=(ask, size),
        own_bid=None,
        own_ask=None,
        position=0,
        now_ms=0,
        reference=reference,
        fee_rule=FEES,
    )


def test_an_ask_under_the_reference_is_bought() -> None:
    """0.60 - 0.57 less a fee of 0.0172 leaves 0.0128 per contract."""
    decision = decide(view(), SNIPER)
    bid = decision.bid
    assert bid is not None
    assert (bid.side, bid.price, bid.quantity, bid.reason) == (Side.BID, 5700, 1_000, QuoteReason.TAKE)
    assert (bid.style, bid.time_in_force) == (Style.TAKER, TimeInForce.IMMEDIATE_OR_CANCEL)
    assert (decision.ask, decision.ask_reason) == (None, SkipReason.EDGE_BELOW_MINIMUM)
    assert decision.reason is QuoteReason.TAKE


def test_a_bid_over_the_reference_is_sold_to() -> None:
    ask = decide(view(6200, 6300), SNIPER).ask
    assert ask is None
    ask = decide(view(6300, 6400), SNIPER).ask
    assert ask is not None
    assert (ask.side, ask.price, ask.style) == (Side.ASK, 6300, Style.TAKER)


def test_the_fee_counts_against_the_edge() -> None:
    """At 0.57 and 10 contracts the fee is 0.0172 a contract: 0.0272 is enough with a cent wanted, 0.0271 is not."""
    assert charge_fill(FEES, side=Side.BID, price=5700, quantity=1_000, is_taker=True).fee == 171_600
    assert decide(view(reference=5972), SNIPER).bid is not None
    assert decide(view(reference=5971), SNIPER).bid_reason is SkipReason.EDGE_BELOW_MINIMUM
    free = replace(view(reference=5800), fee_rule=FeeRule("quadratic", 0))
    assert decide(free, SNIPER).bid is not None


def test_the_least_edge_is_a_parameter() -> None:
    assert decide(view(), replace(SNIPER, min_edge=128)).bid is not None
    assert decide(view(), replace(SNIPER, min_edge=129)).bid_reason is SkipReason.EDGE_BELOW_MINIMUM


def test_the_bound_is_the_slippage_that_was_approved() -> None:
    rich = view(reference=8000)
    for slippage, bound in ((0, 5700), (99, 5700), (100, 5800), (350, 6000)):
        bid = decide(rich, replace(SNIPER, max_slippage=slippage)).bid
        assert bid is not None
        assert bid.bound == bound
    ask = decide(view(6300, 6400, reference=4000), replace(SNIPER, max_slippage=350)).ask
    assert ask is not None
    assert ask.bound == 6000


def test_the_bound_stops_where_the_edge_ends() -> None:
    bid = decide(view(reference=6172), replace(SNIPER, max_slippage=1_000)).bid
    assert bid is not None
    assert bid.bound == 5900


def test_the_bound_stays_within_the_price_band() -> None:
    bid = decide(view(reference=9000), replace(SNIPER, max_slippage=1_000, max_price=5_800)).bid
    assert bid is not None
    assert bid.bound == 5800
    outside = decide(view(reference=9000), replace(SNIPER, max_price=5_600))
    assert outside.bid_reason is SkipReason.OUTSIDE_PRICE_BAND
    ask = decide(view(6300, 6400, reference=2000), replace(SNIPER, max_slippage=1_000, min_price=6_200)).ask
    assert ask is not None
    assert ask.bound == 6200


def test_it_takes_no_more_than_is_there_nor_than_the_position_may_grow() -> None:
    thin = decide(view(size=300, reference=7000), SNIPER).bid
    assert thin is not None
    assert thin.quantity == 300
    nearly_full = decide(replace(view(reference=7000), position=9_800), SNIPER).bid
    assert nearly_full is not None
    assert nearly_full.quantity == 200
    full = decide(replace(view(reference=7000), position=10_000), SNIPER)
    assert full.bid_reason is SkipReason.POSITION_AT_MAXIMUM


def test_reducing_takes_only_towards_zero() -> None:
    reducing = replace(view(reference=7000), trading_state=TradingState.REDUCING)
    assert decide(reducing, SNIPER).bid_reason is SkipReason.TRADING_STATE
    short = decide(replace(reducing, position=-400), SNIPER).bid
    assert short is not None
    assert short.quantity == 400


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (replace(view(), reference=None), SkipReason.REFERENCE_UNKNOWN),
        (replace(view(), fee_rule=None), SkipReason.FEE_UNKNOWN),
        (replace(view(), fee_rule=FeeRule("invented", 1_000_000)), SkipReason.FEE_UNKNOWN),
        (replace(view(), trading_state=TradingState.HALTED), SkipReason.TRADING_STATE),
        (replace(view(), feed_age_ms=None), SkipReason.FEED_STALE),
        (replace(view(), book_problem="sequence_gap"), SkipReason.BOOK_UNQUOTABLE),
        (replace(view(), position=None), SkipReason.POSITION_UNKNOWN),
        (replace(view(), ask=None), SkipReason.NO_ASK),
        (view(5700, 5700), SkipReason.WOULD_CROSS),
    ],
)
def test_what_is_not_known_is_not_taken(changed: MarketView, reason: SkipReason) -> None:
    decision = decide(changed, SNIPER)
    assert (decision.bid, decision.bid_reason) == (None, reason)


def test_fill_or_kill_is_a_parameter() -> None:
    bid = decide(view(), replace(SNIPER, taker_time_in_force=TakerTimeInForce.FOK)).bid
    assert bid is not None
    assert bid.time_in_force is TimeInForce.FILL_OR_KILL


def test_hybrid_takes_in_the_assigned_markets_and_makes_in_the_others() -> None:
    params = MakerParams(execution_mode=ExecutionMode.HYBRID, taker_share_bps=3_000)
    wide = replace(view(5600, 6000, reference=6300), grid=price_grid(LINEAR_CENT))
    for ticker in (f"KX-{n}" for n in range(40)):
        decision = decide(replace(wide, ticker=ticker), params)
        taking = assigned_taker(SLUG, ticker, 3_000)
        assert [q.style for q in decision.taking] == [Style.TAKER] * taking
        assert decision.resting.is_quoting is not taking


def test_a_maker_never_takes_however_good_the_price() -> None:
    decision = decide(view(reference=9900), MakerParams())
    assert decision.taking == ()


def test_the_resting_part_of_a_decision_keeps_its_reasons() -> None:
    take = Quote(Side.BID, 5700, 10, QuoteReason.TAKE, Style.TAKER, 5800, TimeInForce.IMMEDIATE_OR_CANCEL)
    rest = Quote(Side.ASK, 5900, 10, QuoteReason.KEEP)
    decision = combine(take, rest)
    assert (decision.taking, decision.reason) == ((take,), QuoteReason.TAKE)
    assert (decision.resting.bid, decision.resting.ask) == (None, rest)
    assert decision.resting.bid_reason is QuoteReason.TAKE
    resting = combine(SkipReason.NO_BID, rest)
    assert resting.resting is resting


@given(
    st.sampled_from([LINEAR_CENT, DECI_CENT, TAPERED_DECI_CENT, CENTI_CENT]),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    st.integers(0, 10_000),
    st.integers(0, 1_000),
    st.integers(0, 500),
    st.integers(1, 20_000),
)
@settings(max_examples=200)
def test_every_price_up_to_the_bound_leaves_the_edge_and_stays_within_the_slippage(
    ranges: tuple[PriceRange, ...], picks: tuple[int, int], reference: Price, slippage: int, edge: int, size: int
) -> None:
    grid = price_grid(ranges)
    low, high = sorted(grid.prices[p % len(grid)] for p in picks)
    params = replace(SNIPER, max_slippage=slippage, min_edge=edge)
    made = replace(view(low, high, reference=reference, size=size), grid=grid)
    for quote in decide(made, params).taking:
        assert quote.bound is not None
        sign = quote.side.sign
        assert quote.price == (high if quote.side is Side.BID else low)
        assert 0 <= sign * (quote.bound - quote.price) <= slippage
        for price in (quote.price, quote.bound):
            fee = charge_fill(FEES, side=quote.side, price=price, quantity=quote.quantity, is_taker=True).fee
            assert sign * (reference - price) * quote.quantity - fee >= edge * quote.quantity
