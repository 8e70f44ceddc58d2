"""The gate as the session asks it: across markets, with what rests, is held and was allowed a moment ago."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.engine.booksets import BookSet
from apps.engine.exposure import NodeKey, NodeLevel
from apps.engine.grid import LINEAR_CENT, price_grid
from apps.engine.limits import Limit, LimitRule, RiskDecision, RiskLimits, TradingState
from apps.engine.orders import OrderEventKind, Terms, TrackedOrder
from apps.engine.portfolio import Portfolio, Position
from apps.engine.types import MONEY_SCALE, BookSnapshot, Fill, OrderIntent, Side
from apps.trading.execution.blotter import Blotter, WorkingOrder
from apps.trading.execution.context import MarketDesk, SessionContext, Shown
from apps.trading.execution.gate import Gate
from apps.trading.execution.risk_view import RiskBook
from tests.fakes.clock import FakeClock

DOLLAR = MONEY_SCALE
ROOT = NodeKey(NodeLevel.GLOBAL, "")
ENVIRONMENT = NodeKey(NodeLevel.ENVIRONMENT, "simulated")
ACCOUNT = NodeKey(NodeLevel.ACCOUNT, "main")
THEME = NodeKey(NodeLevel.THEME, "crypto")
WIDE = (
    Limit(LimitRule.MIN_PRICE, ACCOUNT, 100),
    Limit(LimitRule.MAX_PRICE, ACCOUNT, 9_900),
    Limit(LimitRule.MAX_ORDER_DOLLARS, ACCOUNT, 500 * DOLLAR),
    Limit(LimitRule.MAX_CONTRACTS_PER_MARKET, ACCOUNT, 10_000),
    Limit(LimitRule.MAX_TOTAL_EXPOSURE, ACCOUNT, 10_000 * DOLLAR),
)
GRID = price_grid(LINEAR_CENT)


class Stage:
    """A risk book over a real blotter, portfolio and book set; desks hold only what the gate reads."""

    def __init__(self, *limits: Limit, cash: int = 1_000 * DOLLAR, positions: tuple[Position, ...] = ()) -> None:
        self.clock = FakeClock()
        self.limits = RiskLimits((*WIDE, *limits))
        gate = Gate(self.clock, state=TradingState.ACTIVE)
        books = BookSet(lambda ticker: GRID)
        self.context = SessionContext(
            account=cast(Any, SimpleNamespace(name="main", environment="simulated")),
            session=cast(Any, None),
            clock=self.clock,
            venue=cast(Any, None),
            journal=cast(Any, None),
            gate=gate,
            books=books,
            portfolio=Portfolio(cash, positions),
            blotter=Blotter(),
        )
        self.risk = RiskBook(self.context)

    def desk(self, ticker: str = "KXA", *, restrictions: tuple[str, ...] = (), theme: bool = True) -> MarketDesk:
        themes = (THEME,) if theme else ()
        path = (ROOT, ENVIRONMENT, ACCOUNT, *themes, NodeKey(NodeLevel.MARKET, ticker))
        limits = RiskLimits(tuple(limit for limit in self.limits.limits if limit.node in path))
        armed = SimpleNamespace(
            ticker=ticker, path=path, limits=limits, restrictions=restrictions, state=TradingState.ACTIVE
        )
        return self.context.desks.setdefault(ticker, MarketDesk(cast(Any, armed), cast(Any, None)))

    def book(self, ticker: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.seq = getattr(self, "seq", 0) + 1
        self.context.books.on_snapshot(1, self.seq, BookSnapshot(ticker, tuple(bids), tuple(asks)))

    def judge(self, desk: MarketDesk, side: Side = Side.BID, price: int = 5000, quantity: int = 1000) -> RiskDecision:
        return self.risk.judge(desk, OrderIntent("c", desk.ticker, side, price, quantity))

    def rest(self, desk: MarketDesk, side: Side = Side.BID, price: int = 5000, quantity: int = 1000) -> WorkingOrder:
        number = len(list(self.context.blotter))
        tracked = TrackedOrder.of(OrderIntent(f"c{number}", desk.ticker, side, price, quantity))
        tracked.apply(OrderEventKind.SUBMIT)
        order = WorkingOrder(tracked, 1, None, self.clock.now_ms(), "")
        self.context.blotter.add(order)
        return order


def test_orders_in_one_market_count_against_the_theme_of_another() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 9 * DOLLAR))
    one, other, third = stage.desk("KXA"), stage.desk("KXB"), stage.desk("KXC", theme=False)
    assert stage.judge(one).allowed
    stage.rest(one)
    refused = stage.judge(other)
    assert (refused.allowed, refused.rule, refused.node) == (False, LimitRule.MAX_TOTAL_EXPOSURE, THEME)
    assert (refused.observed, refused.limit) == (10 * DOLLAR, 9 * DOLLAR)
    assert stage.judge(other, quantity=800).allowed
    assert stage.judge(third).allowed


def test_orders_allowed_in_the_same_moment_all_count() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 14 * DOLLAR))
    for ticker in ("KXA", "KXB"):
        desk = stage.desk(ticker)
        assert stage.judge(desk).allowed
        stage.rest(desk)
    assert not stage.judge(stage.desk("KXC")).allowed


def test_what_ended_is_free_again_within_a_second() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 9 * DOLLAR))
    one, other = stage.desk("KXA"), stage.desk("KXB")
    assert stage.judge(one).allowed
    order = stage.rest(one)
    assert not stage.judge(other).allowed
    stage.context.blotter.discard(order)
    stage.clock.advance(1.0)
    assert stage.judge(other).allowed


def test_the_rate_counts_every_allowed_order_for_a_minute() -> None:
    stage = Stage(Limit(LimitRule.MAX_ORDERS_PER_MINUTE, ACCOUNT, 3))
    desks = [stage.desk(ticker) for ticker in ("KXA", "KXB")]
    assert [stage.judge(desks[n % 2], quantity=10).allowed for n in range(4)] == [True, True, True, False]
    stage.clock.advance(59.9)
    assert stage.judge(desks[0], quantity=10).rule is LimitRule.MAX_ORDERS_PER_MINUTE
    stage.clock.advance(0.1)
    assert stage.judge(desks[0], quantity=10).allowed


def test_a_position_counts_wherever_it_is_held() -> None:
    held = Position("KXOLD", 1000, 6 * DOLLAR)
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 10 * DOLLAR), positions=(held,))
    desk = stage.desk()
    assert stage.judge(desk).allowed
    assert stage.risk.tree.use(ACCOUNT, 0).dollars == 6 * DOLLAR
    path = (ROOT, ENVIRONMENT, ACCOUNT, THEME, NodeKey(NodeLevel.MARKET, "KXOLD"))
    stage.risk.know_paths({"KXOLD": path})
    refused = stage.judge(desk)
    assert (refused.rule, refused.node, refused.observed) == (LimitRule.MAX_TOTAL_EXPOSURE, THEME, 11 * DOLLAR)


def test_closing_what_is_held_passes_a_full_theme() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 1), positions=(Position("KXA", 1000, 6 * DOLLAR),))
    desk = stage.desk()
    assert stage.judge(desk, Side.ASK, 6000, 1000).allowed
    stage.rest(desk, Side.ASK, 6000, 1000)
    assert not stage.judge(desk, Side.ASK, 6500, 1).allowed
    assert [(b.node, b.observed) for b in stage.risk.breaches()] == [(THEME, 6 * DOLLAR)]


def test_a_position_above_what_a_market_may_hold_is_a_breach() -> None:
    stage = Stage(positions=(Position("KXA", -10_001, DOLLAR),))
    stage.desk()
    assert [(str(b.node), b.rule, b.observed, b.limit) for b in stage.risk.breaches()] == [
        ("market KXA", LimitRule.MAX_CONTRACTS_PER_MARKET, 10_001, 10_000)
    ]


def test_no_order_meets_our_own_on_the_other_side() -> None:
    stage = Stage()
    desk = stage.desk()
    stage.rest(desk, Side.ASK, 5500, 100)
    assert stage.judge(desk, Side.BID, 5400, 100).allowed
    assert stage.judge(desk, Side.BID, 5500, 100).rule is LimitRule.SELF_TRADE
    assert stage.judge(stage.desk("KXB"), Side.BID, 5500, 100).allowed


def test_an_order_under_amendment_counts_at_the_worse_of_both() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 10 * DOLLAR))
    desk = stage.desk()
    order = stage.rest(desk, Side.ASK, 6000, 1000)
    order.tracked.amending = Terms(5500, 1500, None)
    assert stage.judge(desk, Side.BID, 5500, 10).rule is LimitRule.SELF_TRADE
    stage.judge(desk, Side.BID, 100, 1)
    assert stage.risk.tree.use(THEME, 0).dollars == 4_500 * 1_500


def test_a_restricted_market_takes_no_order() -> None:
    stage = Stage()
    refused = stage.judge(stage.desk(restrictions=("alice: insider",)))
    assert refused.rule is LimitRule.RESTRICTED
    assert "alice: insider" in refused.reason


@pytest.mark.parametrize(
    ("side", "price", "quantity", "allowed"),
    [
        # rests: half of what others show on its side, 30 bids less our own 10
        (Side.BID, 5500, 1000, True),
        (Side.BID, 5500, 1001, False),
        # takes: half of what they offer
        (Side.BID, 6000, 500, True),
        (Side.BID, 6000, 501, False),
        (Side.ASK, 5900, 500, True),
        (Side.ASK, 5900, 501, False),
        (Side.ASK, 5600, 1001, False),
    ],
)
def test_an_order_is_a_share_of_what_others_show(side: Side, price: int, quantity: int, allowed: bool) -> None:
    stage = Stage(Limit(LimitRule.MAX_DEPTH_SHARE, ACCOUNT, 500_000))
    desk = stage.desk()
    stage.book("KXA", [(5600, 2000), (5500, 1000)], [(6000, 1000)])
    desk.shown["own", 5600] = Shown(Side.BID, 5600, 1000)
    assert stage.judge(desk, side, price, quantity).allowed is allowed


def test_without_a_book_there_is_no_share_of_it() -> None:
    stage = Stage(Limit(LimitRule.MAX_DEPTH_SHARE, ACCOUNT, 10**6))
    refused = stage.judge(stage.desk())
    assert (refused.rule, refused.node) == (LimitRule.INPUT_MISSING, ACCOUNT)


def test_shares_of_nav_use_the_least_the_account_is_worth() -> None:
    positions = (Position("KXA", 1000, 6 * DOLLAR), Position("KXB", -1000, 4 * DOLLAR), Position("KXC", 1000, DOLLAR))
    stage = Stage(Limit(LimitRule.MAX_NAV_SHARE, THEME, 100_000), cash=90 * DOLLAR, positions=positions)
    stage.book("KXA", [(5500, 100)], [(6500, 100)])
    stage.book("KXB", [(5500, 100)], [(6000, 100)])
    desk = stage.desk("KXD")
    # 90 cash, 10 sold at 0.55, 10 bought back at 0.60, nothing for the one without a book
    assert stage.judge(desk, quantity=1990).allowed
    assert stage.risk.nav_floor == 90 * DOLLAR + 5_500_000 + 4_000_000
    refused = stage.judge(desk, quantity=1991)
    assert (refused.rule, refused.node, refused.limit) == (LimitRule.MAX_NAV_SHARE, THEME, 100_000)


def test_a_large_order_is_cut_to_what_is_left() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 9 * DOLLAR))
    desk = stage.desk()
    fitted = stage.risk.fit(desk, OrderIntent("c", "KXA", Side.BID, 5000, 5000))
    assert fitted is not None
    assert fitted.quantity == 1800
    assert stage.risk.judge(desk, fitted).allowed
    assert stage.risk.fit(desk, OrderIntent("c", "KXA", Side.BID, 9950, 10)) is None


def test_a_fill_moves_use_from_the_order_to_the_position() -> None:
    stage = Stage(Limit(LimitRule.MAX_TOTAL_EXPOSURE, THEME, 5 * DOLLAR))
    desk = stage.desk()
    assert stage.judge(desk).allowed
    order = stage.rest(desk)
    fill = Fill("t", "o", "KXA", Side.BID, 5000, 1000, 0, False, 0, order.client_order_id)
    stage.context.portfolio.apply_fill(fill)
    order.tracked.apply_fill(fill)
    stage.context.blotter.touch(order)
    assert stage.risk.breaches() == []
    assert stage.risk.tree.use(THEME, 0)[1:3] == (5 * DOLLAR, 1000)
    assert not stage.judge(desk, price=100, quantity=1).allowed


def test_markets_that_are_over_leave_the_tree() -> None:
    stage = Stage()
    stage.judge(stage.desk("KXA"), quantity=10)
    del stage.context.desks["KXA"]
    stage.clock.advance(1)
    stage.judge(stage.desk("KXB"), quantity=10)
    assert stage.risk.tree.tickers() == {"KXB"}
    assert stage.risk.tree.use(ACCOUNT, stage.clock.now_ms()).orders == 2


def test_closed_or_unread_state_denies() -> None:
    stage = Stage()
    desk = stage.desk()
    stage.context.gate.state = TradingState.HALTED
    assert stage.judge(desk).rule is LimitRule.TRADING_STATE
    stage.context.gate.state = TradingState.REDUCING
    assert stage.judge(desk).rule is LimitRule.REDUCING_ONLY
