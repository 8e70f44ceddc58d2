"""The fast books against the slow one on random snapshots and deltas, and on recorded ones."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.book import Book
from apps.engine.book_batch import NO_TIME, BatchBook, BestTicks, DeltaBatch, _apply, _apply_compiled, _top_after
from apps.engine.book_levels import NO_SNAPSHOT
from apps.engine.decimals import price_to_decimal, quantity_to_decimal
from apps.engine.errors import BadNumber, CrossedBook, DataCorrupt, NegativeLevel, OffGridPrice
from apps.engine.grid import DECI_CENT, LINEAR_CENT, PriceRange, price_grid
from apps.engine.types import BookDelta, Level, Side
from tests.engine.reference_book import ReferenceBook

SMALL = price_grid((PriceRange(0, 10_000, 1000),))
PRICES = st.sampled_from([*SMALL.prices, 1500])
ON_GRID = st.sampled_from(SMALL.prices)
SIZES = st.integers(-3, 4)
TIMES = st.sampled_from([None, 1, 1, 1, 2])
DELTAS = st.lists(st.tuples(st.sampled_from(list(Side)), PRICES, SIZES, TIMES), max_size=30)
LEVELS = st.lists(st.tuples(ON_GRID, st.integers(0, 4)), unique_by=lambda level: level[0], max_size=4)
SNAPSHOT = st.tuples(LEVELS, LEVELS)
STEPS = st.lists(st.one_of(SNAPSHOT, DELTAS), max_size=5)


def shown(book: Book, side: Side) -> list[tuple[Decimal, Decimal]]:
    return [(price_to_decimal(p), quantity_to_decimal(q)) for p, q in book.levels(side)]


def assert_same(book: Book, reference: ReferenceBook) -> None:
    assert book.unquotable_reason == reference.problem
    for side in Side:
        assert shown(book, side) == reference.levels(side)
        best = book.best_bid if side is Side.BID else book.best_ask
        levels = reference.levels(side)
        assert best == (int(levels[0][0] * 10_000) if levels else None)
    if book.best_bid is not None and book.best_ask is not None:
        assert book.best_bid < book.best_ask


@settings(max_examples=200)
@given(STEPS)
def test_book_equals_the_reference(
    steps: list[tuple[list[Level], list[Level]] | list[tuple[Side, int, int, int | None]]],
) -> None:
    book, reference = Book(SMALL), ReferenceBook(SMALL)
    for step in steps:
        if isinstance(step, tuple):
            reference.snapshot(*step)
            with suppress(DataCorrupt):
                book.apply_snapshot(*step)
            assert_same(book, reference)
            continue
        for delta in step:
            reference.delta(*delta)
            with suppress(DataCorrupt):
                book.apply_delta(*delta)
            assert_same(book, reference)


def _apply_parts(book: BatchBook, deltas: list[BookDelta], cut: int) -> list[BestTicks]:
    return [book.apply(DeltaBatch.of(SMALL, part)) for part in (deltas[:cut], deltas[cut:])]


def _compare_batch(start: tuple[list[Level], list[Level]], deltas: list[BookDelta], cut: int) -> None:
    book, batch_book = Book(SMALL), BatchBook(SMALL)
    book.apply_snapshot(*start)
    batch_book.apply_snapshot(*start)
    bids: list[int] = []
    asks: list[int] = []
    try:
        for d in deltas:
            book.apply_delta(d.side, d.price, d.delta, d.ts_ms)
            bids.append(-1 if book.best_bid is None else SMALL.index(book.best_bid))
            asks.append(-1 if book.best_ask is None else SMALL.index(book.best_ask))
    except DataCorrupt as error:
        with pytest.raises(type(error)):
            _apply_parts(batch_book, deltas, cut)
    else:
        seen = _apply_parts(batch_book, deltas, cut)
        assert [int(t) for s in seen for t in s.bids] == bids
        assert [int(t) for s in seen for t in s.asks] == asks
    assert batch_book.unquotable_reason == book.unquotable_reason
    for side in Side:
        assert batch_book.levels(side) == book.levels(side)


@settings(max_examples=150)
@given(
    SNAPSHOT,
    st.lists(st.tuples(st.sampled_from(list(Side)), ON_GRID, SIZES, TIMES), max_size=30),
    st.integers(0, 30),
)
def test_batch_book_equals_the_book(
    start: tuple[list[Level], list[Level]], deltas: list[tuple[Side, int, int, int | None]], cut: int
) -> None:
    try:
        Book(SMALL).apply_snapshot(*start)
    except CrossedBook:
        refused = BatchBook(SMALL)
        with pytest.raises(CrossedBook):
            refused.apply_snapshot(*start)
        assert refused.unquotable_reason == "CrossedBook"
        return
    _compare_batch(start, [BookDelta("T", *d) for d in deltas], cut)


def test_compiled_and_plain_kernel_agree() -> None:
    rng = np.random.default_rng(7)
    n = 400
    arrays = (
        rng.integers(0, 2, n).astype(np.int8),
        rng.integers(-1, 12, n).astype(np.int32),
        rng.integers(-2, 6, n).astype(np.int64),
        rng.integers(-1, 3, n).astype(np.int64),
    )
    for start in range(0, n, 4):
        part = [a[start:] for a in arrays]
        outcomes = []
        for kernel in (_apply, _apply_compiled):
            sizes, state = np.zeros((2, 10), np.int64), np.array([-1, -1, NO_TIME], np.int64)
            seen = np.full((2, n - start), -9, np.int32)
            code = kernel(sizes, state, *part, seen)
            outcomes.append((tuple(code), sizes.tolist(), state.tolist(), seen.tolist()))
        assert outcomes[0] == outcomes[1]
    assert _top_after(np.array([1, 0, 0]), 2, 2) == 0


def test_batch_book_before_a_snapshot_refuses() -> None:
    book = BatchBook(price_grid(LINEAR_CENT))
    assert book.unquotable_reason == NO_SNAPSHOT
    assert book.levels(Side.BID) == []
    with pytest.raises(DataCorrupt):
        book.apply(DeltaBatch.of(book.grid, []))


@pytest.mark.parametrize(
    ("tick", "delta", "error"), [(99, 1, OffGridPrice), (-1, 1, OffGridPrice), (5, -1, NegativeLevel)]
)
def test_batch_names_the_bad_delta(tick: int, delta: int, error: type[DataCorrupt]) -> None:
    book = BatchBook(price_grid(LINEAR_CENT))
    book.apply_snapshot([], [])
    batch = DeltaBatch(np.array([0, 1], np.int8), np.array([3, tick], np.int32), np.array([5, delta]), np.array([1, 1]))
    with pytest.raises(error, match="delta 1 of the batch"):
        book.apply(batch)
    assert book.unquotable_reason == error.__name__


def test_batch_of_uneven_arrays_is_refused() -> None:
    book = BatchBook(price_grid(LINEAR_CENT))
    book.apply_snapshot([], [])
    uneven = DeltaBatch(np.zeros(2, np.int8), np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1, np.int64))
    with pytest.raises(BadNumber):
        book.apply(uneven)


def test_batch_from_deltas_off_the_grid_is_refused() -> None:
    with pytest.raises(OffGridPrice):
        DeltaBatch.of(price_grid(LINEAR_CENT), [BookDelta("T", Side.BID, 55, 1)])
    assert len(DeltaBatch.of(price_grid(DECI_CENT), [BookDelta("T", Side.BID, 550, 1)])) == 1
