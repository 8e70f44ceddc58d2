from __future__ import annotations

from datetime import timedelta

import pytest

from apps.engine.grid import DECI_CENT, LINEAR_CENT, PriceGrid, price_grid
from apps.gateway.errors import BadMessage
from apps.gateway.kalshi.frames import Frame
from apps.gateway.kalshi.messages import Decoder
from apps.governance.models import SystemEvent
from apps.marketdata.choices import FeedState
from apps.marketdata.feeds.health import feed_state
from apps.marketdata.feeds.kalshi import BOOK_CHANNEL, KalshiFeed
from apps.marketdata.feeds.resync import ResyncPlanner
from apps.marketdata.feeds.store import FeedStore
from apps.marketdata.models import BookSnapshot
from apps.marketdata.selectors import OpenMarket
from apps.marketdata.services import FeedStatus
from tests import factories

from . import wire

NOW = factories.NOW
CLOSE = NOW + timedelta(minutes=15)
CENT = price_grid(LINEAR_CENT)
DECODER = Decoder(use_yes_price=True)
NS = 1_763_640_000_000_000_000


def open_market(ticker: str, grid: PriceGrid | None = CENT, number: int = 1) -> OpenMarket:
    return OpenMarket(number, ticker, "KXA-26", "KXA", "", CLOSE, grid, None if grid else "no grid")


class Wire:
    """A feed with its scope and book subscription, and a decoder in front of it."""

    def __init__(self, *tickers: str) -> None:
        self.store = FeedStore()
        self.feed = KalshiFeed(self.store)
        self.feed.set_scope([open_market(t, number=n) for n, t in enumerate(tickers or ("A", "B"))])
        self.give(wire.subscribed(BOOK_CHANNEL, 1))

    def give(self, *frames: bytes) -> None:
        for data in frames:
            try:
                frame: Frame = DECODER.decode(data)
            except BadMessage as e:
                self.feed.on_refused(e, NS)
            else:
                self.feed.on_frame(frame, NS)

    def quotable(self) -> list[str]:
        return [t for t in sorted(self.feed.tickers) if self.feed.books.unquotable_reason(t) is None]

    def sample(self, monotonic: float = 0.0, **options: float) -> list[BookSnapshot]:
        defaults = {"every_s": 5.0, "depth": 10, "limit": 100}
        return self.feed.sample(now=NOW, monotonic=monotonic, **(defaults | options))  # type: ignore[arg-type]


def test_snapshots_and_deltas_make_books_in_yes_prices() -> None:
    wired = Wire("A", "B")
    assert wired.feed.stale_books() == ["A", "B"]
    wired.give(wire.snapshot("A", 1), wire.snapshot("B", 2), wire.delta("A", 3, "0.5700", "2.50"))
    assert wired.quotable() == ["A", "B"]
    assert wired.feed.stale_books() == []
    first, second = sorted(wired.sample(), key=lambda row: row.market_id)
    assert (str(first.best_bid), str(first.best_ask)) == ("0.5700", "0.6000")
    assert first.bids == [["0.5700", "2.50"], ["0.5600", "10.00"]]
    assert first.asks == [["0.6000", "15.00"]]
    assert (first.market_id, second.market_id, first.received_at) == (0, 1, NOW)


def test_gap_makes_every_book_of_the_subscription_unquotable_until_its_snapshot() -> None:
    wired = Wire("A", "B")
    wired.give(wire.snapshot("A", 1), wire.snapshot("B", 2), wire.delta("A", 5))
    assert wired.quotable() == []
    assert wired.feed.stale_books() == ["A", "B"]
    assert wired.feed.books.counters.gaps == 1
    wired.give(wire.delta("B", 6), wire.snapshot("B", 7))
    assert wired.quotable() == ["B"]
    wired.give(wire.snapshot("A", 8))
    assert wired.quotable() == ["A", "B"]
    assert wired.store.waiting == 1


@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b'{"type":"orderbook_delta","sid":1,"seq":3,"msg":{}}', b'{"type":"orderbook_delta"}', b"\xff\xfe"],
)
def test_refused_frame_is_counted_and_the_next_one_shows_the_gap(broken: bytes) -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1), wire.delta("A", 2), broken)
    assert wired.feed.counters.refused.total() == 1
    assert wired.quotable() == ["A"]
    wired.give(wire.delta("A", 4))
    assert wired.quotable() == []
    assert wired.feed.counters.frames == 5


def test_duplicated_and_late_frames_change_nothing() -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1), wire.delta("A", 2), wire.delta("A", 3, "0.5400"))
    before = wired.sample()[0].bids
    wired.give(wire.delta("A", 3, "0.5400"), wire.delta("A", 2), wire.snapshot("A", 1, bid="0.1000"))
    wired.give(wire.delta("A", 4, "0.5300", "1.00"))
    assert wired.sample(monotonic=10)[0].bids == [*before, ["0.5300", "1.00"]]
    assert wired.feed.books.counters.gaps == 0


@pytest.mark.parametrize(
    "bad",
    [
        wire.delta("A", 2, "0.5555"),
        wire.delta("A", 2, "0.5600", "-99.00"),
    ],
)
def test_delta_that_cannot_be_true_takes_the_book_out_of_use(bad: bytes) -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1), bad)
    assert wired.quotable() == []
    assert wired.sample() == []
    assert wired.feed.stale_books() == ["A"]


def test_book_that_stays_crossed_is_taken_out_of_use() -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1), wire.delta("A", 2, "0.7000"))
    assert wired.quotable() == []
    wired.give(wire.delta("A", 3, "0.1000", ts_ms=9))
    assert wired.quotable() == []
    assert wired.sample() == []
    assert wired.feed.stale_books() == ["A"]


def test_answers_to_commands_count_in_the_sequence() -> None:
    wired = Wire("A")
    ok = b'{"id":2,"sid":1,"seq":2,"type":"ok","msg":{"market_tickers":["A"]}}'
    unknown = b'{"type":"brand_new","sid":1,"seq":3,"msg":{}}'
    wired.give(wire.snapshot("A", 1), ok, unknown, wire.delta("A", 4))
    assert wired.quotable() == ["A"]
    assert wired.feed.books.counters.gaps == 0
    assert wired.feed.counters.unknown_messages == 1


def test_book_without_a_grid_is_never_quotable_and_never_asked_for() -> None:
    wired = Wire("A")
    wired.feed.set_scope([open_market("A", None)])
    wired.give(wire.snapshot("A", 1))
    assert wired.quotable() == []
    assert wired.feed.stale_books() == []
    wired.feed.set_scope([open_market("A", CENT)])
    assert wired.feed.stale_books() == ["A"]
    wired.give(wire.snapshot("A", 2))
    assert wired.quotable() == ["A"]


def test_grid_change_by_socket_takes_effect_at_once() -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1))
    ranges = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
    wired.give(wire.lifecycle("price_level_structure_updated", "A", price_ranges=ranges))
    wired.give(wire.delta("A", 2, "0.5610"))
    assert wired.sample()[0].bids[0] == ["0.5610", "5.00"]
    wired.give(wire.lifecycle("price_level_structure_updated", "A", seq=2, price_ranges=[]))
    assert wired.quotable() == []
    wired.feed.set_scope([open_market("A", price_grid(DECI_CENT))])
    assert wired.feed.stale_books() == ["A"]


def test_terminal_error_of_the_book_subscription_makes_its_books_unquotable() -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1), b'{"type":"error","sid":1,"seq":2,"msg":{"code":25,"msg":"overflow"}}')
    assert wired.quotable() == []
    assert wired.feed.sids == {}
    wired.give(wire.subscribed(BOOK_CHANNEL, 9))
    assert wired.feed.stale_books() == ["A"]


def test_lost_connection_leaves_no_book_to_trust() -> None:
    wired = Wire("A")
    wired.give(wire.snapshot("A", 1))
    wired.feed.on_connection_change()
    assert wired.quotable() == []
    wired.give(wire.subscribed(BOOK_CHANNEL, 1), wire.snapshot("A", 1))
    assert wired.quotable() == ["A"]
    assert wired.feed.books.counters.gaps == 0


def test_scope_changes_name_what_came_and_went() -> None:
    wired = Wire("A", "B")
    wired.give(wire.snapshot("A", 1), wire.snapshot("B", 2))
    change = wired.feed.set_scope([open_market("B"), open_market("C")])
    assert (change.added, change.removed) == (("C",), ("A",))
    assert wired.quotable() == ["B"]
    wired.give(wire.delta("A", 3))
    assert wired.feed.stale_books() == []


def test_frames_of_a_market_out_of_scope_keep_the_sequence_and_leave_nothing() -> None:
    wired = Wire("A", "B")
    wired.give(wire.snapshot("A", 1), wire.snapshot("B", 2))
    wired.feed.set_scope([open_market("A")])
    wired.give(wire.delta("B", 3), wire.delta("UNHEARD", 4), wire.snapshot("B", 5), wire.delta("B", 6))
    books = wired.feed.books
    assert (books.tickers, books.last_seq(1), books.needs_resync()) == (("A",), 6, ())
    assert books.counters.refused == {}
    wired.give(wire.delta("A", 7))
    assert wired.quotable() == ["A"]
    wired.give(wire.delta("B", 9))
    assert (books.counters.gaps, wired.quotable(), wired.feed.stale_books()) == (1, [], ["A"])


def test_book_of_a_market_that_has_closed_is_not_sampled() -> None:
    wired = Wire("A", "B")
    wired.give(wire.snapshot("A", 1), wire.snapshot("B", 2))
    wired.give(wire.lifecycle("close_date_updated", "B", close_ts=int(NOW.timestamp())))
    assert [row.market_id for row in wired.sample()] == [0]
    wired.give(wire.delta("A", 3), wire.lifecycle("close_date_updated", "A", seq=2, close_ts=10**15))
    assert wired.feed.sample(now=CLOSE, monotonic=60.0, every_s=5.0, depth=10, limit=100) == []


def test_samples_are_spaced_per_market_and_limited() -> None:
    wired = Wire("A", "B", "C")
    wired.give(*(wire.snapshot(t, n) for n, t in enumerate("ABC", 1)))
    assert len(wired.sample(limit=2)) == 2
    assert len(wired.sample(limit=2)) == 1
    assert wired.sample() == []
    wired.give(wire.delta("A", 4))
    assert wired.sample(monotonic=4.9) == []
    assert len(wired.sample(monotonic=5.0)) == 1
    assert wired.sample(monotonic=20.0) == []


@pytest.mark.django_db
def test_flood_of_broken_frames_makes_one_system_event() -> None:
    wired = Wire("A")
    wired.give(*[b"{"] * 500)
    assert wired.store.flush(status=FeedStatus("x", FeedState.LIVE), now=NOW)
    event = SystemEvent.objects.get()
    assert (event.code, event.source) == ("FRAME_REFUSED", "marketdata")


def test_resync_is_asked_at_once_after_a_gap_and_ever_more_rarely_after() -> None:
    planner = ResyncPlanner()
    asked = [t for t in range(200) if planner.due(["A"], float(t))]
    assert asked == [0, 5, 15, 35, 75, 135, 195]
    assert planner.most_asked() == 7
    assert planner.due([], 200.0) == []
    assert planner.due(["A"], 201.0) == ["A"]


def test_first_snapshot_is_given_time_to_arrive() -> None:
    planner = ResyncPlanner()
    planner.subscribed(["A"], 0.0)
    assert planner.due(["A"], 1.0) == []
    assert planner.due(["A"], 5.0) == ["A"]


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, FeedState.LIVE, ""),
        ({"stale_books": 2}, FeedState.DEGRADED, "2 of 9 books wait for a snapshot"),
        ({"problems": [None, "database: gone"]}, FeedState.DEGRADED, "database: gone"),
        ({"heard_at": NOW - timedelta(seconds=16)}, FeedState.DEGRADED, "nothing heard for more than 15 s"),
        ({"is_connected": False, "connection_error": "refused"}, FeedState.DOWN, "refused"),
        ({"is_connected": False, "was_connected": False}, FeedState.CONNECTING, "no connection yet"),
        ({"is_connected": False, "problems": ["disk full"]}, FeedState.DOWN, "no connection yet; disk full"),
    ],
)
def test_state_names_every_reason(change: dict, state: FeedState, words: str) -> None:
    healthy = {
        "is_connected": True,
        "was_connected": True,
        "heard_at": NOW,
        "stale_books": 0,
        "followed": 9,
        "problems": [],
        "connection_error": None,
        "now": NOW,
    }
    assert feed_state(**(healthy | change)) == (state, words)
