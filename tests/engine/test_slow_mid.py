"""The slow middle: known only once it has seen enough, slow to follow, forgotten with the book."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.slow_mid import SlowMid
from apps.engine.types import Price

SPAN = 30_000


def level(price: Price) -> tuple[int, int]:
    return price, 100


def seen(mid: SlowMid, bid: Price, ask: Price, now_ms: int) -> Price | None:
    return mid.observe(level(bid), level(ask), now_ms, SPAN)


def test_it_is_unknown_until_it_covers_its_span() -> None:
    mid = SlowMid()
    assert [seen(mid, 5600, 6000, at) for at in (0, 15_000, 29_999)] == [None, None, None]
    assert seen(mid, 5600, 6000, 30_000) == 5800


def test_a_sudden_price_is_not_in_it_until_it_has_stood() -> None:
    mid = SlowMid()
    for at in range(0, 60_001, 1_000):
        seen(mid, 5600, 6000, at)
    assert seen(mid, 5000, 5200, 60_001) == 5800
    assert seen(mid, 5000, 5200, 90_001) == 5450
    for at in range(91_000, 400_000, 1_000):
        last = seen(mid, 5000, 5200, at)
    assert last == 5100


def test_a_price_weighs_for_as_long_as_it_stood() -> None:
    brief, long = SlowMid(), SlowMid()
    for mid in (brief, long):
        seen(mid, 5600, 6000, 0)
        seen(mid, 5000, 5400, 30_000)
    assert (seen(brief, 5600, 6000, 30_100), seen(long, 5600, 6000, 45_000)) == (5798, 5600)


def test_without_both_sides_it_starts_again() -> None:
    for bid, ask in ((None, level(6000)), (level(5600), None), (None, None)):
        mid = SlowMid()
        seen(mid, 5600, 6000, 0)
        assert seen(mid, 5600, 6000, 30_000) == 5800
        assert mid.observe(bid, ask, 30_100, SPAN) is None
        assert seen(mid, 5600, 6000, 30_200) is None
        assert seen(mid, 5600, 6000, 60_200) == 5800


def test_a_clock_that_goes_back_starts_it_again() -> None:
    mid = SlowMid()
    seen(mid, 5600, 6000, 100_000)
    assert seen(mid, 5600, 6000, 130_000) == 5800
    assert seen(mid, 5600, 6000, 129_999) is None
    assert seen(mid, 5600, 6000, 150_000) is None
    assert seen(mid, 5600, 6000, 180_000) == 5800


@given(st.lists(st.tuples(st.integers(1, 9_998), st.integers(0, 120_000)), min_size=1, max_size=30))
@settings(max_examples=100)
def test_it_never_leaves_the_prices_it_has_seen(path: list[tuple[Price, int]]) -> None:
    mid, at, middles = SlowMid(), 0, []
    for bid, wait_ms in path:
        at += wait_ms
        value = seen(mid, bid, bid + 1, at)
        middles.append(bid)
        assert value is None or min(middles) <= value <= max(middles) + 1
