"""The switches that act on a strategy or on the whole account's orders, in a real session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.engine.ports import VenueSettlement
from apps.engine.types import OrderIntent, Side, TimeInForce
from apps.gateway.errors import RequestRefused
from apps.risk.models import KillRun, RestrictedMarket, RiskLimit, SwitchStatus, TradingState
from tests.factories import NOW

from .harness import TICKER, query
from .switch_stage import Switched, prepare, switched

pytestmark = pytest.mark.django_db(transaction=True)

BIDS, ASKS = [(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)]
SLUG = "maker-inside"
SHOWN = ("K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "K12", "K13", "K14", "K15", "K16", "K17")


def intent(number: int = 1, **fields: Any) -> OrderIntent:
    return replace(OrderIntent(f"own-{number}", TICKER, Side.BID, 5_700, 1_000), **fields)


async def quoting(s: Switched) -> None:
    await s.stage.book(BIDS, ASKS)
    await s.stage.until(lambda: len(s.stage.venue.resting) == 2, "two orders resting")


async def test_with_live_inputs_and_good_drills_it_trades_and_shows_every_switch() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.looked()
        assert {key: s.state(key) for key in SHOWN} == dict.fromkeys(SHOWN, "ok")
    rows = {row.key: row async for row in SwitchStatus.objects.filter(account=account.name)}
    assert len(rows) == 20
    assert (rows["K1"].value, rows["K1"].threshold, rows["K1"].scope_id) == ("0.00 %", "10.00 %", account.name)
    assert rows["K8"].scope_id == SLUG


async def test_an_order_sent_a_second_time_never_leaves_and_stops_its_strategy() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        venue = s.stage.session.context.venue
        await venue.submit(intent())
        with pytest.raises(RequestRefused, match="sent before"):
            await venue.submit(intent())
        assert len(s.stage.venue.sent) == 1
        event = await s.until_event("K9_RUNAWAY")
        row = await s.until_state("strategy", SLUG, "halted")
        s.take_off()
    assert (event.severity, event.details["scope"]) == ("critical", f"strategy {SLUG}")
    assert "second time" in event.message
    assert row.reason == event.message
    assert (await KillRun.objects.aget()).source == "switch"


async def test_of_several_orders_only_those_that_may_not_leave_are_refused() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        replies = await s.stage.session.context.venue.submit_many([intent(1), intent(2), intent(1)])
        assert [type(reply).__name__ for reply in replies] == ["OrderAck", "OrderAck", "RequestRefused"]
        assert len(s.stage.venue.sent) == 2
        s.take_off()


async def test_the_same_order_again_and_again_is_a_loop() -> None:
    account = await query(prepare)(K9={"trip_repeats": 5, "warn_repeats": 4})
    async with switched(account) as s:
        await s.looked()
        venue = s.stage.session.context.venue
        for number in range(5):
            await venue.submit(intent(number))
        with pytest.raises(RequestRefused, match="stopped by K9"):
            await venue.submit(intent(5))
        assert len(s.stage.venue.sent) == 5
        assert "5 like orders" not in (await s.until_event("K9_RUNAWAY")).details["value"]
        s.take_off()


async def test_like_orders_with_a_fill_between_are_a_strategy() -> None:
    account = await query(prepare)(K9={"trip_repeats": 5, "warn_repeats": 4})
    async with switched(account) as s:
        await quoting(s)
        venue = s.stage.session.context.venue
        for number in range(5):
            await venue.submit(intent(number, price=5_500))
        await s.filled(Side.BID)
        for number in range(5, 10):
            await venue.submit(intent(number, price=5_500))
        await s.looked()
        assert not s.board.actions.is_held("K9", ("strategy", SLUG))
        s.take_off()


async def test_fill_rate_collapse_stops_the_strategy_and_says_why() -> None:
    account = await query(prepare)(K8={"trip_unfilled": 10, "warn_unfilled": 5})
    async with switched(account) as s:
        await s.looked()
        venue = s.stage.session.context.venue
        for number in range(10):
            await venue.submit(intent(number, price=5_000 + number * 100))
        with pytest.raises(RequestRefused, match="stopped by K8"):
            await venue.submit(intent(10, price=6_000))
        assert len(s.stage.venue.sent) == 10
        event = await s.until_event("K8_FILL_RATE")
        await s.until_state("strategy", SLUG, "halted")
        s.take_off()
    assert "11 orders sent" in event.message
    assert "what we send cannot trade" in event.message
    assert event.details["value"] == "11 without a fill"


async def test_few_orders_and_a_quiet_market_trip_nothing() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        s.stage.socket.silent_s = 9.9
        for _ in range(24):
            await s.advance(25)
            await s.stage.session.trader.requests.settle()
            await s.asked()
            await s.compared()
            await s.looked()
        states = {key: s.state(key) for key in SHOWN}
        assert len(s.stage.venue.sent) == 2
        assert len(s.stage.venue.amended) > 10
        assert len(s.stage.venue.resting) == 2
    assert states == dict.fromkeys(SHOWN, "ok")
    assert not [row async for row in TradingState.objects.exclude(state="active")]


async def test_a_stop_of_one_strategy_ends_with_an_approved_resume_and_counts_anew() -> None:
    account = await query(prepare)(K8={"trip_unfilled": 10, "warn_unfilled": 5})
    async with switched(account) as s:
        await s.looked()
        for number in range(11):
            s.board.on_order_sent(intent(number, price=5_000 + number * 100))
        assert f"switch K8 {SLUG}" in s.gate
        await s.until_state("strategy", SLUG, "halted")
        await s.looked()
        await s.stage.session.trader.desks.reload()
        await s.advance(3)
        await s.stage.until(lambda: f"switch K8 {SLUG}" not in s.gate, "the stored state binds, the gate is open")
        await s.stage.book(BIDS, ASKS)
        await s.looked()
        assert s.stage.venue.sent == []
        assert s.board.actions.is_held("K8", ("strategy", SLUG))
        await s.resume("strategy", SLUG)
        await s.stage.until(lambda: not s.board.actions.is_held("K8", ("strategy", SLUG)), "let go")
        await s.stage.session.trader.desks.reload()
        await s.stage.until(lambda: len(s.stage.venue.resting) == 2, "quoting again")
        assert s.board.flows.of(SLUG).unfilled == 2


async def test_what_was_sent_before_a_restart_still_counts() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
    async with switched(account) as s:
        await s.looked()
        assert s.board.flows.of(SLUG).unfilled == 2


async def test_a_number_that_cannot_be_is_refused_and_stops_its_strategy() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        for number, bad in enumerate(({"price": float("nan")}, {"price": 10_000}, {"quantity": 0})):
            with pytest.raises(RequestRefused):
                await s.stage.session.context.venue.submit(intent(number, **bad))
        event = await s.until_event("K17_BAD_NUMBER")
        await s.until_state("strategy", SLUG, "halted")
        assert s.stage.venue.sent == []
    assert "nan" in event.message


async def test_eight_settled_losses_in_a_row_pause_the_strategy() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.filled(Side.BID)
        loss = VenueSettlement(TICKER, "no", 0, 0, 0, s.stage.clock.now_ms())
        s.stage.venue.position_rows.clear()
        s.stage.session.trader.ledger.apply_settlement(loss)
        assert s.board.flows.of(SLUG).losses == 1
        for _ in range(6):
            s.board.on_settlement(TICKER, -1)
        await s.looked()
        assert s.state("K2") == "warn"
        s.board.on_settlement(TICKER, -1)
        await s.until_event("K2_LOSING_STREAK")
        await s.until_state("strategy", SLUG, "halted")


async def test_fills_at_worse_prices_than_expected_pause_the_strategy() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        fill = await s.filled(Side.BID)
        taker = {"post_only": False, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}
        for number in range(10):
            wanted = intent(number, price=6_500, **taker)
            assert s.board.on_order_sent(wanted) is None
            worse = replace(fill, client_order_id=wanted.client_order_id, price=6_100)
            s.board.on_fill(worse, None, None)
        event = await s.until_event("K3_SLIPPAGE")
        await s.until_state("strategy", SLUG, "halted")
    assert "10 fills cost $1.00 (1.63 %) more than expected" in event.message


async def test_a_restricted_market_is_refused_and_halted() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await RestrictedMarket.objects.acreate(scope="event", scope_id="KXTEST-26NOV20", reason="insider", added_at=NOW)
        await s.advance(3)
        event = await s.until_event("K19_RESTRICTED")
        await s.until_state("market", TICKER, "halted")
        with pytest.raises(RequestRefused, match="restricted list"):
            await s.stage.session.context.venue.submit(intent())
        assert len(s.stage.venue.sent) == 2
    assert TICKER in event.message


async def test_an_order_asked_for_in_a_restricted_market_never_leaves() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await RestrictedMarket.objects.acreate(scope="series", scope_id="KXTEST", reason="insider", added_at=NOW)
        await s.advance(3)
        await s.stage.until(lambda: s.state("K19") == "warn", "in scope, nothing rests yet")
        assert not s.board.actions.latches("K19")
        with pytest.raises(RequestRefused, match="restricted list"):
            await s.stage.session.context.venue.submit(intent())
        assert s.stage.venue.sent == []
        await s.until_state("market", TICKER, "halted")


async def test_a_position_over_its_limit_may_only_be_reduced() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.filled(Side.BID)
        limit = RiskLimit.objects.filter(rule="max_contracts_per_market")
        await limit.aupdate(value=5, version=2)
        await s.stage.session.trader.desks.reload()
        event = await s.until_event("K16_LIMIT_BREACH")
        await s.until_state("market", TICKER, "reducing")
    assert "1000 of 500" in event.message
