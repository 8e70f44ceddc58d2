"""Books of a connection: sequence per sid, gaps, duplicates, refusals, resync."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.book_levels import MATCH_IN_PROGRESS, NO_SNAPSHOT
from apps.engine.book_registry import DISCONNECTED, UNSUBSCRIBED
from apps.engine.booksets import SEQUENCE_GAP, UNKNOWN_GRID, BookSet
from apps.engine.decimals import parse_price, parse_quantity
from apps.engine.grid import DECI_CENT, LINEAR_CENT, PriceGrid, price_grid
from apps.engine.types import ONE_DOLLAR, BookDelta, BookSnapshot, Level, Side

GRID = price_grid(LINEAR_CENT)
DATA = Path(__file__).parents[1] / "data" / "ws"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "ws"


def snapshot(ticker: str = "A", bid: int = 5000, ask: int = 6000) -> BookSnapshot:
    return BookSnapshot(ticker, ((bid, 100),), ((ask, 100),))


def delta(ticker: str = "A", change: int = 10, price: int = 5000, side: Side = Side.BID) -> BookDelta:
    return BookDelta(ticker, side, price, change, ts_ms=1)


@pytest.fixture
def books() -> BookSet:
    made = BookSet(lambda ticker: None if ticker == "NOGRID" else GRID)
    assert made.on_snapshot(1, 1, snapshot("A"))
    assert made.on_snapshot(1, 2, snapshot("B"))
    assert made.on_snapshot(2, 1, snapshot("C"))
    return made


def size(books: BookSet, ticker: str) -> int:
    book = books.book(ticker)
    assert book is not None
    return book.size_at(Side.BID, 5000)


def test_sequence_runs_over_all_messages_of_a_sid(books: BookSet) -> None:
    assert books.on_delta(1, 3, delta("B"))
    assert books.on_sequenced(1, 4)
    assert books.on_delta(1, 5, delta("A"))
    assert books.on_delta(2, 2, delta("C"))
    assert (size(books, "A"), size(books, "B"), size(books, "C")) == (110, 110, 110)
    assert (books.last_seq(1), books.last_seq(2), books.last_seq(9)) == (5, 2, 0)
    assert books.counters.gaps == 0
    assert books.needs_resync() == ()
    assert books.tickers == ("A", "B", "C")
    assert books.sids == (1, 2)


def test_gap_closes_every_book_of_that_sid_and_no_other(books: BookSet) -> None:
    assert not books.on_delta(1, 5, delta("A"))
    assert [books.unquotable_reason(t) for t in "ABC"] == [SEQUENCE_GAP, SEQUENCE_GAP, None]
    assert books.needs_resync(1) == ("A", "B")
    assert books.needs_resync(2) == books.needs_resync(9) == ()
    assert (books.counters.gaps, books.counters.missing) == (1, 2)
    assert not books.on_delta(1, 6, delta("B"))
    assert books.on_snapshot(1, 7, snapshot("A"))
    assert books.on_delta(1, 8, delta("A"))
    assert books.needs_resync() == ("B",)
    assert [books.unquotable_reason(t) for t in "AB"] == [None, SEQUENCE_GAP]
    assert books.on_snapshot(1, 9, snapshot("B"))
    assert books.needs_resync() == ()


def test_gap_found_by_an_answer_or_before_the_first_message_counts_too(books: BookSet) -> None:
    assert books.on_sequenced(1, 9)
    assert books.needs_resync(1) == ("A", "B")
    assert books.on_snapshot(3, 2, snapshot("D"))
    assert books.counters.gaps == 2
    assert books.unquotable_reason("D") is None


def test_gap_on_the_snapshot_itself_heals_only_its_market(books: BookSet) -> None:
    assert books.on_snapshot(1, 8, snapshot("A"))
    assert books.unquotable_reason("A") is None
    assert books.needs_resync(1) == ("B",)


@pytest.mark.parametrize("seq", [3, 2, 1])
def test_old_sequence_is_refused_and_changes_nothing(books: BookSet, seq: int) -> None:
    assert books.on_delta(1, 3, delta("A"))
    assert not books.on_delta(1, seq, delta("A"))
    assert not books.on_snapshot(1, seq, snapshot("A", bid=100))
    assert not books.on_sequenced(1, seq)
    assert size(books, "A") == 110
    assert books.counters.duplicates == 3
    assert books.unquotable_reason("A") is None


@pytest.mark.parametrize("seq", [0, -1])
def test_impossible_sequence_is_refused(books: BookSet, seq: int) -> None:
    assert not books.on_delta(1, seq, delta("A"))
    assert books.counters.refused == Counter(BadNumber=1)
    assert books.last_seq(1) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (delta("A", change=-101), "NegativeLevel"),
        (delta("A", price=5050), "OffGridPrice"),
        (BookDelta("A", Side.BID, 6000, 5), "CrossedBook"),
    ],
)
def test_bad_delta_is_counted_and_its_market_asked_for_again(books: BookSet, bad: BookDelta, reason: str) -> None:
    assert not books.on_delta(1, 3, bad)
    assert books.unquotable_reason("A") == reason
    assert books.unquotable_reason("B") is None
    assert not books.on_delta(1, 4, delta("A"))
    assert books.counters.refused == Counter({reason: 2})
    assert books.needs_resync(1) == ("A",)
    assert books.on_snapshot(1, 5, snapshot("A"))
    assert books.needs_resync(1) == ()


def test_bad_snapshot_is_counted_and_asked_for_again(books: BookSet) -> None:
    assert not books.on_snapshot(1, 3, snapshot("A", bid=7000))
    assert books.unquotable_reason("A") == "CrossedBook"
    assert books.needs_resync(1) == ("A",)


def test_delta_before_any_snapshot_is_refused(books: BookSet) -> None:
    assert not books.on_delta(1, 3, delta("NEW"))
    assert books.book("NEW") is None
    assert books.unquotable_reason("NEW") == NO_SNAPSHOT
    assert books.counters.refused == Counter({NO_SNAPSHOT: 1})
    assert books.needs_resync(1) == ("NEW",)


def test_delta_of_a_market_of_another_sid_is_refused_and_moves_the_market(books: BookSet) -> None:
    assert not books.on_delta(2, 2, delta("A"))
    assert books.unquotable_reason("A") == NO_SNAPSHOT
    assert books.needs_resync(2) == ("A",)
    assert books.on_snapshot(2, 3, snapshot("A"))
    assert not books.on_delta(1, 9, delta("B"))
    assert books.unquotable_reason("A") is None


def test_adding_a_market_again_leaves_a_book_that_is_in_step_alone(books: BookSet) -> None:
    assert books.on_delta(1, 3, BookDelta("A", Side.BID, 6000, 5, ts_ms=9))
    books.invalidate("B", "x")
    for ticker in ("A", "B", "NEW"):
        books.add_ticker(1, ticker)
    assert books.needs_resync(1) == ("B", "NEW")


def test_match_in_progress_is_no_refusal(books: BookSet) -> None:
    assert books.on_delta(1, 3, BookDelta("A", Side.BID, 6000, 5, ts_ms=9))
    assert books.unquotable_reason("A") == MATCH_IN_PROGRESS
    assert books.on_delta(1, 4, BookDelta("A", Side.ASK, 6000, -100, ts_ms=9))
    assert books.unquotable_reason("A") is None
    assert books.needs_resync() == ()


def test_market_without_a_grid_waits_for_it() -> None:
    grids: dict[str, PriceGrid] = {}
    books = BookSet(grids.get)
    assert not books.on_snapshot(1, 1, snapshot("A"))
    assert books.counters.refused == Counter({UNKNOWN_GRID: 1})
    assert books.needs_resync(1) == ("A",)
    books.set_grid("A", GRID)
    grids["A"] = GRID
    assert books.on_snapshot(1, 2, snapshot("A"))


def test_refined_grid_keeps_levels_and_a_coarser_one_asks_again(books: BookSet) -> None:
    fine = price_grid(DECI_CENT)
    books.set_grid("A", GRID)
    books.set_grid("A", fine)
    assert size(books, "A") == 100
    assert books.on_delta(1, 3, delta("A", price=5010))
    books.set_grid("A", GRID)
    assert books.unquotable_reason("A") == "OffGridPrice"
    assert books.needs_resync(1) == ("A",)
    assert books.counters.refused == Counter(OffGridPrice=1)


def test_disconnect_closes_all_books_and_starts_sequences_anew(books: BookSet) -> None:
    books.on_disconnect()
    assert [books.unquotable_reason(t) for t in "ABC"] == [DISCONNECTED] * 3
    assert books.sids == ()
    assert books.on_snapshot(1, 1, snapshot("A"))
    assert books.unquotable_reason("A") is None
    assert books.counters.duplicates == 0


def test_ended_subscription_closes_its_books_only(books: BookSet) -> None:
    books.remove_sid(1)
    books.remove_sid(7)
    assert [books.unquotable_reason(t) for t in "ABC"] == [UNSUBSCRIBED, UNSUBSCRIBED, None]
    assert books.sids == (2,)
    assert books.on_snapshot(3, 1, snapshot("A"))


def test_market_taken_out_of_its_subscription(books: BookSet) -> None:
    books.remove_ticker("A")
    books.remove_ticker("NEVER")
    assert books.unquotable_reason("A") == UNSUBSCRIBED
    assert not books.on_delta(1, 9, delta("B"))
    assert books.unquotable_reason("A") == UNSUBSCRIBED
    assert books.needs_resync() == ("B",)


def test_forgotten_market_leaves_nothing_behind(books: BookSet) -> None:
    books.invalidate("B", "ticker_disagrees")
    for ticker in ("A", "B", "NEVER"):
        books.forget(ticker)
    assert books.tickers == ("C",)
    assert books.book("A") is None
    assert books.unquotable_reason("A") == NO_SNAPSHOT
    assert books.needs_resync() == ()
    assert books.on_sequenced(1, 9)
    assert books.needs_resync() == ()
    assert books.on_delta(2, 2, delta("C"))


def test_forgotten_market_may_come_back_with_a_snapshot(books: BookSet) -> None:
    books.forget("A")
    assert not books.on_delta(1, 3, delta("A"))
    assert books.on_snapshot(1, 4, snapshot("A"))
    assert books.on_delta(1, 5, delta("A"))
    assert size(books, "A") == 110


def test_turnover_of_markets_does_not_pile_up() -> None:
    books = BookSet(lambda _: GRID)
    for n in range(1, 200):
        books.add_ticker(1, f"M{n}")
        assert books.on_snapshot(1, n, snapshot(f"M{n}"))
        books.forget(f"M{n - 1}")
    assert books.tickers == ("M199",)
    held = [value for value in vars(books).values() if isinstance(value, dict)]
    assert sum(map(len, held)) == len(held)


def test_subscribed_market_needs_its_first_snapshot(books: BookSet) -> None:
    books.add_ticker(1, "NEW")
    books.add_ticker(1, "A")
    books.add_ticker(5, "OTHER")
    assert books.needs_resync(1) == ("NEW",)
    assert books.needs_resync(5) == ("OTHER",)


def test_caller_can_close_a_book(books: BookSet) -> None:
    books.invalidate("A", "ticker_disagrees")
    books.invalidate("NEVER", "ticker_disagrees")
    assert books.unquotable_reason("A") == "ticker_disagrees"
    assert books.needs_resync() == ("A",)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 40), st.booleans()), max_size=40))
def test_quotable_books_have_seen_every_message(events: list[tuple[int, int, bool]]) -> None:
    """Whatever arrives, a quotable book equals the sum of an unbroken run since its last snapshot."""
    books = BookSet(lambda _: GRID)
    expected: dict[int, int | None] = {1: None, 2: None}
    last = {1: 0, 2: 0}
    for sid, seq, is_snapshot in events:
        if seq == last[sid] + 1 or (seq > last[sid] and is_snapshot):
            expected[sid] = 100 if is_snapshot else (expected[sid] or 0) + 1 if expected[sid] else None
        elif seq > last[sid]:
            expected[sid] = None
        last[sid] = max(last[sid], seq)
        name = str(sid)
        if is_snapshot:
            books.on_snapshot(sid, seq, snapshot(name))
        else:
            books.on_delta(sid, seq, delta(name, change=1))
        for each, wanted in expected.items():
            assert (books.unquotable_reason(str(each)) is None) == (wanted is not None)
            if wanted is not None:
                assert size(books, str(each)) == wanted


RECORDINGS = sorted(
    path
    for folder in (DATA, SHARED)
    if folder.is_dir()
    for path in (*folder.glob("*kxbtc15m_2026*.jsonl.gz"), *folder.glob("*mlb_wnba*"))
    if "tickers" not in path.name
)


def _frames(path: Path) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """(connection, type, seq, msg) of every sequenced book message of a recording."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    if ".json." in f"{path.name}.":
        for entry in json.loads(text)["frames"]:
            frame = entry["frame"]
            if "seq" in frame:
                yield "one", frame["type"], frame["seq"], frame["msg"]
        return
    for line in text.splitlines():
        row = json.loads(line)
        if row["event_type"].startswith("orderbook_"):
            # each market switch opens a subscription of its own within the recorder's connection
            msg = row["payload_json"]
            yield msg["market_ticker"], row["event_type"], row["sequence_number"], msg


def _levels(rows: list[list[str]] | None, *, flip: bool) -> tuple[Level, ...]:
    parsed = [(parse_price(p), parse_quantity(q)) for p, q in rows or ()]
    return tuple((ONE_DOLLAR - p if flip else p, q) for p, q in parsed)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: f"{p.parent.parent.name}/{p.name}")
def test_recordings_replay_without_a_single_refusal(path: Path) -> None:
    books = BookSet(lambda _: price_grid(DECI_CENT))
    current, deltas = "", 0
    for connection, kind, seq, msg in _frames(path):
        if connection != current or (kind == "orderbook_snapshot" and seq == 1):
            books.on_disconnect()
            current = connection
        if kind == "orderbook_snapshot":
            bids = _levels(msg.get("yes_dollars_fp"), flip=False)
            asks = _levels(msg.get("no_dollars_fp"), flip=True)
            books.on_snapshot(1, seq, BookSnapshot(msg["market_ticker"], bids, asks))
        elif kind == "orderbook_delta":
            price = parse_price(msg["price_dollars"])
            yes = msg["side"] == "yes"
            change = BookDelta(
                msg["market_ticker"],
                Side.BID if yes else Side.ASK,
                price if yes else ONE_DOLLAR - price,
                parse_quantity(msg["delta_fp"]),
                msg["ts_ms"],
            )
            deltas += books.on_delta(1, seq, change)
        else:
            books.on_sequenced(1, seq)
    assert deltas == books.counters.deltas > 200
    assert books.counters.refused == Counter()
    assert (books.counters.gaps, books.counters.duplicates) == (0, 0)
    assert all(books.unquotable_reason(t) in (None, DISCONNECTED) for t in books.tickers)
