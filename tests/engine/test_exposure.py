"""Running sums of the tree equal the sums over its markets, whatever happened in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.errors import BadNumber, InvariantBroken
from apps.engine.exposure import ExposureTree, NodeKey, NodeLevel, NodeUse, market_use
from apps.engine.limits import Limit, LimitRule, RiskLimits, breaches, check_intent, measures
from apps.engine.portfolio import Position
from apps.engine.types import Side

from .limit_setup import ACCOUNT, BASE, CATEGORY, DOLLAR, EVENT, MARKET, PATH, ROOT, THEME, VIEW, intent

OTHER = (*PATH[:5], NodeKey(NodeLevel.MARKET, "KXU"))


def tree() -> ExposureTree:
    made = ExposureTree()
    made.place("KXT", PATH)
    made.place("KXU", OTHER)
    return made


def test_a_use_counts_on_every_node_above_and_on_no_other() -> None:
    found = tree()
    found.set_use("KXT", 5 * DOLLAR, 100)
    found.set_use("KXU", 2 * DOLLAR, 30)
    found.set_use("KXT", 4 * DOLLAR, 80)
    assert [found.use(key, 0)[1:3] for key in (ROOT, CATEGORY)] == [(6 * DOLLAR, 110)] * 2
    assert [found.use(key, 0)[1:3] for key in (THEME, EVENT, MARKET)] == [(4 * DOLLAR, 80)] * 3
    assert found.use(NodeKey(NodeLevel.THEME, "elsewhere"), 0)[1:] == (0, 0, 0)
    uses = found.path_use("KXT", 0)
    assert uses is not None
    assert [use.key for use in uses] == list(PATH)


def test_orders_count_for_sixty_seconds() -> None:
    found = tree()
    for ms in (0, 1, 30_000):
        found.note_order("KXT", ms)
    found.note_order("KXU", 30_000)
    assert [found.use(key, 59_999).orders for key in (ACCOUNT, THEME)] == [4, 3]
    assert [found.use(key, 60_000).orders for key in (ACCOUNT, THEME)] == [3, 2]
    assert [found.use(key, 90_000).orders for key in (ACCOUNT, THEME)] == [0, 0]


def test_a_market_that_moves_takes_its_use_along() -> None:
    found = tree()
    found.set_use("KXT", DOLLAR, 10)
    found.place("KXT", (*PATH[:5], MARKET))
    assert [found.use(key, 0).dollars for key in (ACCOUNT, THEME, MARKET)] == [DOLLAR, 0, DOLLAR]
    assert THEME not in found.nodes()
    found.forget("KXT")
    assert found.use(ACCOUNT, 0).dollars == 0
    assert found.path_use("KXT", 0) is None


def test_rates_outlive_the_market_they_were_counted_in() -> None:
    found = tree()
    found.note_order("KXT", 0)
    found.forget("KXT")
    found.place("KXT", PATH)
    assert found.use(MARKET, 1_000).orders == 1


@pytest.mark.parametrize(
    "path",
    [
        (),
        PATH[:-1],
        (MARKET,),
        (ROOT, *PATH[3:]),
        (ACCOUNT, ROOT, MARKET),
        (ACCOUNT, THEME, THEME, MARKET),
        (*PATH[:-1], NodeKey(NodeLevel.MARKET, "KXOTHER")),
        (*PATH[:-1], NodeKey(NodeLevel.MARKET, "KXOTHER"), MARKET),
    ],
)
def test_no_leaf_without_its_parents(path: tuple[NodeKey, ...]) -> None:
    found = ExposureTree()
    with pytest.raises(InvariantBroken):
        found.place("KXT", path)
    assert not found.is_placed("KXT")
    assert found.nodes() == ()


def test_no_use_and_no_order_without_a_leaf() -> None:
    found = tree()
    with pytest.raises(InvariantBroken):
        found.set_use("KXV", 1, 1)
    with pytest.raises(InvariantBroken):
        found.note_order("KXV", 0)
    view = replace(VIEW, nodes=found.path_use("KXV", 0))
    assert check_intent(intent(), RiskLimits(BASE), view).rule is LimitRule.INPUT_MISSING


@pytest.mark.parametrize("value", [float("nan"), 1.0, None, "1", True, -1])
def test_use_that_is_no_integer_is_refused_and_changes_nothing(value: int) -> None:
    found = tree()
    found.set_use("KXT", 3, 3)
    for dollars, contracts in ((value, 1), (1, value)):
        with pytest.raises(BadNumber):
            found.set_use("KXT", dollars, contracts)
    assert found.use(ROOT, 0)[1:] == (3, 3, 0)


_CHANGES = st.tuples(st.sampled_from("ABCDE"), st.integers(0, 4), st.integers(0, 10**9), st.integers(0, 10**6))


@settings(max_examples=100)
@given(st.lists(_CHANGES, max_size=30))
def test_running_sums_are_the_sums(changes: list[tuple[str, int, int, int]]) -> None:
    found, state = ExposureTree(), {}
    for ticker, cut, dollars, contracts in changes:
        path = (*PATH[: 3 + cut], NodeKey(NodeLevel.MARKET, ticker))
        if cut == 4 and ticker in state:
            found.forget(ticker)
            del state[ticker]
            continue
        found.place(ticker, path)
        found.set_use(ticker, dollars, contracts)
        state[ticker] = (path, dollars, contracts)
    for key in {key for path, *_ in state.values() for key in path} | set(PATH):
        under = [(d, c) for path, d, c in state.values() if key in path]
        assert found.use(key, 0)[1:3] == (sum(d for d, _ in under), sum(c for _, c in under))
    assert set(found.nodes()) == {key for path, *_ in state.values() for key in path}


@pytest.mark.parametrize(
    ("position", "cost", "bids", "asks", "dollars", "contracts"),
    [
        (0, 0, [], [], 0, 0),
        (1000, 5 * DOLLAR, [], [], 5 * DOLLAR, 1000),
        # a bid and an ask from flat: either may fill alone
        (0, 0, [(5700, 500)], [(5900, 500)], 2_850_000 + 2_050_000, 500),
        # what closes risks nothing new
        (1000, 5 * DOLLAR, [], [(6000, 1000)], 5 * DOLLAR, 1000),
        (1000, 5 * DOLLAR, [], [(6000, 1500)], 7 * DOLLAR, 1000),
        (-1000, 5 * DOLLAR, [(4000, 1500)], [], 7 * DOLLAR, 1000),
        # the better-priced order closes first, the other one opens
        (1000, 5 * DOLLAR, [], [(5000, 1000), (4000, 1000)], 10 * DOLLAR, 1000),
        (-1000, 5 * DOLLAR, [(3000, 1000), (4000, 1000)], [], 8 * DOLLAR, 1000),
        (100, DOLLAR, [(5000, 400)], [], 3 * DOLLAR, 500),
    ],
)
def test_worst_case_of_one_market(
    position: int, cost: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], dollars: int, contracts: int
) -> None:
    assert market_use(position, cost, bids, asks) == (dollars, contracts)


@pytest.mark.parametrize(
    ("position", "cost", "bids"),
    [(0.0, 0, []), (0, float("nan"), []), (0, -1, []), (0, 0, [(1.0, 1)]), (0, 0, [(5000, -1)]), (0, 0, [(10_001, 1)])],
)
def test_worst_case_of_nonsense_is_an_error(position: int, cost: int, bids: list[tuple[int, int]]) -> None:
    with pytest.raises(BadNumber):
        market_use(position, cost, bids, [])


_LEVELS = st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 500)), max_size=3)


@settings(max_examples=150)
@given(st.integers(-800, 800), _LEVELS, _LEVELS, st.sampled_from(list(Side)), st.integers(1, 9999), st.integers(1, 900))
def test_an_allowed_order_leaves_no_node_above_its_limit(
    position: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], side: Side, price: int, quantity: int
) -> None:
    """What the gate foresees is never less than what the tree counts once the order stands."""
    cost = 5000 * abs(position)
    before = market_use(position, cost, bids, asks)
    found = tree()
    found.set_use("KXT", *before)
    limits = RiskLimits(
        (
            *(Limit(li.rule, li.node, 1 if li.rule is LimitRule.MIN_PRICE else 10**12) for li in BASE),
            Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, before.dollars + 2 * DOLLAR),
            Limit(LimitRule.MAX_CONTRACTS, THEME, before.contracts + 200),
        )
    )
    view = replace(
        VIEW,
        position=position,
        resting_bids=sum(q for _, q in bids),
        resting_asks=sum(q for _, q in asks),
        nodes=found.path_use("KXT", 0),
    )
    if not check_intent(intent(side, price, quantity), limits, view).allowed:
        return
    mine = [(price, quantity)]
    after = (
        market_use(position, cost, bids + mine, asks)
        if side is Side.BID
        else market_use(position, cost, bids, asks + mine)
    )
    found.set_use("KXT", *after)
    assert breaches(limits.limits, lambda key: found.use(key, 0), None) == []


@settings(max_examples=100)
@given(st.integers(-800, 800), _LEVELS, st.data())
def test_no_order_of_fills_costs_more_than_the_worst_case(
    position: int, asks: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Fills come best price first; at any point what is at risk stays within what was counted before."""
    held = Position("KXT", position, 5000 * abs(position))
    bound = market_use(held.quantity, held.cost, [], asks)
    for price, quantity in sorted(asks):
        part = data.draw(st.integers(0, quantity))
        if part:
            held.apply(Side.ASK, price, part)
        assert held.cost <= bound.dollars
        assert abs(held.quantity) <= bound.contracts
        if part < quantity:
            break


def test_breaches_name_every_node_that_is_over() -> None:
    found = tree()
    found.set_use("KXT", 10 * DOLLAR, 100)
    limits = [
        Limit(LimitRule.MAX_TOTAL_EXPOSURE, ACCOUNT, 10 * DOLLAR),
        Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 10 * DOLLAR - 1),
        Limit(LimitRule.MAX_CONTRACTS, EVENT, 99),
        Limit(LimitRule.MAX_CONTRACTS, MARKET, 100),
        Limit(LimitRule.MAX_NAV_SHARE, CATEGORY, 100_000),
        Limit(LimitRule.MAX_ORDERS_PER_MINUTE, ACCOUNT, 0),
        Limit(LimitRule.MAX_ORDER_DOLLARS, ACCOUNT, 0),
    ]

    def over(nav: int | None) -> list[tuple[NodeKey, int, int]]:
        return [(b.node, b.observed, b.limit) for b in breaches(limits, lambda key: found.use(key, 0), nav)]

    always = [(THEME, 10 * DOLLAR, 10 * DOLLAR - 1), (EVENT, 100, 99)]
    assert over(100 * DOLLAR) == always
    assert over(100 * DOLLAR - 1) == [*always, (CATEGORY, 100_001, 100_000)]
    for unknown in (None, 0):
        assert [node for node, _, _ in over(unknown)] == [THEME, EVENT, CATEGORY]
    all_of_them = measures(limits + limits, lambda key: found.use(key, 0), 100 * DOLLAR)
    assert [m.is_broken for m in all_of_them] == [False, True, True, False, False]
    empty = measures(limits, lambda key: NodeUse(key, 0, 0, 9), None)
    assert [m.observed for m in empty] == [0] * len(all_of_them)


def test_an_order_of_nothing_or_at_no_price_risks_nothing_and_is_no_error() -> None:
    assert market_use(0, 0, [(5_000, 0)], [(5_000, 0)]) == (0, 0)
    assert market_use(0, 0, [(0, 100)], [(10_000, 100)]) == (0, 100)
