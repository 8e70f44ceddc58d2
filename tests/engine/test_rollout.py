from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.errors import BadNumber
from apps.engine.rollout import ExecutionMode, Style, assigned_taker, style_of

SHARES = st.integers(0, 10_000)
NAMES = st.text(min_size=0, max_size=30)
MARKETS = [f"KXHIGHNY-26NOV{day:02d}-B{strike}" for day in range(1, 31) for strike in range(60, 160)]
TAKING_OF_THE_FIRST_TWELVE = [
    "KXHIGHNY-26NOV01-B60",
    "KXHIGHNY-26NOV01-B61",
    "KXHIGHNY-26NOV01-B64",
    "KXHIGHNY-26NOV01-B70",
]


@given(NAMES, NAMES, SHARES, SHARES)
@settings(max_examples=200)
def test_raising_the_share_only_adds_markets(salt: str, ticker: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert assigned_taker(salt, ticker, high) or not assigned_taker(salt, ticker, low)


@given(NAMES, NAMES)
def test_share_zero_takes_nowhere_and_the_full_share_everywhere(salt: str, ticker: str) -> None:
    assert not assigned_taker(salt, ticker, 0)
    assert assigned_taker(salt, ticker, 10_000)


@pytest.mark.parametrize("share_bps", [500, 2_000, 5_000, 8_000])
def test_the_share_of_markets_is_the_share_asked_for(share_bps: int) -> None:
    """3,000 markets: within four standard deviations of the binomial."""
    taking = sum(assigned_taker("main:maker_inside", ticker, share_bps) for ticker in MARKETS)
    share = share_bps / 10_000
    assert abs(taking - share * len(MARKETS)) <= 4 * (len(MARKETS) * share * (1 - share)) ** 0.5


def test_every_tenth_of_the_scale_holds_a_tenth_of_the_markets() -> None:
    below = [sum(assigned_taker("s", ticker, share) for ticker in MARKETS) for share in range(0, 10_001, 1_000)]
    for fewer, more in pairwise(below):
        assert 235 <= more - fewer <= 365


def test_another_salt_deals_the_markets_anew() -> None:
    same = sum(assigned_taker("a", t, 5_000) == assigned_taker("b", t, 5_000) for t in MARKETS)
    assert 1_390 <= same <= 1_610


def test_salt_and_ticker_do_not_run_into_each_other() -> None:
    assert any(assigned_taker("a:", t, share) != assigned_taker("a", ":" + t, share)
               for t in MARKETS[:20] for share in (2_500, 5_000, 7_500))  # fmt: skip


def test_assignments_never_change_between_releases() -> None:
    taking = [t for t in MARKETS[:12] if assigned_taker("main:maker_inside", t, 2_000)]
    assert taking == TAKING_OF_THE_FIRST_TWELVE


@pytest.mark.parametrize("share", [-1, 10_001, True, 2_000.0, float("nan"), None, "2000"])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(BadNumber, match="basis points"):
        assigned_taker("s", "M", share)


@given(NAMES, NAMES, SHARES)
def test_only_hybrid_looks_at_the_assignment(salt: str, ticker: str, share: int) -> None:
    assert style_of(ExecutionMode.MAKER, salt, ticker, share) is Style.MAKER
    assert style_of(ExecutionMode.SNIPER, salt, ticker, share) is Style.TAKER
    taking = style_of(ExecutionMode.HYBRID, salt, ticker, share) is Style.TAKER
    assert taking == assigned_taker(salt, ticker, share)
