"""Positions and cash: the exchange's conventions, and nothing ever lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.errors import BadNumber, InvariantBroken
from apps.engine.portfolio import Portfolio, Position, worst_case_cost
from apps.engine.types import MONEY_SCALE, ONE_DOLLAR, Fill, Side

CASH = 1000 * MONEY_SCALE


def fill(trade_id: str, side: Side, price: int, quantity: int, fee: int = 0, ticker: str = "A") -> Fill:
    return Fill(trade_id, "o", ticker, side, price, quantity, fee, True, 1)


def portfolio(*fills: tuple[Side, int, int]) -> Portfolio:
    made = Portfolio(CASH)
    for number, (side, price, quantity) in enumerate(fills):
        assert made.apply_fill(fill(f"t{number}", side, price, quantity))
    return made


def test_recorded_demo_account() -> None:
    """As recorded: 1 @ 0.52 and 2 x 1 @ 0.99, fees 0.0189; cost 2.50 without them, cash pays both at once."""
    made = Portfolio(100 * MONEY_SCALE)
    for trade_id, price, fee in (("a", 9900, 700), ("b", 9900, 700), ("c", 5200, 17_500)):
        made.apply_fill(fill(trade_id, Side.BID, price, 100, fee))
    position = made.position("A")
    assert (position.quantity, position.cost, position.fees) == (300, 2_500_000, 18_900)
    assert made.cash == 100 * MONEY_SCALE - 2_500_000 - 18_900
    assert made.exposure().total == 2_500_000


@pytest.mark.parametrize(
    ("side", "price", "quantity", "cost"),
    [(Side.BID, 3000, 100, 300_000), (Side.ASK, 3000, 100, 700_000), (Side.ASK, 9990, 50, 500)],
)
def test_opening_costs_p_or_one_minus_p(side: Side, price: int, quantity: int, cost: int) -> None:
    made = portfolio((side, price, quantity))
    position = made.position("A")
    assert (position.quantity, position.cost) == (side.sign * quantity, cost)
    assert made.cash == CASH - cost


@pytest.mark.parametrize(
    ("fills", "quantity", "cost", "realized", "cash_change"),
    [
        # long 1 @ 0.40 sold at 0.55
        ([(Side.BID, 4000, 100), (Side.ASK, 5500, 100)], 0, 0, 150_000, 150_000),
        # short 1 @ 0.40 (NO for 0.60) closed at 0.55: the pair returns a dollar
        ([(Side.ASK, 4000, 100), (Side.BID, 5500, 100)], 0, 0, -150_000, -150_000),
        # through zero: 1 long @ 0.40, sell 3 @ 0.50 leaves 2 NO at 0.50 each
        ([(Side.BID, 4000, 100), (Side.ASK, 5000, 300)], -200, 1_000_000, 100_000, -900_000),
        # average cost: 1 @ 0.40 and 3 @ 0.60, half sold at 0.70
        (
            [(Side.BID, 4000, 100), (Side.BID, 6000, 300), (Side.ASK, 7000, 200)],
            200,
            1_100_000,
            300_000,
            -800_000,
        ),
    ],
)
def test_netting(fills: list[tuple[Side, int, int]], quantity: int, cost: int, realized: int, cash_change: int) -> None:
    made = portfolio(*fills)
    position = made.position("A")
    assert (position.quantity, position.cost, position.realized_pnl) == (quantity, cost, realized)
    assert made.cash - CASH == cash_change


def test_cost_that_does_not_divide_stays_with_the_open_part() -> None:
    made = portfolio((Side.BID, 1, 1), (Side.BID, 2, 2), (Side.ASK, 5, 1), (Side.ASK, 5, 1))
    position = made.position("A")
    assert (position.cost, position.realized_pnl) == (2, 7)
    made.apply_fill(fill("last", Side.ASK, 5, 1))
    assert (position.cost, position.realized_pnl) == (0, 10)


@pytest.mark.parametrize(
    ("side", "value", "proceeds", "realized"),
    [
        (Side.BID, ONE_DOLLAR, 1_000_000, 700_000),
        (Side.BID, 0, 0, -300_000),
        (Side.ASK, ONE_DOLLAR, 0, -700_000),
        (Side.ASK, 0, 1_000_000, 300_000),
        (Side.BID, 5970, 597_000, 297_000),
        (Side.ASK, 5970, 403_000, -297_000),
    ],
)
def test_settlement(side: Side, value: int, proceeds: int, realized: int) -> None:
    made = portfolio((side, 3000, 100))
    before = made.cash
    assert made.settle("A", value, fee=10) == proceeds
    position = made.position("A")
    assert (position.quantity, position.cost, position.realized_pnl, position.fees) == (0, 0, realized, 10)
    assert made.cash == before + proceeds - 10
    assert made.settle("A", value, fee=10) == 0
    assert made.cash == before + proceeds - 10
    with pytest.raises(InvariantBroken):
        made.settle("A", 1)


def test_fill_after_settlement_is_counted_and_settled() -> None:
    made = portfolio((Side.BID, 3000, 100))
    assert not made.is_settled("A")
    made.settle("A", ONE_DOLLAR)
    assert made.is_settled("A")
    cash = made.cash
    assert made.apply_fill(fill("late", Side.BID, 3000, 100, fee=7))
    assert made.cash == cash + 700_000 - 7
    assert made.position("A").quantity == 0


def test_fill_counts_once() -> None:
    made = portfolio((Side.BID, 3000, 100))
    cash = made.cash
    assert not made.apply_fill(fill("t0", Side.BID, 3000, 100))
    assert made.cash == cash
    again = Portfolio(cash, made.positions.values(), ["t0"], {"B": 0})
    assert not again.apply_fill(fill("t0", Side.BID, 3000, 100))
    assert again.apply_fill(fill("t1", Side.BID, 3000, 100, ticker="B"))
    assert again.position("B").realized_pnl == -300_000


@pytest.mark.parametrize(
    ("price", "quantity", "fee"),
    [(-1, 100, 0), (10_001, 100, 0), (5000, 0, 0), (5000, -1, 0), (0.5, 100, 0), (5000, 1.5, 0), (5000, 1, 0.1)],
)
def test_bad_fill_changes_nothing(price: int, quantity: int, fee: int) -> None:
    made = portfolio((Side.BID, 3000, 100))
    before = (made.cash, made.position("A").cost)
    with pytest.raises(BadNumber):
        made.apply_fill(fill("bad", Side.BID, price, quantity, fee))
    assert (made.cash, made.position("A").cost) == before
    assert made.apply_fill(fill("bad", Side.BID, 3000, 100))


def test_unknown_market_is_flat_and_exposure_names_open_ones_only() -> None:
    made = portfolio((Side.BID, 3000, 100), (Side.ASK, 4000, 100))
    made.apply_fill(fill("b", Side.ASK, 2000, 100, ticker="B"))
    assert made.position("Z") == Position("Z")
    assert "Z" not in made.positions
    assert dict(made.exposure().by_market) == {"B": 800_000}
    assert made.exposure().total == 800_000


@pytest.mark.parametrize(
    ("side", "mark", "unrealized"),
    [(Side.BID, 5000, 200_000), (Side.ASK, 5000, -200_000), (Side.BID, 3000, 0), (Side.ASK, 0, 300_000)],
)
def test_unrealized_pnl_at_a_mark(side: Side, mark: int, unrealized: int) -> None:
    position = portfolio((side, 3000, 100)).position("A")
    assert position.unrealized_pnl(mark) == unrealized
    with pytest.raises(BadNumber):
        position.unrealized_pnl(10_001)


@pytest.mark.parametrize(
    ("side", "quantity", "position", "cost"),
    [
        (Side.BID, 100, 0, 300_000),
        (Side.ASK, 100, 0, 700_000),
        (Side.BID, 100, 50, 300_000),
        (Side.BID, 100, -100, 0),
        (Side.BID, 100, -40, 180_000),
        (Side.ASK, 100, 40, 420_000),
        (Side.ASK, 100, 1000, 0),
    ],
)
def test_worst_case_of_an_order(side: Side, quantity: int, position: int, cost: int) -> None:
    assert worst_case_cost(side, 3000, quantity, position) == cost


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.sampled_from(list(Side)),
        st.integers(0, ONE_DOLLAR),
        st.integers(1, 5000),
        st.integers(0, 2000),
    ),
    max_size=25,
)


@given(FILLS, st.integers(0, ONE_DOLLAR))
def test_cash_and_contracts_are_conserved(fills: list[tuple[str, Side, int, int, int]], value: int) -> None:
    made = Portfolio(CASH)
    contracts = {"A": 0, "B": 0}
    for number, (ticker, side, price, quantity, fee) in enumerate(fills):
        before = (made.cash, made.position(ticker).quantity, made.position(ticker).cost)
        made.apply_fill(fill(str(number), side, price, quantity, fee, ticker))
        contracts[ticker] += side.sign * quantity
        position = made.position(ticker)
        assert position.quantity == contracts[ticker]
        assert position.cost >= 0
        assert bool(position.cost) <= bool(position.quantity)
        assert made.cash_put_in == CASH
        worst = worst_case_cost(side, price, quantity, before[1])
        assert before[0] - made.cash - fee <= worst
    made.adjust_cash(-5)
    made.settle("A", value)
    assert made.cash_put_in == CASH - 5
    assert made.position("A").cost == 0
    assert made.fees == sum(f[4] for f in fills)


@given(st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 500)), min_size=1, max_size=8))
def test_round_trip_at_the_same_prices_realizes_nothing(legs: list[tuple[int, int]]) -> None:
    made = portfolio(*[(Side.BID, p, q) for p, q in legs], *[(Side.ASK, p, q) for p, q in reversed(legs)])
    assert (made.cash, made.realized_pnl, made.position("A").quantity) == (CASH, 0, 0)
