"""The maker's decision: one tick inside, never crossing, always with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.grid import CENTI_CENT, DECI_CENT, LINEAR_CENT, TAPERED_DECI_CENT, PriceRange, price_grid
from apps.engine.limits import TradingState
from apps.engine.strategies.base import Decision, MarketView, QuoteReason, SkipReason
from apps.engine.strategies.maker_inside import MakerParams, decide
from apps.engine.types import Level, Price, Side

GRIDS = {"cent": LINEAR_CENT, "deci": DECI_CENT, "tapered": TAPERED_DECI_CENT, "centi": CENTI_CENT}
PARAMS = MakerParams()


def view(
    bid: Price | None = 5600, ask: Price | None = 6000, *, grid: tuple[PriceRange, ...] = LINEAR_CENT
) -> MarketView:
    return MarketView(
        ticker="KXT",
        grid=price_grid(grid),
        bid=None if bid is None else (bid, 1000),
        ask=None if ask is None else (ask, 1000),
        own_bid=None,
        own_ask=None,
        position=0,
        now_ms=0,
    )


def prices(decision: Decision) -> tuple[Price | None, Price | None]:
    return (
        decision.bid.price if decision.bid else None,
        decision.ask.price if decision.ask else None,
    )


def test_56_60_rests_at_57_and_59() -> None:
    decision = decide(view(), PARAMS)
    assert prices(decision) == (5700, 5900)
    assert decision.bid is not None
    assert (decision.bid.side, decision.bid.quantity) == (Side.BID, PARAMS.order_quantity)
    assert decision.reason is QuoteReason.JOINED_INSIDE
    assert decision.is_quoting


@pytest.mark.parametrize(
    ("grid", "bid", "ask", "expected"),
    [
        ("cent", 5600, 5900, (5700, 5800)),
        ("deci", 5600, 6000, (5610, 5990)),
        ("tapered", 900, 1200, (910, 1100)),
        ("tapered", 8900, 9200, (9000, 9190)),
        ("centi", 100, 9900, (101, 9899)),
    ],
)
def test_one_tick_is_that_of_the_markets_own_grid(
    grid: str, bid: Price, ask: Price, expected: tuple[Price, Price]
) -> None:
    assert prices(decide(view(bid, ask, grid=GRIDS[grid]), PARAMS)) == expected


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (replace(view(), trading_state=TradingState.HALTED), SkipReason.TRADING_STATE),
        (replace(view(), trading_state=None), SkipReason.TRADING_STATE),
        (replace(view(), is_open=False), SkipReason.MARKET_NOT_OPEN),
        (replace(view(), feed_age_ms=15_001), SkipReason.FEED_STALE),
        (replace(view(), feed_age_ms=None), SkipReason.FEED_STALE),
        (replace(view(), feed_age_ms=-1), SkipReason.FEED_STALE),
        (replace(view(), position=None), SkipReason.POSITION_UNKNOWN),
        (replace(view(), book_problem="sequence_gap"), SkipReason.BOOK_UNQUOTABLE),
        (view(bid=5650), SkipReason.BOOK_UNQUOTABLE),
        (view(ask=6050), SkipReason.BOOK_UNQUOTABLE),
        (view(bid=None), SkipReason.NO_BID),
        (view(ask=None), SkipReason.NO_ASK),
        (view(5600, 5600), SkipReason.WOULD_CROSS),
        (view(5700, 5600), SkipReason.WOULD_CROSS),
        (view(5600, 5700), SkipReason.SPREAD_BELOW_MINIMUM),
        (replace(view(), position=10_000, bid=(5600, 1), ask=(5700, 1)), SkipReason.SPREAD_BELOW_MINIMUM),
    ],
)
def test_reasons_to_skip_the_market(changed: MarketView, reason: SkipReason) -> None:
    decision = decide(changed, PARAMS)
    assert (decision.bid, decision.ask) == (None, None)
    assert {decision.reason, decision.bid_reason, decision.ask_reason} == {reason}
    assert not decision.is_quoting


def test_feed_just_young_enough_quotes() -> None:
    assert decide(replace(view(), feed_age_ms=15_000), PARAMS).is_quoting


def test_without_parameters_nothing_is_quoted() -> None:
    assert decide(view(), None).reason is SkipReason.PARAMS_MISSING


def test_spread_at_the_minimum_is_enough() -> None:
    assert decide(view(5600, 5800, grid=DECI_CENT), PARAMS).is_quoting
    assert decide(view(5610, 5800, grid=DECI_CENT), PARAMS).reason is SkipReason.SPREAD_BELOW_MINIMUM


def test_adjacent_ticks_leave_no_price_inside() -> None:
    assert decide(view(5600, 5700), MakerParams(min_spread=1)).reason is SkipReason.NO_PRICE_INSIDE


@pytest.mark.parametrize(
    ("position", "expected", "missing"),
    [(0, (5700, None), "ask"), (-500, (5700, None), "ask"), (500, (None, 5700), "bid")],
)
def test_single_price_inside_goes_to_the_side_that_reduces(
    position: int, expected: tuple[Price | None, Price | None], missing: str
) -> None:
    decision = decide(replace(view(5600, 5800), position=position), PARAMS)
    assert prices(decision) == expected
    reason = decision.ask_reason if missing == "ask" else decision.bid_reason
    assert reason is SkipReason.ONE_PRICE_INSIDE
    assert decision.reason is QuoteReason.JOINED_INSIDE


@pytest.mark.parametrize(
    ("position", "bid_size", "ask_size"),
    [
        (0, 1000, 1000),
        (9_500, 500, 1000),
        (-9_500, 1000, 500),
        (9_999, 1, 1000),
        (10_000, None, 1000),
        (-10_000, 1000, None),
        (12_000, None, 1000),
    ],
)
def test_position_caps_the_side_that_adds(position: int, bid_size: int | None, ask_size: int | None) -> None:
    decision = decide(replace(view(), position=position), PARAMS)
    assert (decision.bid.quantity if decision.bid else None) == bid_size
    assert (decision.ask.quantity if decision.ask else None) == ask_size
    if bid_size is None:
        assert decision.bid_reason is SkipReason.POSITION_AT_MAXIMUM
    if ask_size is None:
        assert decision.ask_reason is SkipReason.POSITION_AT_MAXIMUM


@pytest.mark.parametrize(("position", "expected"), [(500, (None, 500)), (-2000, (1000, None)), (0, (None, None))])
def test_reducing_quotes_only_towards_zero(position: int, expected: tuple[int | None, int | None]) -> None:
    decision = decide(replace(view(), position=position, trading_state=TradingState.REDUCING), PARAMS)
    sizes = (
        decision.bid.quantity if decision.bid else None,
        decision.ask.quantity if decision.ask else None,
    )
    assert sizes == expected
    if not decision.is_quoting:
        assert decision.reason is SkipReason.TRADING_STATE


def test_sides_can_be_turned_off() -> None:
    decision = decide(view(), MakerParams(quote_bid=False))
    assert prices(decision) == (None, 5900)
    assert decision.bid_reason is SkipReason.SIDE_OFF
    decision = decide(replace(view(), position=-10_000), MakerParams(quote_bid=False))
    assert decision.reason is SkipReason.POSITION_AT_MAXIMUM
    assert decide(view(), MakerParams(quote_bid=False, quote_ask=False)).reason is SkipReason.SIDE_OFF


def test_price_band_is_checked_per_side() -> None:
    params = MakerParams(min_price=5800, max_price=5900)
    decision = decide(view(), params)
    assert prices(decision) == (None, 5900)
    assert decision.bid_reason is SkipReason.OUTSIDE_PRICE_BAND
    assert decide(view(), MakerParams(max_price=5800)).ask_reason is SkipReason.OUTSIDE_PRICE_BAND


@pytest.mark.parametrize(
    ("own", "tolerance", "price", "quantity", "reason"),
    [
        ((5700, 1000), 0, 5700, 1000, QuoteReason.KEEP),
        ((5700, 300), 0, 5700, 300, QuoteReason.KEEP),
        ((5700, 1001), 0, 5700, 1000, QuoteReason.JOINED_INSIDE),
        ((5700, 0), 0, 5700, 1000, QuoteReason.JOINED_INSIDE),
        ((5800, 1000), 0, 5700, 1000, QuoteReason.JOINED_INSIDE),
        ((5800, 1000), 1, 5800, 1000, QuoteReason.KEEP),
        ((5900, 1000), 1, 5700, 1000, QuoteReason.JOINED_INSIDE),
        ((5600, 1000), 5, 5700, 1000, QuoteReason.JOINED_INSIDE),
        ((6000, 1000), 9, 5700, 1000, QuoteReason.JOINED_INSIDE),
        ((5750, 1000), 9, 5700, 1000, QuoteReason.JOINED_INSIDE),
    ],
)
def test_resting_order_is_kept_while_as_good(
    own: Level, tolerance: int, price: Price, quantity: int, reason: QuoteReason
) -> None:
    params = MakerParams(refresh_tolerance_ticks=tolerance, quote_ask=False)
    decision = decide(replace(view(), own_bid=own), params)
    assert decision.bid is not None
    assert (decision.bid.price, decision.bid.quantity, decision.bid.reason) == (price, quantity, reason)
    assert decision.reason is reason


def test_kept_sides_that_meet_give_up_their_tolerance() -> None:
    params = MakerParams(refresh_tolerance_ticks=5)
    decision = decide(replace(view(5600, 6000), own_bid=(5900, 10)), params)
    assert prices(decision) == (5700, 5900)
    decision = decide(replace(view(5600, 5800), own_bid=(5700, 10), own_ask=(5700, 10), position=5), params)
    assert prices(decision) == (None, 5700)
    assert decision.reason is QuoteReason.KEEP


LEVELS = st.one_of(st.none(), st.integers(1, 9999))


@given(
    st.sampled_from(list(GRIDS.values())),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    st.tuples(LEVELS, LEVELS),
    st.integers(-11_000, 11_000),
    st.integers(0, 5),
    st.sampled_from([TradingState.ACTIVE, TradingState.REDUCING]),
)
def test_quotes_improve_never_cross_and_respect_the_position(
    ranges: tuple[PriceRange, ...],
    picks: tuple[int, int],
    own: tuple[Price | None, Price | None],
    position: int,
    tolerance: int,
    state: TradingState,
) -> None:
    grid = price_grid(ranges)
    low, high = sorted(grid.prices[p % len(grid)] for p in picks)
    made = MarketView(
        ticker="KXT",
        grid=grid,
        bid=(low, 1),
        ask=(high, 1),
        own_bid=None if own[0] is None else (own[0], 500),
        own_ask=None if own[1] is None else (own[1], 500),
        position=position,
        now_ms=0,
        trading_state=state,
    )
    params = MakerParams(refresh_tolerance_ticks=tolerance)
    decision = decide(made, params)
    assert decision == decide(made, params)
    for quote, reason in ((decision.bid, decision.bid_reason), (decision.ask, decision.ask_reason)):
        if quote is None:
            assert isinstance(reason, SkipReason)
            continue
        assert quote.reason is reason
        assert low < quote.price < high
        assert quote.price in grid
        assert params.min_price <= quote.price <= params.max_price
        assert high - low >= params.min_spread
        after = position + quote.side.sign * quote.quantity
        assert quote.quantity > 0
        assert abs(after) <= max(params.max_position, abs(position))
        if state is TradingState.REDUCING:
            assert after * position >= 0
            assert abs(after) < abs(position)
    if decision.bid and decision.ask:
        assert decision.bid.price < decision.ask.price
