"""A recording in a loop: every pass has markets of its own, which close and settle like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apps.simulation.exchange.clock import parse_rfc3339, rfc3339
from apps.simulation.exchange.markets import MarketStatus
from apps.simulation.exchange.replay import Replay

from .test_replay import BTC, play
from .venue import START_US, Client, Socket, Venue, make_venue

RANGE = Path(__file__).parents[1] / "data" / "ws" / "kxbtc_range_20260418.jsonl"
FIRST, SECOND = "KXBTC15M-26MAY131630-30", "KXBTC15M-26MAY131645-45"
RECORDED_US = parse_rfc3339("2026-05-13T20:29:50Z")


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def written(path: Path, *, strikes: tuple[float | None, float | None] = (100.0, 99.0), last_bid: str = "0.70") -> Path:
    """Ten seconds of a market, the rest of its series' next one; 30 seconds in all."""
    lines = [_line(0, "ws_subscribed", "", 1, type="subscribed", msg={"channel": "orderbook_delta", "sid": 1})]

    def add(at_s: float, kind: str, ticker: str, **payload: Any) -> None:
        lines.append(_line(at_s, kind, ticker, len(lines), **payload))

    def book(at_s: float, ticker: str) -> None:
        add(at_s, "orderbook_snapshot", ticker, yes_dollars_fp=[[last_bid, "50.00"]], no_dollars_fp=[["0.20", "50.00"]])

    add(0, "watch_market", FIRST, close_time="2026-05-13T20:30:00Z", strike=strikes[0])
    book(0, FIRST)
    add(12, "watch_market", SECOND, close_time="2026-05-13T20:45:00Z", strike=strikes[1])
    book(12, SECOND)
    book(30, SECOND)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _line(at_s: float, kind: str, ticker: str, number: int, **payload: Any) -> dict[str, Any]:
    return {
        "event_type": kind,
        "local_recv_ns": (RECORDED_US + int(at_s * 1_000_000)) * 1000,
        "market_ticker": ticker,
        "sequence_number": number,
        "payload_json": payload | {"market_ticker": ticker},
    }


def news_of(socket: Socket) -> list[tuple[str, str]]:
    return [(f["msg"]["event_type"], f["msg"]["market_ticker"]) for f in socket.take("market_lifecycle_v2")]


def started(venue: Venue, path: Path, speed: float = 1.0) -> Replay:
    replay = Replay(venue.exchange.state, path, speed=speed, loop=True)
    replay.prime()
    return replay


def run(venue: Venue, replay: Replay, seconds: float) -> None:
    for _ in range(int(seconds * 4)):
        venue.exchange.advance()
        play(replay, venue.clock, 0.25)


def test_market_is_named_after_its_close_here_and_closes_then(venue: Venue, tmp_path: Path) -> None:
    replay = started(venue, written(tmp_path / "r.jsonl"))
    [ticker] = replay.tickers
    market = venue.exchange.market(ticker)
    # 1 790 000 010 is 21 September 2026, 10:13:30 in New York.
    assert (market.close_us - START_US, ticker) == (10_000_000, "KXBTC15M-26SEP211013-13")
    assert market.event.event_ticker == "KXBTC15M-26SEP211013"
    run(venue, replay, 9.5)
    assert market.status is MarketStatus.ACTIVE
    run(venue, replay, 1)
    assert market.status is MarketStatus.CLOSED


def test_position_settles_by_the_next_strike_and_the_next_pass_has_fresh_markets(
    venue: Venue, craig: Client, tmp_path: Path
) -> None:
    replay = started(venue, written(tmp_path / "r.jsonl"))
    [first] = replay.tickers
    socket = craig.socket()
    socket.subscribe("market_lifecycle_v2")
    craig.place("ask", "0.7000", "5.00", ticker=first, time_in_force="immediate_or_cancel")
    resting = craig.place("bid", "0.1000", "1.00", ticker=first)
    run(venue, replay, 13)
    assert (craig.order(resting)["status"], venue.exchange.market(first).result) == ("canceled", "no")
    [row] = craig.get("/portfolio/settlements")["settlements"]
    assert (row["ticker"], row["no_count_fp"], row["revenue"]) == (first, "5.00", 500)
    second = replay.tickers[1]
    run(venue, replay, 20)
    assert replay.passes == 1
    [again] = replay.tickers
    assert len({first, second, again}) == 3
    assert venue.exchange.market(again).status is MarketStatus.ACTIVE
    assert news_of(socket) == [
        *((kind, first) for kind in ("determined", "settled")),
        *((kind, second) for kind in ("created", "activated", "close_date_updated", "determined", "settled")),
        *((kind, again) for kind in ("created", "activated")),
    ]
    assert venue.conserved()


@pytest.mark.parametrize(("last_bid", "result"), [("0.70", "yes"), ("0.10", "no")])
def test_result_that_the_recording_does_not_tell_is_the_last_middle(
    venue: Venue, craig: Client, tmp_path: Path, last_bid: str, result: str
) -> None:
    replay = started(venue, written(tmp_path / "r.jsonl", strikes=(100.0, None), last_bid=last_bid))
    [first] = replay.tickers
    craig.place("bid", "0.8000", "5.00", ticker=first, time_in_force="immediate_or_cancel")
    run(venue, replay, 15)
    assert venue.exchange.market(first).status is MarketStatus.CLOSED
    run(venue, replay, 20)
    assert venue.exchange.market(first).result == result
    assert len(craig.get("/portfolio/settlements")["settlements"]) == 1
    assert venue.conserved()


def test_names_are_never_used_twice_however_fast_it_runs(venue: Venue, craig: Client, tmp_path: Path) -> None:
    """Six seconds a pass: several passes close within one minute of the exchange's naming."""
    replay = started(venue, written(tmp_path / "r.jsonl"), speed=5.0)
    socket = craig.socket()
    socket.subscribe("market_lifecycle_v2")
    run(venue, replay, 60)
    assert replay.passes >= 9
    created = [ticker for kind, ticker in news_of(socket) if kind == "created"]
    assert len(created) == len(set(created)) >= 18
    assert {ticker.partition("-")[0] for ticker in created} == {"KXBTC15M"}


def test_other_tickers_carry_the_pass_in_their_event(venue: Venue) -> None:
    replay = started(venue, RANGE, speed=60.0)
    tickers = replay.tickers
    assert tickers
    for ticker in tickers:
        event = venue.exchange.market(ticker).event.event_ticker
        assert event.endswith("-P1")
        assert ticker.startswith(f"{event}-")
    while replay.passes == 0:
        run(venue, replay, 0.25)
    assert replay.tickers
    assert all("-P2-" in ticker for ticker in replay.tickers)


def test_old_markets_are_forgotten_but_those_once_traded_stay_readable(
    venue: Venue, craig: Client, tmp_path: Path
) -> None:
    replay = started(venue, written(tmp_path / "r.jsonl"), speed=5.0)
    [first] = replay.tickers
    craig.place("bid", "0.8000", "5.00", ticker=first, time_in_force="immediate_or_cancel")
    run(venue, replay, 90)
    markets = venue.exchange.state.catalogue.markets
    assert len(markets) < 15
    assert first in markets
    assert not markets[first].trades
    assert venue.public(f"/markets/{first}")[1]["market"]["status"] == "finalized"
    [row] = craig.get("/portfolio/positions?settlement_status=settled")["market_positions"]
    assert row["ticker"] == first
    assert craig.get(f"/portfolio/fills?ticker={first}")["fills"]


def test_recording_of_a_moment_does_not_list_markets_without_end(venue: Venue, tmp_path: Path) -> None:
    path = tmp_path / "short.jsonl"
    lines = written(tmp_path / "r.jsonl").read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    replay = started(venue, path)
    run(venue, replay, 10)
    assert 1 <= replay.passes <= 5


def test_passes_are_closed_and_opened_with_the_recorded_times(venue: Venue) -> None:
    replay = started(venue, BTC, speed=100.0)
    [ticker] = replay.tickers
    closes = venue.exchange.market(ticker).close_us
    assert START_US < closes < START_US + 9_000_000
    assert venue.public(f"/markets/{ticker}")[1]["market"]["open_time"] == rfc3339(START_US)
