"""Recorded events as they reach our orders: inference windows, snapshots, and what the public sees of a trade."""

from __future__ import annotations

import pytest

from apps.engine.types import Side
from apps.simulation.exchange.feed import book_replaced, ticker_came

from .venue import ASKS, BIDS, TICKER, Client, Venue, make_venue


@pytest.fixture
def venue() -> Venue:
    made = make_venue(recorded=True)
    ticker(made, 4000, 1_000)
    return made


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def ticker(venue: Venue, price: int, volume: int) -> None:
    ticker_came(venue.exchange.state, venue.market, price, 100, volume, 5_000)


def filled(craig: Client, order_id: str) -> str:
    return str(craig.order(order_id)["fill_count_fp"])


def test_volume_and_a_lost_level_fill_the_order_in_front(venue: Venue, craig: Client) -> None:
    order_id = craig.place(price="0.4100", count="10.00")
    venue.level(Side.BID, 4000, -800)
    ticker(venue, 4000, 1_000 + 2 * 600)
    assert filled(craig, order_id) == "6.00"
    assert venue.shown(Side.BID) == [(4100, 400), (4000, 9_200), (3900, 5_000)]


def test_trade_is_printed_once_with_our_part_in_it(venue: Venue, craig: Client) -> None:
    socket = craig.socket()
    socket.subscribe("trade")
    craig.place(price="0.4100", count="2.00")
    venue.level(Side.BID, 4000, -800)
    ticker(venue, 4000, 1_000 + 2 * 600)
    printed = [(f["msg"]["yes_price_dollars"], f["msg"]["count_fp"]) for f in socket.take("trade")]
    assert sorted(printed) == [("0.4000", "4.00"), ("0.4100", "2.00")]
    assert {f["msg"]["taker_book_side"] for f in socket.seen if f["type"] == "trade"} == {"ask"}


def test_totals_are_the_recordings(venue: Venue, craig: Client) -> None:
    craig.place(price="0.6000", count="1.00")
    ticker(venue, 3900, 7_000)
    body = venue.public(f"/markets/{TICKER}")[1]["market"]
    assert (body["last_price_dollars"], body["volume_fp"], body["open_interest_fp"]) == ("0.3900", "70.00", "50.00")


def test_snapshot_breaks_the_window(venue: Venue, craig: Client) -> None:
    order_id = craig.place(price="0.4100", count="10.00")
    venue.level(Side.BID, 4000, -800)
    book_replaced(venue.exchange.state, venue.market, BIDS, ASKS)
    ticker(venue, 4000, 9_000)
    assert filled(craig, order_id) == "0.00"
    venue.level(Side.BID, 4000, -800)
    ticker(venue, 4000, 9_000 + 2 * 300)
    assert filled(craig, order_id) == "3.00"


def test_cancels_of_one_window_are_not_the_trades_of_the_next(venue: Venue, craig: Client) -> None:
    """100 ahead of us cancel down to 40 without volume; 45 that trade later reach us with 5, not with none."""
    order_id = craig.place(price="0.4000", count="10.00")
    venue.level(Side.BID, 4000, -6_000)
    ticker(venue, 4000, 1_000)
    venue.level(Side.BID, 4000, 8_000)
    venue.level(Side.BID, 4000, -4_500)
    ticker(venue, 4000, 1_000 + 2 * 4_500)
    assert filled(craig, order_id) == "5.00"


def test_crossing_recorded_quote_fills_us_and_the_public_book_never_crosses(venue: Venue, craig: Client) -> None:
    socket = craig.socket()
    socket.subscribe("orderbook_delta", market_ticker=TICKER, use_yes_price=True)
    order_id = craig.place(price="0.5000", count="10.00")
    socket.take()
    venue.level(Side.ASK, 4900, 1_500)
    assert filled(craig, order_id) == "10.00"
    deltas = [(f["msg"]["side"], f["msg"]["price_dollars"], f["msg"]["delta_fp"]) for f in socket.take()]
    assert deltas == [("yes", "0.5000", "-10.00"), ("no", "0.4900", "5.00")]
    assert venue.market.book.recorded_size(Side.ASK, 4900) == 1_500
    assert venue.conserved()
