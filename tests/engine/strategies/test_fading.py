"""After a fill a quote steps back for a while; an order with too much ahead of it moves on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.engine.grid import LINEAR_CENT, price_grid
from apps.engine.strategies.base import MarketView, QuoteReason, SkipReason
from apps.engine.strategies.maker_inside import MakerParams, decide
from apps.engine.types import Level, Price

FADING = MakerParams(fade_ticks=2, fade_after_fill_ms=2_000)
NOW = 1_000_000


def view(bid: Price = 5600, ask: Price = 6000) -> MarketView:
    return MarketView(
        ticker="KXT",
        grid=price_grid(LINEAR_CENT),
        bid=(bid, 1000),
        ask=(ask, 1000),
        own_bid=None,
        own_ask=None,
        position=0,
        now_ms=NOW,
    )


def prices(made: MarketView, params: MakerParams) -> tuple[Price | None, Price | None]:
    decision = decide(made, params)
    return (decision.bid.price if decision.bid else None, decision.ask.price if decision.ask else None)


def test_the_filled_side_steps_back_and_the_other_stays() -> None:
    assert prices(replace(view(), bid_fill_ms=NOW - 1), FADING) == (5500, 5900)
    assert prices(replace(view(), ask_fill_ms=NOW - 1), FADING) == (5700, 6100)
    assert prices(replace(view(), bid_fill_ms=NOW, ask_fill_ms=NOW), FADING) == (5500, 6100)


def test_it_steps_forward_again_when_its_time_is_over_and_says_when_to_look() -> None:
    filled = replace(view(), bid_fill_ms=NOW - 1_999)
    decision = decide(filled, FADING)
    assert decision.bid is not None
    assert (decision.bid.price, decision.bid.reason, decision.review_ms) == (5500, QuoteReason.FADED, NOW + 1)
    over = decide(replace(filled, now_ms=NOW + 1), FADING)
    assert over.bid is not None
    assert (over.bid.price, over.bid.reason, over.review_ms) == (5700, QuoteReason.JOINED_INSIDE, None)


def test_the_first_fade_to_end_is_looked_at_first() -> None:
    decision = decide(replace(view(), bid_fill_ms=NOW - 500, ask_fill_ms=NOW - 1_500), FADING)
    assert decision.review_ms == NOW + 500


def test_without_ticks_to_fade_a_fill_changes_nothing() -> None:
    filled = replace(view(), bid_fill_ms=NOW, ask_fill_ms=NOW)
    assert decide(filled, MakerParams()) == decide(view(), MakerParams())


@pytest.mark.parametrize(("own", "reason"), [((5500, 1000), "keep"), ((5500, 1001), "faded"), ((5700, 1000), "faded")])
def test_an_order_that_stands_where_it_should_step_back_to_is_kept(own: Level, reason: str) -> None:
    decision = decide(replace(view(), own_bid=own, bid_fill_ms=NOW), replace(FADING, refresh_tolerance_ticks=5))
    assert decision.bid is not None
    assert (decision.bid.price, decision.bid.reason) == (5500, reason)


def test_what_a_fill_left_of_an_order_steps_back_as_it_is() -> None:
    decision = decide(replace(view(), own_bid=(5700, 600), bid_fill_ms=NOW), FADING)
    assert decision.bid is not None
    assert (decision.bid.price, decision.bid.quantity, decision.bid.reason) == (5500, 600, QuoteReason.FADED)


def test_a_step_back_off_the_grid_leaves_the_side_empty() -> None:
    low = replace(view(200, 800), bid_fill_ms=NOW, ask_fill_ms=NOW)
    decision = decide(low, replace(FADING, fade_ticks=3))
    assert (decision.bid, decision.bid_reason) == (None, SkipReason.NO_PRICE_TO_FADE_TO)
    assert decision.ask is not None
    assert decision.ask.price == 1000


def test_a_step_back_stays_within_the_price_band() -> None:
    decision = decide(replace(view(), bid_fill_ms=NOW), replace(FADING, min_price=5_600))
    assert decision.bid_reason is SkipReason.OUTSIDE_PRICE_BAND


@pytest.mark.parametrize(
    ("queue", "price", "reason"),
    [
        (None, 5700, QuoteReason.KEEP),
        (500, 5700, QuoteReason.KEEP),
        (501, 5800, QuoteReason.REQUEUED),
    ],
)
def test_an_order_with_too_much_ahead_moves_one_tick_on(queue: int | None, price: Price, reason: QuoteReason) -> None:
    params = MakerParams(max_queue_ahead=500)
    decision = decide(replace(view(), own_bid=(5700, 1000), own_bid_queue=queue), params)
    assert decision.bid is not None
    assert (decision.bid.price, decision.bid.reason) == (price, reason)


def test_the_queue_of_an_ask_moves_it_down() -> None:
    params = MakerParams(max_queue_ahead=500)
    decision = decide(replace(view(), own_ask=(5900, 1000), own_ask_queue=501), params)
    assert decision.ask is not None
    assert (decision.ask.price, decision.ask.reason) == (5800, QuoteReason.REQUEUED)


def test_an_order_kept_by_tolerance_moves_to_its_target() -> None:
    params = MakerParams(max_queue_ahead=500, refresh_tolerance_ticks=1, quote_bid=False)
    decision = decide(replace(view(), own_ask=(5800, 1000), own_ask_queue=501), params)
    assert decision.ask is not None
    assert (decision.ask.price, decision.ask.reason) == (5700, QuoteReason.REQUEUED)


def test_an_order_moves_on_only_where_there_is_a_price_left() -> None:
    params = MakerParams(max_queue_ahead=500, quote_ask=False)
    decision = decide(replace(view(5600, 5800), own_bid=(5700, 1000), own_bid_queue=9_999), params)
    assert decision.bid is not None
    assert (decision.bid.price, decision.bid.reason) == (5700, QuoteReason.KEEP)


def test_moving_on_never_locks_our_own_two_sides() -> None:
    params = MakerParams(max_queue_ahead=500)
    made = replace(view(5600, 5900), own_bid=(5700, 1000), own_ask=(5800, 1000), own_bid_queue=501, own_ask_queue=501)
    assert prices(made, params) == (5700, 5800)


def test_zero_means_the_queue_does_not_matter() -> None:
    made = replace(view(), own_bid=(5700, 1000), own_bid_queue=10**9)
    assert prices(made, MakerParams()) == (5700, 5900)
