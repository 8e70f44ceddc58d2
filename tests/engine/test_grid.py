"""Price grids from the exchange's ranges."""

from __future__ import annotations

import pytest

from apps.engine.errors import BadNumber, OffGridPrice
from apps.engine.grid import CENTI_CENT, DECI_CENT, LINEAR_CENT, TAPERED_DECI_CENT, PriceRange, price_grid


@pytest.mark.parametrize(
    ("ranges", "count"), [(LINEAR_CENT, 99), (DECI_CENT, 999), (CENTI_CENT, 9999), (TAPERED_DECI_CENT, 279)]
)
def test_prices_stand_strictly_inside_zero_and_one(ranges: tuple[PriceRange, ...], count: int) -> None:
    grid = price_grid(ranges)
    assert len(grid) == count
    assert 0 not in grid
    assert 10_000 not in grid
    assert list(grid.prices) == sorted(set(grid.prices))


def test_steps_follow_the_taper() -> None:
    grid = price_grid(TAPERED_DECI_CENT)
    assert (grid.up(990), grid.up(1000), grid.down(1000)) == (1000, 1100, 990)
    assert (grid.up(9000), grid.down(9000)) == (9010, 8900)
    assert (grid.up(9990), grid.down(10)) == (None, None)
    assert grid.ticks_between(990, 1100) == 2
    assert 1010 not in grid


@pytest.mark.parametrize("price", [-1, 0, 10_000, 10_001, 5650])
def test_off_grid_price_has_no_tick(price: int) -> None:
    grid = price_grid(LINEAR_CENT)
    assert price not in grid
    with pytest.raises(OffGridPrice):
        grid.index(price)


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        (PriceRange(0, 10_000, 0),),
        (PriceRange(0, 10_000, -1),),
        (PriceRange(-1, 10_000, 100),),
        (PriceRange(0, 10_001, 100),),
        (PriceRange(500, 400, 100),),
        (PriceRange(0, 0, 100),),
    ],
)
def test_bad_ranges_are_refused(ranges: tuple[PriceRange, ...]) -> None:
    with pytest.raises(BadNumber):
        price_grid(ranges)


def test_same_ranges_share_one_grid() -> None:
    assert price_grid(LINEAR_CENT) is price_grid(list(LINEAR_CENT))
