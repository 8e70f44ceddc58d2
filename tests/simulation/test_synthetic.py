"""Made-up markets: the same seed gives the same flow, books stay sane, and our orders get hit."""

from __future__ import annotations

import json

from apps.engine.types import Side
from apps.simulation.exchange.synthetic import SyntheticFlow

from .venue import Venue, make_venue


def flow(venue: Venue, *, markets: int = 5, rate: float = 200.0, seed: int = 9) -> SyntheticFlow:
    return SyntheticFlow(venue.exchange.state, markets, rate, seed)


def books(venue: Venue) -> str:
    markets = venue.exchange.state.catalogue.markets.values()
    return json.dumps([[m.ticker, m.book.levels(Side.BID), m.book.levels(Side.ASK)] for m in markets])


def test_seed_decides_everything() -> None:
    results = []
    for seed in (9, 9, 10):
        venue = make_venue()
        made = flow(venue, seed=seed)
        venue.clock.advance(5)
        assert made.run() == 1_000
        results.append(books(venue))
    assert results[0] == results[1] != results[2]


def test_rate_is_kept_without_catching_up_for_ever() -> None:
    venue = make_venue()
    made = flow(venue)
    for _ in range(10):
        venue.clock.advance(0.1)
        assert made.run() == 20
    assert made.run() == 0
    venue.clock.advance(3_600)
    assert made.run(limit=100) == 100
    assert made.run() == 0


def test_books_stay_two_sided_on_grid_and_uncrossed() -> None:
    venue = make_venue()
    made = flow(venue)
    for _ in range(50):
        venue.clock.advance(1)
        made.run()
        for market in list(venue.exchange.state.catalogue.markets.values())[1:]:
            bid, bid_size, ask, ask_size = market.top
            assert 0 < bid < ask < 10_000
            assert bid_size > 0 < ask_size
            assert all(p in market.grid for side in Side for p, _ in market.book.levels(side))


def test_order_inside_the_spread_is_hit_and_money_stays() -> None:
    venue = make_venue()
    made = flow(venue)
    craig = venue.clients["craig"]
    ticker = "KXSIMECON-E001-T1"
    socket = craig.socket()
    socket.subscribe("trade", market_tickers=[ticker])
    for i in range(30):
        market = venue.exchange.market(ticker)
        bid, _, ask, _ = market.top
        inside = market.grid.up(bid)
        assert inside is not None
        if inside < ask:
            craig.create(
                "bid", f"{inside / 10_000:.4f}", "2.00", ticker=ticker, client_order_id=f"i{i}", post_only=True
            )
        venue.clock.advance(1)
        made.run()
        assert venue.conserved()
    fills = craig.get("/portfolio/fills")["fills"]
    assert len(fills) > 3
    assert not any(f["is_taker"] for f in fills)
    printed = {f["msg"]["trade_id"] for f in socket.take("trade")}
    assert {f["trade_id"] for f in fills} <= printed


def test_new_markets_have_a_past() -> None:
    venue = make_venue()
    flow(venue, markets=3)
    now_s = venue.clock.now_us() // 1_000_000
    _, body = venue.public("/markets/trades?ticker=KXSIMCRYPTO-E001-T1&limit=5")
    assert len(body["trades"]) == 5
    window = f"start_ts={now_s - 7200}&end_ts={now_s}&period_interval=60"
    _, body = venue.public(f"/series/KXSIMCRYPTO/markets/KXSIMCRYPTO-E001-T1/candlesticks?{window}")
    assert len(body["candlesticks"]) >= 2
