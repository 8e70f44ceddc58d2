"""Parts of the switchboard alone: valuation, the trading day, what counts as a failed call, when a stop lets go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from apps.engine.exposure import NodeKey, NodeLevel
from apps.engine.limits import Breach, LimitRule, TradingState
from apps.engine.portfolio import Portfolio, Position
from apps.engine.ports import VenueStatus
from apps.engine.switches.base import Action, SwitchState, Verdict
from apps.engine.switches.catalogue import SWITCHES
from apps.engine.switches.money import DrawdownThresholds
from apps.engine.types import Fill, OrderIntent, Side
from apps.gateway.errors import (
    AuthenticationFailed,
    BudgetExhausted,
    GatewayError,
    InvalidOrder,
    OrderNotFound,
    RateLimited,
    ReplyTimeout,
)
from apps.governance.choices import Severity
from apps.risk.services import kill_switch_trip
from apps.risk.services.switches import NavRecord
from apps.trading.execution.gate import Gate
from apps.trading.execution.switch_account import AccountInputs
from apps.trading.execution.switch_actions import Actions, _reduce
from apps.trading.execution.switch_flow import StrategyFlow
from apps.trading.execution.switch_money import DayStart, Mark, NavTracker
from apps.trading.execution.switch_windows import MOST, Window
from apps.trading.execution.switchboard import look_always
from apps.trading.execution.watched_venue import WatchedVenue
from tests.fakes.clock import FakeClock

TICKER = "KXTEST-26NOV20-T50"
NOW = 1_795_176_000_000
RUNGS = DrawdownThresholds()
ACCOUNT = ("account", "main")


class Book:
    def __init__(self, bid: int | None, ask: int | None, *, is_quotable: bool = True) -> None:
        self.top, self.is_quotable = (bid and (bid, 100), ask and (ask, 100)), is_quotable

    def top_without(self, own: object) -> Any:
        return self.top


def desk(*, close_at_ms: int = NOW + 10**9, halted: str | None = None) -> Any:
    return SimpleNamespace(armed=SimpleNamespace(close_at_ms=close_at_ms), halted_by_exchange=halted, own_shown=dict)


def tracker(book: Book | None, *, quantity: int = 1_000, at: Any = None, cash: int = 94_000_000) -> NavTracker:
    """An account with $94 and ten contracts that cost $6."""
    books = SimpleNamespace(book=lambda ticker: book)
    portfolio = Portfolio(cash, [Position(TICKER, quantity, 6_000_000)])
    context: Any = SimpleNamespace(portfolio=portfolio, books=books, desks={} if at is None else {TICKER: at})
    made = NavTracker(context, DayStart())
    made.load(None, {})
    return made


@pytest.mark.parametrize(
    ("quantity", "book", "nav"),
    [
        (1_000, Book(5_000, 9_000), 99_000_000),
        (-1_000, Book(5_000, 9_000), 95_000_000),
        (1_000, Book(None, 100), 94_000_000),
        (-1_000, Book(9_900, None), 94_000_000),
    ],
    ids=["long at the bid", "short at the ask", "nobody bids", "nobody offers"],
)
def test_a_position_is_worth_what_others_would_pay_now(quantity: int, book: Book, nav: int) -> None:
    made = tracker(book, quantity=quantity, at=desk())
    made.update(RUNGS, NOW)
    assert (made.nav, made.at_ms) == (nav, NOW)


@pytest.mark.parametrize("book", [None, Book(5_000, 9_000, is_quotable=False)], ids=["no book", "a book in doubt"])
def test_without_any_price_nothing_is_known(book: Book | None) -> None:
    made = tracker(book, at=desk())
    made.update(RUNGS, NOW)
    assert (made.nav, made.at_ms) == (None, None)
    for key, inputs in (("K1", made.daily_loss()), ("K4", made.drawdown()), ("K14", made.floor())):
        assert SWITCHES[key].evaluate(inputs, NOW).state is SwitchState.NO_INPUT


def test_the_last_price_of_a_book_in_doubt_grows_old_and_then_blocks() -> None:
    book = Book(5_000, 9_000)
    made = tracker(book, at=desk())
    made.update(RUNGS, NOW)
    book.is_quotable = False
    made.update(RUNGS, NOW + 60_000)
    assert SWITCHES["K1"].evaluate(made.daily_loss(), NOW + 60_000).state is SwitchState.OK
    made.update(RUNGS, NOW + 60_001)
    assert SWITCHES["K1"].evaluate(made.daily_loss(), NOW + 60_001).state is SwitchState.NO_INPUT


@pytest.mark.parametrize("at", [None, desk(close_at_ms=NOW), desk(halted="halted by the exchange")])
def test_a_closed_market_keeps_its_last_price_until_it_settles(at: Any) -> None:
    made = tracker(Book(None, None), at=at)
    made.load(None, {TICKER: Mark(7_000, 7_500, NOW - 10**9)})
    made.update(RUNGS, NOW)
    assert (made.nav, made.at_ms) == (101_000_000, NOW)


def test_a_position_of_a_market_that_closed_before_its_first_look_is_worth_what_was_paid() -> None:
    nav = tracker(None, at=desk(close_at_ms=NOW - 1))
    nav.note_fill(Fill("t-1", "o-1", TICKER, Side.BID, 6_000, 1_000, 0, False, NOW - 500))
    nav.update(RUNGS, NOW)
    assert (nav.nav, nav.at_ms) == (100_000_000, NOW)


def test_an_empty_book_says_nothing_about_a_price_known_before() -> None:
    book = Book(5_000, 9_000)
    made = tracker(book, at=desk())
    made.update(RUNGS, NOW)
    book.top = (None, None)
    made.update(RUNGS, NOW + 1_000)
    assert (made.nav, made.at_ms) == (99_000_000, NOW + 1_000)


def test_nothing_is_valued_before_the_past_is_known() -> None:
    made = tracker(Book(5_000, 9_000), at=desk())
    made._is_loaded = False
    made.update(RUNGS, NOW)
    assert made.nav is None
    assert made.due_record(NOW) is None


def test_the_day_opens_with_the_last_value_of_the_day_before() -> None:
    made = tracker(Book(5_000, 9_000), at=desk())
    before = NavRecord(date(2026, 11, 18), 1, 0, 120_000_000, "small", 110_000_000, 100_000_000)
    made.load(before, {})
    made.update(RUNGS, NOW)
    loss = made.daily_loss()
    assert (loss.opening_nav, loss.put_in, loss.nav) == (110_000_000, 0, 99_000_000)
    assert made.drawdown().high_water == 120_000_000
    record = made.due_record(NOW)
    assert record is not None
    assert (record.day, record.stage) == (date(2026, 11, 20), "halt")
    assert made.due_record(NOW + 9_999) is None
    assert made.due_record(NOW + 10_000) == record


def test_money_put_in_while_no_session_ran_is_no_profit() -> None:
    made = tracker(Book(5_000, 9_000), at=desk(), cash=1_094_000_000)
    before = NavRecord(date(2026, 11, 18), 1, 0, 100_000_000, "full", 100_000_000, 100_000_000)
    made.load(before, {})
    made.update(RUNGS, NOW)
    assert made.daily_loss().put_in == 1_000_000_000
    assert SWITCHES["K1"].evaluate(made.daily_loss(), NOW).value == "1.00 %"
    assert made.drawdown().high_water == 1_100_000_000


def test_people_who_resume_measure_a_draw_down_afresh() -> None:
    made = tracker(Book(5_000, 9_000), at=desk())
    made.load(NavRecord(date(2026, 11, 20), 1, 0, 200_000_000, "halt", 99_000_000, 100_000_000), {})
    made.update(RUNGS, NOW)
    assert SWITCHES["K4"].evaluate(made.drawdown(), NOW).action is Action.HALT
    made.rebase()
    assert SWITCHES["K4"].evaluate(made.drawdown(), NOW).state is SwitchState.OK


@pytest.mark.parametrize("stage", ["cellar", ""])
def test_a_stored_rung_nobody_knows_is_the_strictest(stage: str) -> None:
    made = tracker(Book(5_000, 9_000), at=desk())
    made.load(NavRecord(date(2026, 11, 20), 1, 0, 100_000_000, stage, 99_000_000, 100_000_000), {})
    assert made.drawdown().stage == "halt"


def test_rungs_out_of_order_keep_the_peak_and_halt() -> None:
    made = tracker(Book(5_000, 9_000), at=desk())
    made.load(NavRecord(date(2026, 11, 20), 1, 0, 200_000_000, "full", 99_000_000, 100_000_000), {})
    wrong = replace(RUNGS, scale_bps=9_000)
    made.update(wrong, NOW)
    assert made.drawdown().high_water == 200_000_000
    assert SWITCHES["K4"].evaluate(made.drawdown(), NOW, wrong).action is Action.HALT


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 8, 4, 59, tzinfo=UTC), date(2026, 3, 7)),
        (datetime(2026, 3, 8, 5, 0, tzinfo=UTC), date(2026, 3, 8)),
        (datetime(2026, 3, 9, 3, 59, tzinfo=UTC), date(2026, 3, 8)),
        (datetime(2026, 3, 9, 4, 0, tzinfo=UTC), date(2026, 3, 9)),
        (datetime(2026, 11, 2, 4, 59, tzinfo=UTC), date(2026, 11, 1)),
        (datetime(2028, 2, 29, 5, 0, tzinfo=UTC), date(2028, 2, 29)),
    ],
)
def test_the_trading_day_begins_at_midnight_in_new_york_summer_and_winter(moment: datetime, day: date) -> None:
    assert DayStart().day_of(int(moment.timestamp() * 1000)) == day


def test_the_day_may_begin_at_another_hour() -> None:
    at = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
    assert DayStart("UTC", 12).day_of(int(at.timestamp() * 1000)) == date(2026, 11, 19)


class Ears:
    """What a watched venue reports."""

    def __init__(self) -> None:
        self.calls: list[bool] = []
        self.canceled: list[str] = []
        self.statuses: list[VenueStatus] = []

    def on_order_sent(self, intent: OrderIntent) -> str | None:
        return None

    def on_cancel_sent(self, ticker: str) -> None:
        self.canceled.append(ticker)

    def on_venue_call(self, *, ok: bool) -> None:
        self.calls.append(ok)

    def on_venue_status(self, status: VenueStatus) -> None:
        self.statuses.append(status)


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (None, [True]),
        (OrderNotFound(status=404), [True]),
        (InvalidOrder(status=400), [True]),
        (AuthenticationFailed(status=401), [False]),
        (RateLimited("429"), [False]),
        (ReplyTimeout("timeout"), [False]),
        (BudgetExhausted("no tokens"), []),
    ],
)
async def test_refusals_are_answers_silence_and_a_refused_key_are_not(
    error: GatewayError | None, counted: list[bool]
) -> None:
    class Venue:
        async def balance(self) -> str:
            if error is not None:
                raise error
            return "answer"

        async def cancel(self, order_id: str, ticker: str) -> str:
            return await self.balance()

    ears = Ears()
    venue: Any = WatchedVenue(Venue(), ears)  # type: ignore[arg-type]
    for call in (venue.balance, lambda: venue.cancel("v-1", TICKER)):
        if error is None:
            assert await call() == "answer"
        else:
            with pytest.raises(type(error)):
                await call()
    assert (ears.calls, ears.canceled) == (counted * 2, [TICKER])


def fill(side: Side, price: int) -> Fill:
    return Fill("t", "v", TICKER, side, price, 100, 0, True, NOW)


@pytest.mark.parametrize(("side", "price", "adverse"), [(Side.BID, 6_100, 10_000), (Side.ASK, 6_100, -10_000)])
def test_slippage_is_what_a_fill_of_an_order_that_took_cost_more_than_expected(
    side: Side, price: int, adverse: int
) -> None:
    flow = StrategyFlow("maker")
    flow.sent(OrderIntent("own-1", TICKER, side, 6_000, 100), 6_000, NOW)
    flow.sent(OrderIntent("own-2", TICKER, side, 6_000, 100), None, NOW)
    for client_order_id in ("own-1", "own-2", "foreign", None):
        flow.filled(fill(side, price), client_order_id)
    inputs = flow.slippage(NOW)
    assert (inputs.fills, inputs.adverse) == (1, adverse)
    assert inputs.notional == (610_000 if side is Side.BID else 390_000)


def test_a_market_that_came_out_even_neither_ends_nor_lengthens_a_streak() -> None:
    flow = StrategyFlow("maker")
    for result in (-1, 0, -1):
        flow.settled(result)
    assert flow.losses == 2
    flow.settled(1)
    assert flow.losses == 0


def test_a_breach_may_be_of_any_node_but_not_of_a_share_of_nav() -> None:
    """Shares of NAV move with prices alone; the gate holds new orders to them."""
    heat, account = NodeKey(NodeLevel.THEME, "heat"), NodeKey(NodeLevel.ACCOUNT, "main")
    measured = [
        Breach(heat, LimitRule.MAX_TOTAL_EXPOSURE, 101, 100),
        Breach(account, LimitRule.MAX_NAV_SHARE, 900_000, 200_000),
        Breach(account, LimitRule.MAX_CONTRACTS, 0, 0),
    ]
    context: Any = SimpleNamespace(books=SimpleNamespace(counters=SimpleNamespace(gaps=0)))
    inputs = AccountInputs(context, lambda: measured).breaches(NOW)
    verdict = SWITCHES["K16"].evaluate(inputs, NOW)
    assert (len(inputs.nodes or ()), verdict.action, verdict.targets) == (1, Action.REDUCE, (("theme", "heat"),))


def test_windows_forget_what_is_old_and_never_grow_without_bound() -> None:
    window = Window()
    for at in range(MOST + 10):
        window.add(at)
    assert window.count(-1) == MOST
    assert window.count(MOST + 8) == 1


class Stand:
    """An account's actions with what they did."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.gate = Gate(self.clock)
        self.posted: list[tuple[Any, dict[str, Any]]] = []
        self.events: list[tuple[str, Severity]] = []
        self.pulled: list[str] = []
        self.released: list[tuple[str, str]] = []
        context: Any = SimpleNamespace(
            gate=self.gate,
            desks={},
            session=SimpleNamespace(pk=1),
            now=lambda: datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC),
            journal=SimpleNamespace(post=lambda fn, **values: self.posted.append((fn, values))),
        )
        incidents: Any = SimpleNamespace(
            raise_event=lambda code, severity, message, details=None: self.events.append((code, severity))
        )
        self.actions = Actions(
            context,
            incidents,
            on_pull=self.pulled.append,
            on_release=lambda key, scope_id: self.released.append((key, scope_id)),
        )

    def take(self, key: str, state: SwitchState, action: Action = Action.NONE, **fields: Any) -> None:
        verdict = Verdict(state, action, "why", **fields)
        self.actions.take(SWITCHES[key], ACCOUNT, verdict, self.clock.now_ms())

    def see(self, state: str) -> None:
        self.actions.see(dict.fromkeys(self.actions.scopes(), state), self.clock.now_ms())


def test_a_trip_acts_once_and_holds_the_gate_until_people_resume() -> None:
    s = Stand()
    for _ in range(3):
        s.take("K1", SwitchState.TRIPPED, Action.HALT)
    ((stop, values),) = s.posted
    assert stop is kill_switch_trip
    assert (values["scope"], values["scope_id"], values["actor_label"]) == ("account", "main", "switch:K1")
    assert (s.events, len(s.pulled)) == ([("K1_DAILY_LOSS", Severity.CRITICAL)], 1)
    s.take("K1", SwitchState.OK)
    s.see("active")
    assert "switch K1 main" in s.gate.blocks
    s.see("halted")
    s.clock.advance(60)
    s.see("halted")
    assert "switch K1 main" in s.gate.blocks
    s.see("active")
    assert (s.gate.blocks, s.released) == ({}, [("K1", "main")])


def test_a_reduction_opens_the_gate_once_it_binds_and_a_worse_verdict_halts() -> None:
    s = Stand()
    s.gate.refresh(state=TradingState.ACTIVE, reason="")
    s.take("K4", SwitchState.TRIPPED, Action.REDUCE)
    s.see("reducing")
    s.clock.advance(3)
    s.see("reducing")
    assert "switch K4 main" in s.gate.blocks, "the gate has not read the state yet"
    s.gate.refresh(state=TradingState.REDUCING, reason="")
    s.see("reducing")
    assert s.gate.blocks == {}
    s.take("K4", SwitchState.TRIPPED, Action.HALT)
    assert "switch K4 main" in s.gate.blocks
    assert [post[0] for post in s.posted] == [_reduce, kill_switch_trip]


def test_every_target_is_acted_on_by_itself() -> None:
    s = Stand()
    targets = (("market", "M-1"), ("theme", "heat"))
    s.take("K16", SwitchState.TRIPPED, Action.REDUCE, targets=targets)
    assert [(v["scope"], v["scope_id"]) for _, v in s.posted] == list(targets)
    assert s.actions.scopes() == set(targets)


def test_an_automatic_switch_lets_go_after_its_input_was_good_for_long_enough() -> None:
    s = Stand()
    s.take("K6", SwitchState.TRIPPED, Action.PULL_QUOTES)
    assert s.posted == []
    for state, seconds in ((SwitchState.OK, 1.9), (SwitchState.TRIPPED, 1), (SwitchState.WARN, 1.9)):
        s.take("K6", state, Action.PULL_QUOTES if state is SwitchState.TRIPPED else Action.NONE)
        s.clock.advance(seconds)
    assert "switch K6 main" in s.gate.blocks
    s.take("K6", SwitchState.NO_INPUT)
    s.clock.advance(60)
    s.take("K6", SwitchState.OK)
    assert "switch K6 main" in s.gate.blocks, "silence is not good input"
    s.clock.advance(2)
    s.take("K6", SwitchState.OK)
    assert s.gate.blocks == {}
    assert s.events[-1] == ("K6_STALE_FEED_OVER", Severity.INFO)


def test_a_warning_is_one_event_until_it_has_gone() -> None:
    s = Stand()
    for state in (SwitchState.WARN, SwitchState.WARN, SwitchState.OK, SwitchState.WARN):
        s.take("K12", state)
    assert s.events == [("K12_CLOCK_SKEW_WARNING", Severity.WARNING)] * 2
    assert s.gate.blocks == {}


def test_a_stop_that_nobody_has_stored_yet_is_not_taken_for_a_resume() -> None:
    s = Stand()
    s.take("K1", SwitchState.TRIPPED, Action.HALT)
    s.see("active")
    assert "switch K1 main" in s.gate.blocks
    assert s.actions.stopped(ACCOUNT) == "stopped by K1 Daily loss: why"
    assert s.actions.stopped(("strategy", "other")) is None


async def test_it_looks_ten_times_a_second_until_it_sees_everything() -> None:
    gate, looks = Gate(FakeClock(NOW)), []
    gate.block("switches", "no input")

    async def check() -> None:
        looks.append(1)
        if len(looks) == 3:
            gate.unblock("switches")

    task = asyncio.create_task(look_always(SimpleNamespace(check=check), gate))  # type: ignore[arg-type]
    for _ in range(100):
        if len(looks) == 3:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.15)
    task.cancel()
    assert len(looks) == 3
