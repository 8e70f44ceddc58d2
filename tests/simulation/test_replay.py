"""Playing recordings: schedule, books, our fills inside them, and recordings that are cut off or damaged."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.engine.types import BookSnapshot, Side
from apps.gateway.kalshi.frames import DeltaFrame, SnapshotFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.recordings import read_recording
from apps.simulation.exchange.clock import ManualClock, rfc3339
from apps.simulation.exchange.markets import Market, MarketStatus
from apps.simulation.exchange.replay import Replay

from .venue import Client, Venue, make_venue

DATA = Path(__file__).parents[1] / "data" / "ws"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "ws"
BTC = DATA / "kxbtc15m_20260513T1541Z_head.jsonl.gz"
OTHERS = [DATA / "mlb_wnba_20260807.json.gz", DATA / "kxbtc_range_20260418.jsonl"]
FULL = sorted(SHARED.glob("kalshi_ws_kxbtc15m_2026051*Z.jsonl.gz"))[:2]


def play(replay: Replay, clock: ManualClock, seconds: float, step: float = 0.25) -> None:
    for _ in range(int(seconds / step)):
        clock.advance(step)
        while replay.run():
            pass


def book_of(market: Market) -> tuple[dict[int, int], dict[int, int]]:
    found: list[dict[int, int]] = []
    for side in Side:
        prices = market.grid.prices
        found.append({p: q for p in prices if (q := market.book.recorded_size(side, p))})
    return found[0], found[1]


def recorded_books(path: Path) -> dict[str, tuple[dict[int, int], dict[int, int]]]:
    """The books at the end of a recording, by plain addition."""
    decoder = Decoder(use_yes_price=False)
    books: dict[str, dict[tuple[Side, int], int]] = {}
    for frame in read_recording(path):
        if not frame.raw:
            continue
        decoded = decoder.decode(frame.raw)
        if isinstance(decoded, SnapshotFrame):
            snapshot: BookSnapshot = decoded.book
            books[snapshot.ticker] = {(Side.BID, p): q for p, q in snapshot.bids} | {
                (Side.ASK, p): q for p, q in snapshot.asks
            }
        elif isinstance(decoded, DeltaFrame):
            book = books[decoded.ticker]
            key = decoded.side, decoded.price
            book[key] = book.get(key, 0) + decoded.delta
    return {
        ticker: (
            {p: q for (s, p), q in book.items() if s is Side.BID and q},
            {p: q for (s, p), q in book.items() if s is Side.ASK and q},
        )
        for ticker, book in books.items()
    }


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def started(venue: Venue, path: Path = BTC, **options: Any) -> tuple[Replay, Market]:
    replay = Replay(venue.exchange.state, path, **options)
    replay.prime()
    return replay, venue.exchange.market(replay.tickers[0])


@pytest.mark.parametrize("path", [BTC, *OTHERS, *FULL], ids=lambda p: p.name)
def test_books_end_exactly_as_recorded_whatever_we_do(venue: Venue, craig: Client, path: Path) -> None:
    replay, _ = started(venue, path, speed=200.0, loop=False)
    chance = random.Random(3)
    while not replay.finished:
        play(replay, venue.clock, 0.5)
        for ticker in replay.tickers:
            side, price = chance.choice(["bid", "ask"]), f"0.{chance.randint(1, 99):02d}"
            craig.create(side, price, "7.00", ticker=ticker, client_order_id=f"x{chance.random()}".replace(".", ""))
        craig.call("DELETE", "/portfolio/events/orders")
        assert venue.conserved()
    expected = recorded_books(path)
    for ticker in replay.tickers:
        market = venue.exchange.market(ticker)
        if market.status is MarketStatus.ACTIVE:
            assert book_of(market) == expected[ticker]
    assert not [k for k in replay.counts if k.startswith("refused")]


def test_market_comes_from_the_recording_with_its_grid_and_shifted_close(venue: Venue) -> None:
    _, market = started(venue)
    body = venue.public(f"/markets/{market.ticker}")[1]["market"]
    assert (body["event_ticker"], body["price_level_structure"]) == (
        market.ticker.rpartition("-")[0],
        "tapered_deci_cent",
    )
    assert body["status"] == "active"
    assert body["floor_strike"] > 1_000
    remaining_s = (market.close_us - venue.clock.now_us()) / 1_000_000
    assert 0 < remaining_s < 900
    assert venue.public(f"/events/{body['event_ticker']}")[1]["event"]["series_ticker"] == "KXBTC15M"


def test_speed_and_schedule(venue: Venue) -> None:
    slow, _ = started(venue)
    fast = Replay(make_venue().exchange.state, BTC, speed=10.0)
    counts = []
    for replay in (slow, fast):
        clock = replay._state.clock
        assert isinstance(clock, ManualClock)
        play(replay, clock, 5)
        counts.append(replay.counts["orderbook_delta"])
    assert 0 < counts[0] < counts[1]


def test_resting_order_inside_the_spread_fills_from_an_inferred_trade(venue: Venue, craig: Client) -> None:
    replay, market = started(venue)
    filled = 0
    for attempt in range(40):
        bid, _, ask, _ = market.top
        if ask - bid > 100 or not filled:
            craig.create("bid", f"{bid / 10_000:.4f}", "5.00", ticker=market.ticker, client_order_id=f"a{attempt}")
        play(replay, venue.clock, 1)
        filled = len(craig.get("/portfolio/fills")["fills"])
    assert filled
    fills = craig.get("/portfolio/fills")["fills"]
    assert not any(f["is_taker"] for f in fills)
    assert venue.conserved()


def test_our_taker_moves_what_is_shown_and_not_the_recording(venue: Venue, craig: Client) -> None:
    _, market = started(venue)
    before = book_of(market)
    _, _, ask, size = market.top
    count = f"{size / 100:.2f}"
    _, ack = craig.create(
        "bid", f"{ask / 10_000:.4f}", count, ticker=market.ticker, time_in_force="immediate_or_cancel"
    )
    assert ack["fill_count"] == count
    assert market.top[2] > ask
    assert book_of(market) == before


def truncated(folder: Path, share: float) -> Path:
    path = folder / "cut.jsonl.gz"
    data = BTC.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_cut_off_recording_plays_what_is_there_and_stays_quiet(venue: Venue, craig: Client, tmp_path: Path) -> None:
    replay, market = started(venue, truncated(tmp_path, 0.5), speed=100.0)
    while not replay.finished:
        play(replay, venue.clock, 0.25)
    assert replay.counts["truncated"] == 1
    assert replay.counts["orderbook_delta"] > 100
    assert market.status is MarketStatus.ACTIVE
    assert craig.create("bid", "0.0100", "1.00", ticker=market.ticker)[0] == 201


def lines() -> Iterator[dict[str, Any]]:
    with gzip.open(BTC, "rt") as stream:
        for line in stream:
            yield json.loads(line)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("delta_fp", "-99999999.00", "NegativeLevel"),
        ("delta_fp", "NaN", "BadField"),
        ("price_dollars", "1.5000", "BadField"),
        ("side", "maybe", "BadField"),
    ],
)
def test_damaged_frames_are_left_out_and_counted(
    venue: Venue, tmp_path: Path, field: str, value: str, reason: str
) -> None:
    path = tmp_path / "damaged.jsonl"
    kept, damaged = [], False
    for i, line in enumerate(lines()):
        if not damaged and line["event_type"] == "orderbook_delta":
            line["payload_json"][field] = value
            damaged = True
        kept.append(json.dumps(line))
        if i > 300:
            break
    path.write_text("\n".join(kept) + "\n")
    replay, _ = started(venue, path, speed=1000.0)
    while not replay.finished:
        play(replay, venue.clock, 0.25)
    assert replay.counts[f"refused {reason}"] == 1
    assert replay.counts["orderbook_delta"] > 100


def test_market_of_the_recording_settles_by_the_next_strike(venue: Venue, craig: Client, tmp_path: Path) -> None:
    """Two markets, the second watched after the first one closed, with a lower strike: the answer is no."""
    path = tmp_path / "two.jsonl"
    second = "KXBTC15M-26MAY131600-00"
    kept, first_ns, first = [], 0, ""
    for i, line in enumerate(lines()):
        if line["event_type"] == "watch_market" and not first:
            first, first_ns = line["market_ticker"], line["local_recv_ns"]
            line["payload_json"] |= {"close_time": _rfc(first_ns + 10**9), "strike": 100.0}
        if line["market_ticker"] == first:
            kept.append(line)
        if i > 50:
            break
    later = {"event_type": "watch_market", "market_ticker": second, "local_recv_ns": first_ns + 9 * 10**9}
    later["payload_json"] = {"close_time": _rfc(first_ns + 10**12), "market_ticker": second, "strike": 99.0}
    path.write_text("\n".join(json.dumps(line) for line in [*kept, later]) + "\n")
    replay, market = started(venue, path)
    bid = market.top[0]
    craig.place("ask", f"{bid / 10_000:.4f}", "1.00", ticker=market.ticker, time_in_force="immediate_or_cancel")
    play(replay, venue.clock, 8)
    venue.exchange.advance()
    assert market.status is MarketStatus.CLOSED
    play(replay, venue.clock, 2)
    assert (market.status, market.result) == (MarketStatus.FINALIZED, "no")
    [row] = craig.get("/portfolio/settlements")["settlements"]
    assert (row["market_result"], row["revenue"]) == ("no", 100)
    assert venue.conserved()


def _rfc(ns: int) -> str:
    return rfc3339(ns // 1000)


def test_absurd_speed_is_refused(venue: Venue) -> None:
    with pytest.raises(ValueError, match="speed"):
        Replay(venue.exchange.state, BTC, speed=0.0)
