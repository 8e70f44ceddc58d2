"""The ladder goes down at once and up only when the whole loss is won back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.drawdown import DrawdownLadder, DrawdownRules, DrawdownStage
from apps.engine.errors import BadNumber

MARK = 10_000_000_000
FULL, SMALL, REDUCE_ONLY, HALT = DrawdownStage


def walk(*navs: int) -> DrawdownLadder:
    ladder = DrawdownLadder(MARK)
    for nav in navs:
        ladder = ladder.after(nav)
    return ladder


@pytest.mark.parametrize(
    ("nav", "stage", "fraction"),
    [
        (MARK, FULL, 250_000),
        (9_500_000_001, SMALL, 100_000),
        (9_500_010_000, FULL, 250_000),
        (9_500_000_000, SMALL, 100_000),
        (9_000_010_000, SMALL, 100_000),
        (9_000_000_000, REDUCE_ONLY, 0),
        (8_500_010_000, REDUCE_ONLY, 0),
        (8_500_000_000, HALT, 0),
        (0, HALT, 0),
        (-1, HALT, 0),
    ],
)
def test_each_rung_at_its_edge(nav: int, stage: DrawdownStage, fraction: int) -> None:
    found = walk(nav)
    assert (found.stage, found.fraction_ppm, found.high_water) == (stage, fraction, MARK)


def test_the_loss_must_be_won_back_before_the_stake_grows() -> None:
    assert walk(9_400_000_000, 9_900_000_000).stage is SMALL
    assert walk(9_400_000_000, MARK - 1).fraction_ppm == 100_000
    assert walk(9_400_000_000, MARK).fraction_ppm == 250_000
    assert walk(9_000_000_000, 9_700_000_000).stage is REDUCE_ONLY
    assert walk(9_000_000_000, MARK).stage is FULL


def test_the_mark_follows_a_profit() -> None:
    assert walk(2 * MARK).high_water == 2 * MARK
    assert walk(2 * MARK, 2 * MARK - MARK // 10).stage is SMALL


def test_a_halt_is_left_only_by_people() -> None:
    halted = walk(8_000_000_000, 3 * MARK)
    assert (halted.stage, halted.fraction_ppm) == (HALT, 0)
    assert halted.rebase(8_000_000_000) == DrawdownLadder(8_000_000_000)


def test_money_moved_is_no_loss() -> None:
    ladder = walk(9_600_000_000).moved(-5_000_000_000)
    assert ladder.after(4_600_000_000).stage is SMALL
    assert DrawdownLadder(MARK).moved(-5_000_000_000).after(5_000_000_000).stage is FULL
    with pytest.raises(BadNumber):
        DrawdownLadder(MARK).moved(-MARK)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.0, None, "1", True])
def test_a_value_that_is_no_integer_is_an_error(value: int) -> None:
    for act in (DrawdownLadder, DrawdownLadder(MARK).after, DrawdownLadder(MARK).moved, DrawdownLadder(MARK).rebase):
        with pytest.raises(BadNumber):
            act(value)
    with pytest.raises(BadNumber):
        DrawdownRules(small_at=value)


@pytest.mark.parametrize("mark", [0, -1])
def test_a_mark_must_be_above_zero(mark: int) -> None:
    with pytest.raises(BadNumber):
        DrawdownLadder(mark)


@pytest.mark.parametrize(
    "rules", [{"small_at": 0}, {"small_at": 200_000}, {"halt_at": 1_000_001}, {"small_fraction": 300_000}]
)
def test_rungs_must_stand_in_order(rules: dict[str, int]) -> None:
    with pytest.raises(BadNumber):
        DrawdownRules(**rules)


@settings(max_examples=150)
@given(st.lists(st.integers(-MARK, 2 * MARK), max_size=20))
def test_it_never_loosens_below_the_mark(navs: list[int]) -> None:
    ladder = DrawdownLadder(MARK)
    for nav in navs:
        after = ladder.after(nav)
        if nav < ladder.high_water or ladder.stage is HALT:
            assert after.fraction_ppm <= ladder.fraction_ppm
            assert list(DrawdownStage).index(after.stage) >= list(DrawdownStage).index(ladder.stage)
        assert after.high_water >= ladder.high_water
        ladder = after


def test_the_smallest_mark_is_one() -> None:
    assert DrawdownLadder(1).after(2).high_water == 2
