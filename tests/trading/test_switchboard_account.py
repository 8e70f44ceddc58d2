"""The switches that stop the whole account: money, feed, clock, exchange, records, versions, and blindness itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.engine.ports import VenueStatus
from apps.engine.types import OrderIntent, Side
from apps.gateway.errors import InvalidOrder, ReadFailed
from apps.risk.models import NavDay, SwitchDrill
from apps.trading.models import StrategyVersion
from tests.factories import NOW
from tests.fakes.venue import FakeVenue

from .harness import TICKER, query
from .switch_stage import Switched, prepare, switched

pytestmark = pytest.mark.django_db(transaction=True)

BIDS, ASKS = [(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)]
SMALL = {"K14": {"floor": 0, "warn_floor": 0}}


async def quoting(s: Switched) -> None:
    await s.stage.book(BIDS, ASKS)
    await s.stage.until(lambda: len(s.stage.venue.resting) == 2, "two orders resting")


async def losing(s: Switched) -> None:
    """Ten contracts bought at 0.57 on an account of $50 are worth 0.02 each."""
    await quoting(s)
    await s.filled(Side.BID)
    await s.stage.book([(200, 1000)], [(6000, 1500)])


async def test_a_day_loss_of_a_tenth_halts_and_pulls_every_quote() -> None:
    account = await query(prepare)(**SMALL)
    async with switched(account, FakeVenue(50_000_000)) as s:
        await losing(s)
        event = await s.until_event("K1_DAILY_LOSS")
        await s.until_state("account", account.name, "halted")
        await s.stage.until(lambda: not s.stage.venue.resting, "every quote taken off")
        sent = len(s.stage.venue.sent)
        await s.looked()
        assert len(s.stage.venue.sent) == sent
    assert "day loss 11.00 %: NAV $44.50, $50.00 at the start of the day" in event.message


async def test_a_loss_is_remembered_over_a_restart_and_forgiven_by_a_new_day_only() -> None:
    account = await query(prepare)(
        **SMALL, K1={"warn_bps": 100, "trip_bps": 9_000}, K4={"reduce_bps": 9_000, "halt_bps": 9_000}
    )
    venue = FakeVenue(50_000_000)
    async with switched(account, venue) as s:
        await losing(s)
        await s.advance(11)
        await s.looked()
        await s.stage.until(lambda: s.state("K1") == "warn", "a warning")
        s.stage.clock.advance(-11)
    row = await NavDay.objects.aget()
    assert (row.opening_nav, row.nav, row.high_water, row.stage) == (50, 44.5, 50, "small")
    async with switched(account, venue, ready=lambda s: s.state("K1") == "no_input") as s:
        verdict = s.board.statuses.verdict("K14")
        assert verdict is not None
        assert verdict.reason == "at_ms is not known"
        assert "K1 Daily loss" in s.gate["switches"]
        await s.stage.book([(200, 1000)], [(6000, 1500)])
        await s.stage.until(lambda: s.state("K1") == "warn", "the loss of before")
        s.board.money.update(s.board.lookup.thresholds("K4"), s.stage.clock.now_ms() + 86_400_000)
        assert s.board.money.daily_loss().opening_nav == 44_500_000
        assert s.board.money.drawdown().high_water == 50_000_000


async def test_deposits_and_withdrawals_are_no_profit_and_no_loss() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await s.looked()
        for amount in (5_000_000_000, -12_000_000_000):
            s.stage.session.context.portfolio.adjust_cash(amount)
            s.stage.venue.cash += amount
            await s.looked()
            assert (s.state("K1"), s.state("K4")) == ("ok", "ok")
        assert s.board.money.drawdown().high_water == 3_000_000_000


async def test_a_nav_below_the_floor_halts() -> None:
    account = await query(prepare)(K14={"floor": 10_000_000_001, "warn_floor": 10_000_000_001})
    venue = FakeVenue()
    async with switched(account, venue, ready=lambda s: s.state("K14") == "tripped") as s:
        await s.until_event("K14_CAPITAL_FLOOR")
        await s.until_state("account", account.name, "halted")


async def test_failing_calls_stop_new_orders_until_the_window_is_clean() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.asked(30)
        s.stage.venue.status_answers = [ReadFailed("no answer")] * 6
        await s.asked(7)
        event = await s.until_event("K5_API_ERRORS")
        await s.stage.until(lambda: not s.stage.venue.resting, "quotes taken off")
        assert "switch K5 main" in s.gate
        for _ in range(3):
            await s.advance(21)
            await s.asked()
            await s.compared()
        await s.looked()
        assert "switch K5 main" in s.gate
        await s.advance(10)
        await s.looked()
        assert "switch K5 main" not in s.gate
    assert "calls failed in 60.0 s" in event.message


async def test_refused_orders_are_answers_not_api_errors() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        s.stage.venue.answers = [InvalidOrder(status=400)] * 20
        for number in range(20):
            with pytest.raises(InvalidOrder):
                await s.stage.session.context.venue.submit(
                    OrderIntent(f"o-{number}", TICKER, Side.BID, 100 * number + 100, 100)
                )
        await s.looked()
        assert s.state("K5") == "ok"


async def test_a_silent_connection_pulls_every_quote_and_comes_back_by_itself() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        s.stage.socket.silent_s = 15.001
        event = await s.until_event("K6_STALE_FEED")
        await s.stage.until(lambda: not s.stage.venue.resting, "quotes taken off")
        s.stage.socket.silent_s = 0.0
        await s.stage.until(lambda: s.state("K6") == "ok", "the feed is heard")
        assert "switch K6 main" in s.gate
        await s.advance(2)
        await s.stage.until(lambda: len(s.stage.venue.resting) == 2, "quoting again")
    assert "not even a ping" in event.message


async def test_one_gap_costs_only_that_book_and_an_own_order_that_differs_halts_everything() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.stage.delta(Side.BID, 5500, 100, skip=3)
        await s.stage.until(lambda: s.state("K7") == "warn", "one book out of step")
        await s.stage.book(BIDS, ASKS)
        await s.stage.until(lambda: s.state("K7") == "ok", "in step again")
        assert not s.board.actions.is_held("K7", ("account", account.name))
        await s.stage.until(lambda: len(s.stage.venue.resting) == 2, "quoting again")
        s.board.on_own_order_mismatch("filled twice what it was")
        assert "switch K7 main" in s.gate
        for code in ("K7_DESYNC", "DESYNC"):
            assert "1 own orders differ" in (await s.until_event(code)).message
        await s.until_state("account", account.name, "halted")


async def test_a_fill_that_cannot_be_is_an_own_order_that_differs() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        order = s.stage.session.context.blotter.open_orders()[0]
        order.tracked.quantity = 1
        await s.filled(order.tracked.side)
        assert "switch K7 main" in s.gate
        order.tracked.apply_venue_state("canceled", 1, 0, None)


async def test_an_order_that_is_not_ours_halts_once_it_is_certain() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        s.stage.venue.rest(OrderIntent("foreign", TICKER, Side.BID, 100, 100), "v-foreign")
        await s.compared()
        await s.looked()
        assert s.state("K10") == "warn"
        await s.compared()
        await s.looked()
        assert s.state("K10") == "warn"  # the exchange's reads may lag for two seconds
        await s.advance(2.1)
        await s.compared()
        event = await s.until_event("K10_BOOKS_DIFFER")
        await s.until_state("account", account.name, "halted")
        s.stage.venue.resting.clear()
    assert "1 orders and 0 positions differ" in event.message


async def test_a_fee_that_differs_from_our_prediction_halts() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.filled(Side.BID, fee=500_000)
        event = await s.until_event("K11_FEE_OR_CASH")
        await s.until_state("account", account.name, "halted")
    assert "fees differ from our prediction by $0.5" in event.message


async def test_fills_of_an_order_from_before_a_restart_are_no_fee_unknown() -> None:
    account = await query(prepare)(K11={"max_unpredicted": 0})
    async with switched(account) as s:
        await quoting(s)
        order = next(iter(s.stage.session.context.blotter))
        order.fee_rule, order.is_recovered = None, True
        await s.filled(order.tracked.side, fee=500_000)
        assert s.board.account.fees(s.board.lookup.thresholds("K11"), s.stage.clock.now_ms()).unpredicted == 0


async def test_a_clock_that_is_off_warns_then_stops_and_recovers() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        s.stage.venue.clock_skew_ms = 1_001
        await s.asked()
        await s.looked()
        assert (s.state("K12"), "switch K12 main" in s.gate) == ("warn", False)
        s.stage.venue.clock_skew_ms = -3_001
        await s.asked()
        await s.until_event("K12_CLOCK_SKEW")
        s.stage.venue.clock_skew_ms = 0
        await s.asked()
        await s.looked()
        await s.advance(10)
        await s.looked()
        assert "switch K12 main" not in s.gate


async def test_without_a_guardian_nothing_is_sent() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        await s.advance(31, is_guarded=False)
        event = await s.until_event("K13_DEAD_MAN")
        await s.stage.until(lambda: not s.stage.venue.resting, "quotes taken off")
    assert "guardian was last seen 31.0 s ago" in event.message


async def test_an_exchange_pause_says_plainly_that_nothing_can_be_canceled() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        for status, words in (
            (VenueStatus(True, False, None), "cancels still work"),
            (VenueStatus(False, False, None), "NO CANCELS"),
        ):
            s.stage.venue.status = status
            await s.asked()
            await s.looked()
            assert s.state("K15") == "tripped"
            verdict = s.board.statuses.verdict("K15")
            assert verdict is not None
            assert words in verdict.reason
        s.stage.venue.status = VenueStatus(True, True, None)
        await s.asked()
        await s.looked()
        await s.advance(5)
        await s.looked()
        assert "switch K15 main" not in s.gate


async def test_code_that_is_not_the_approved_one_halts() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await StrategyVersion.objects.aupdate(code_hash="0" * 64)
        await s.advance(3)
        await s.stage.until(lambda: s.state("K18") in ("warn", "tripped"), "seen")
        await s.advance(3.1)
        event = await s.until_event("K18_VERSION")
        await s.until_state("account", account.name, "halted")
    assert "names code 000000000000" in event.message


async def test_a_market_on_its_way_out_runs_no_parameters() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        desk = s.stage.session.context.desks[TICKER]
        present = s.board.lookup.present
        assert present is not None
        others = replace(present, approved={desk.armed.armed.config_id: "other parameters"})
        for is_retired, found in ((False, 1), (True, 0)):
            desk.is_retired = is_retired
            inputs = s.board.account.versions(others, s.stage.clock.now_ms())
            assert inputs is not None
            assert len(inputs.disagreements or ()) == found


async def test_a_switch_without_its_input_shuts_the_gate() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await quoting(s)
        s.stage.venue.clock_skew_ms = None
        await s.asked()
        await s.looked()
        assert "K12 Clock skew" in s.gate["switches"]
        await s.stage.until(lambda: not s.stage.venue.resting, "quotes taken off")
        await s.until_event("SWITCH_NO_INPUT")


async def test_a_drill_older_than_thirty_days_shuts_the_gate() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        await query(SwitchDrill.objects.create)(
            key="K8", at=NOW, passed=False, trip_detail="", control_detail="", by="test"
        )
        await s.advance(3)
        await s.stage.until(lambda: "drills" in s.gate, "a failed drill")
        assert "K8; run manage.py switch_drill" in s.gate["drills"]
        assert NOW + timedelta(days=30) > NOW


async def test_thresholds_that_cannot_be_used_shut_the_gate() -> None:
    from apps.risk.models import SwitchSetting

    account = await query(prepare)()
    async with switched(account) as s:
        await query(SwitchSetting.objects.create)(key="K1", values={"trip_bps": "ten"}, updated_at=NOW)
        await s.advance(3)
        await s.stage.until(lambda: "cannot be used" in s.gate.get("switches", ""), "refused")
