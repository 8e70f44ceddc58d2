"""The liquidity meter: exact time-weighted means, never a mixture of known and unknown spreads."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.trading.execution.liquidity import LiquidityMeter, Standing

NOTHING = Standing(0, 0, None, None)


def test_a_stretch_is_the_time_weighted_mean_of_what_stood_in_it() -> None:
    meter = LiquidityMeter(1)
    assert meter.observe(Standing(10_000_000, 0, 200, 400), 1_000, 7) is None
    assert meter.observe(Standing(20_000_000, 0, 100, 400), 2_000, 7) is None
    done = meter.observe(NOTHING, 5_000, 7)
    assert done is not None
    assert (done["ended_at"] - done["started_at"]).total_seconds() == 4
    assert done["bid_dollars"] == Decimal("17.500000")
    assert done["spread_with"] == Decimal("0.01250000")
    assert done["spread_without"] == Decimal("0.04000000")


def test_a_book_with_an_empty_side_ends_the_stretch_and_has_no_spread() -> None:
    meter = LiquidityMeter(1)
    meter.observe(Standing(10_000_000, 0, 200, 400), 0, 7)
    first = meter.observe(Standing(10_000_000, 0, None, None), 1_000, 7)
    second = meter.observe(NOTHING, 3_000, 7)
    assert first is not None
    assert second is not None
    assert first["spread_with"] == Decimal("0.02")
    assert (second["spread_with"], second["spread_without"], second["bid_dollars"]) == (None, None, Decimal(10))


def test_nothing_resting_makes_no_stretch() -> None:
    meter = LiquidityMeter(1)
    assert meter.observe(NOTHING, 0, 7) is None
    assert meter.observe(NOTHING, 10_000, 7) is None


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40))
def test_dollar_seconds_add_up_over_any_stretches(steps: list[tuple[int, int, int]]) -> None:
    meter, now, exact, stored = LiquidityMeter(1), 0, 0, Decimal(0)
    last = NOTHING
    for wait, bid, ask in [*steps, (1, 0, 0)]:
        now += wait
        exact += (last.bid_dollars + last.ask_dollars) * wait
        last = Standing(bid * 1_000_000, ask * 1_000_000, 100, 200)
        done = meter.observe(last, now, 7)
        if done is not None:
            seconds = Decimal(str((done["ended_at"] - done["started_at"]).total_seconds()))
            stored += (done["bid_dollars"] + done["ask_dollars"]) * seconds
    assert abs(stored - Decimal(exact).scaleb(-9)) < Decimal("0.001")
