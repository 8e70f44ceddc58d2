"""The book: snapshots, deltas, bad input, matches in progress, our own orders."""

from __future__ import annotations

import pytest

from apps.engine.book import Book
from apps.engine.book_levels import MATCH_IN_PROGRESS, NO_SNAPSHOT
from apps.engine.errors import BadNumber, CrossedBook, DataCorrupt, NegativeLevel, OffGridPrice
from apps.engine.grid import DECI_CENT, LINEAR_CENT, TAPERED_DECI_CENT, PriceRange, price_grid
from apps.engine.types import Level, Price, Quantity, Side

BIDS: list[Level] = [(5600, 1000), (5500, 250), (100, 7)]
ASKS: list[Level] = [(6000, 300), (6100, 1), (9900, 2)]


def book(ranges: tuple[PriceRange, ...] = LINEAR_CENT) -> Book:
    made = Book(price_grid(ranges), "KXT")
    made.apply_snapshot(BIDS, ASKS)
    return made


def assert_unquotable(unusable: Book, reason: str) -> None:
    assert not unusable.is_quotable
    assert not unusable.accepts_deltas
    assert unusable.unquotable_reason == reason
    assert (unusable.best_bid, unusable.best_ask) == (None, None)
    assert unusable.levels(Side.BID) == unusable.levels(Side.ASK) == []
    assert unusable.top_without({}) == (None, None)
    assert unusable.size_at(Side.BID, 5600) == 0
    with pytest.raises(DataCorrupt):
        unusable.apply_delta(Side.BID, 5600, 100, 1)


def test_new_book_refuses_deltas_until_its_snapshot() -> None:
    new = Book(price_grid(LINEAR_CENT))
    assert_unquotable(new, NO_SNAPSHOT)
    new.apply_snapshot(BIDS, ASKS)
    assert new.is_quotable
    assert new.unquotable_reason is None


def test_snapshot_in_any_order_shows_best_first() -> None:
    made = Book(price_grid(LINEAR_CENT))
    made.apply_snapshot(reversed(BIDS), reversed(ASKS))
    assert (made.best_bid, made.best_ask) == (5600, 6000)
    assert made.levels(Side.BID) == BIDS
    assert made.levels(Side.ASK, depth=2) == ASKS[:2]
    assert made.levels(Side.ASK, depth=0) == []
    assert made.size_at(Side.BID, 5500) == 250
    assert made.size_at(Side.ASK, 6100) == 1
    assert made.size_at(Side.ASK, 5500) == 0
    with pytest.raises(OffGridPrice):
        made.size_at(Side.ASK, 5501)


@pytest.mark.parametrize("side", list(Side))
def test_one_sided_and_empty_books_are_quotable(side: Side) -> None:
    made = Book(price_grid(LINEAR_CENT))
    made.apply_snapshot([], [])
    assert made.is_quotable
    assert (made.best_bid, made.best_ask) == (None, None)
    made.apply_delta(side, 100, 5)
    made.apply_delta(side, 9900, 5)
    assert made.best_bid == (9900 if side is Side.BID else None)
    assert made.best_ask == (100 if side is Side.ASK else None)


@pytest.mark.parametrize(
    ("side", "price", "delta", "best"),
    [
        (Side.BID, 5700, 100, (5700, 6000)),
        (Side.BID, 5600, 100, (5600, 6000)),
        (Side.BID, 5600, -1000, (5500, 6000)),
        (Side.BID, 5500, -250, (5600, 6000)),
        (Side.ASK, 5900, 1, (5600, 5900)),
        (Side.ASK, 6000, -300, (5600, 6100)),
        (Side.ASK, 6000, -299, (5600, 6000)),
    ],
)
def test_delta_moves_the_best(side: Side, price: Price, delta: Quantity, best: tuple[Price, Price]) -> None:
    made = book()
    before = made.size_at(side, price)
    made.apply_delta(side, price, delta)
    assert (made.best_bid, made.best_ask) == best
    assert made.size_at(side, price) == before + delta


def test_emptied_side_has_no_best() -> None:
    made = book()
    for price, size in ASKS:
        made.apply_delta(Side.ASK, price, -size)
    assert made.best_ask is None
    assert made.best_bid == 5600


@pytest.mark.parametrize(
    ("price", "delta", "error"),
    [
        (5650, 100, OffGridPrice),
        (0, 100, OffGridPrice),
        (10_000, 100, OffGridPrice),
        (-100, 100, OffGridPrice),
        (10**9, 100, OffGridPrice),
        (5600, -1001, NegativeLevel),
        (5700, -1, NegativeLevel),
        (6000, 100, CrossedBook),
        (6500, 100, CrossedBook),
    ],
)
def test_bad_delta_closes_the_book_until_the_next_snapshot(
    price: Price, delta: Quantity, error: type[DataCorrupt]
) -> None:
    made = book()
    with pytest.raises(error):
        made.apply_delta(Side.BID, price, delta)
    assert_unquotable(made, error.__name__)
    made.apply_snapshot(BIDS, ASKS)
    assert made.levels(Side.BID) == BIDS


def test_ask_at_or_below_the_bid_without_a_time_crosses() -> None:
    made = book()
    with pytest.raises(CrossedBook, match="KXT: bid 5600 at or above ask 5600"):
        made.apply_delta(Side.ASK, 5600, 5)
    assert_unquotable(made, "CrossedBook")


def test_unknown_side_closes_the_book_as_a_change_of_it_is_lost() -> None:
    made = book()
    with pytest.raises(BadNumber):
        made.apply_delta("yes", 5600, 5)  # type: ignore[arg-type]
    assert_unquotable(made, "BadNumber")


@pytest.mark.parametrize(
    ("bids", "asks", "error"),
    [
        ([(5650, 100)], [], OffGridPrice),
        ([], [(6000, -1)], NegativeLevel),
        ([(5600, 1), (5600, 1)], [], BadNumber),
        ([(5600, 0), (5600, 1)], [], BadNumber),
        ([(5600, 1)], [(5600, 1)], CrossedBook),
        ([(5600, 1)], [(5500, 1)], CrossedBook),
    ],
)
def test_bad_snapshot_leaves_nothing_of_itself_or_the_old_book(
    bids: list[Level], asks: list[Level], error: type[DataCorrupt]
) -> None:
    made = book()
    with pytest.raises(error):
        made.apply_snapshot(bids, asks)
    assert_unquotable(made, error.__name__)


def test_snapshot_level_of_size_zero_is_no_level() -> None:
    made = Book(price_grid(LINEAR_CENT))
    made.apply_snapshot([(5600, 0), (5500, 3)], [])
    assert made.levels(Side.BID) == [(5500, 3)]


def test_invalidate_names_its_reason() -> None:
    made = book()
    made.invalidate("sequence_gap")
    assert_unquotable(made, "sequence_gap")


def test_match_in_progress_hides_the_book_until_it_ends() -> None:
    """As recorded: a bid of 10 stands at 0.37 for a moment before it takes 10 from the ask at 0.37."""
    made = Book(price_grid(LINEAR_CENT))
    made.apply_snapshot([(3600, 100)], [(3700, 1000), (3800, 5)])
    made.apply_delta(Side.BID, 3700, 100, ts_ms=7)
    assert made.unquotable_reason == MATCH_IN_PROGRESS
    assert made.is_matching
    assert made.accepts_deltas
    assert not made.is_quotable
    assert (made.best_bid, made.best_ask) == (None, None)
    assert made.levels(Side.BID) == []
    assert made.top_without({}) == (None, None)
    assert made.size_at(Side.BID, 3700) == 0
    made.apply_delta(Side.ASK, 3900, 5, ts_ms=7)
    assert made.is_matching
    made.apply_delta(Side.ASK, 3700, -1000, ts_ms=7)
    assert made.is_quotable
    assert not made.is_matching
    assert (made.best_bid, made.best_ask) == (3700, 3800)
    assert made.levels(Side.ASK) == [(3800, 5), (3900, 5)]


@pytest.mark.parametrize("later", [8, 6, None])
def test_cross_that_outlives_its_millisecond_is_an_error(later: int | None) -> None:
    made = book()
    made.apply_delta(Side.BID, 6000, 100, ts_ms=7)
    with pytest.raises(CrossedBook):
        made.apply_delta(Side.ASK, 6000, -300, ts_ms=later)
    assert_unquotable(made, "CrossedBook")


def test_bad_delta_inside_a_match_closes_the_book() -> None:
    made = book()
    made.apply_delta(Side.BID, 6000, 100, ts_ms=7)
    with pytest.raises(NegativeLevel):
        made.apply_delta(Side.ASK, 6000, -301, ts_ms=7)
    assert_unquotable(made, "NegativeLevel")


def test_top_without_our_own_orders() -> None:
    made = book()
    own = {(Side.BID, 5600): 1000, (Side.BID, 5500): 200, (Side.ASK, 6000): 299}
    assert made.top_without({}) == ((5600, 1000), (6000, 300))
    assert made.top_without(own) == ((5500, 50), (6000, 1))
    assert made.top_without({(Side.ASK, 6000): 400, (Side.ASK, 6100): 1, (Side.ASK, 9900): 2}) == (
        (5600, 1000),
        None,
    )


def test_sub_cent_grid_keeps_its_ticks() -> None:
    made = Book(price_grid(TAPERED_DECI_CENT))
    made.apply_snapshot([(10, 1), (990, 1)], [(1000, 1), (9990, 1)])
    assert (made.best_bid, made.best_ask) == (990, 1000)
    with pytest.raises(OffGridPrice):
        made.apply_delta(Side.ASK, 1010, 1)


def test_refined_grid_keeps_the_levels() -> None:
    made = book()
    made.regrid(price_grid(DECI_CENT))
    assert (made.levels(Side.BID), made.levels(Side.ASK)) == (BIDS, ASKS)
    made.apply_delta(Side.BID, 5610, 5)
    assert made.best_bid == 5610


def test_coarser_grid_that_does_not_fit_closes_the_book() -> None:
    made = book(DECI_CENT)
    made.apply_delta(Side.BID, 5610, 5)
    with pytest.raises(OffGridPrice):
        made.regrid(price_grid(LINEAR_CENT))
    assert_unquotable(made, "OffGridPrice")


def test_regrid_does_not_heal_a_closed_book_and_keeps_a_match_open() -> None:
    closed = book()
    closed.invalidate("sequence_gap")
    closed.regrid(price_grid(DECI_CENT))
    assert_unquotable(closed, "sequence_gap")
    matching = book()
    matching.apply_delta(Side.BID, 6000, 300, ts_ms=7)
    matching.regrid(price_grid(DECI_CENT))
    assert matching.is_matching
    matching.apply_delta(Side.ASK, 6000, -300, ts_ms=7)
    assert (matching.best_bid, matching.best_ask) == (6000, 6100)
