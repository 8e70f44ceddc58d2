"""The ladder claims zero only when it was proved, whatever line and exchange do, and says what it could not do."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from apps.engine.ports import CancelAck, VenueGroup, VenueOrder, VenuePosition, VenueStatus
from apps.engine.types import Ticker
from apps.gateway.errors import ConnectFailed, ExchangePaused, Forbidden, MarketClosed, RateLimited
from apps.risk.guardian.asking import Timing
from apps.risk.guardian.ladder import run_ladder
from apps.risk.guardian.reach import everything, of_client_ids, of_prefix, reach_without_records
from apps.risk.guardian.report import LadderReport, Step
from tests.simulation.virtual import LoopClock, VirtualLoop, run_virtually

from .faulty import TICKER, FaultyVenue, climb, intent


def took(report: LadderReport) -> tuple[int, int]:
    """ms to the last acknowledgement and to the proof."""
    assert report.last_ack_ms is not None
    assert report.proved_ms is not None
    return report.last_ack_ms - report.begun_ms, report.proved_ms - report.begun_ms


def test_groups_take_a_thousand_orders_in_one_round_trip_and_two_looks_prove_it() -> None:
    venue, steps = FaultyVenue(), list[Step]()
    known = venue.stock(1000, 10)
    venue.position_rows = [
        VenuePosition(TICKER, -500, None, None, None),
        VenuePosition("KXFLAT-1", 0, None, None, None),
    ]
    report = climb(venue, steps=steps, known_groups=known)
    assert took(report) == (50, 120)
    assert (report.resting_before, report.canceled, report.left) == (1000, 1000, ())
    assert (report.groups_total, report.groups_triggered) == (10, 10)
    assert sorted(venue.triggered) == sorted(known)
    assert venue.canceled == []
    assert report.is_confirmed
    assert report.positions_json() == [{"ticker": TICKER, "quantity": "-5.00"}]
    assert [step.name for step in steps if step.name != "look"] == ["begun", "triggered", "proved_zero", "ended"]
    assert "Zero resting orders" in report.text()


@pytest.mark.parametrize(
    ("told", "shown", "problems"),
    [
        ([0], "Private feed: agrees, no order is open.", 0),
        ([None, 0], "Private feed: agrees, no order is open.", 0),
        ([3, 3], "Private feed: DIFFERS, it still shows 3 open orders.", 1),
        ([None, None], "Private feed: no session lives to tell what it shows.", 0),
    ],
)
def test_the_proof_says_whether_the_private_feed_agrees(told: list[int | None], shown: str, problems: int) -> None:
    venue, asked = FaultyVenue(), list[int]()

    def private_feed(since_ms: int) -> int | None:
        asked.append(since_ms)
        return told[len(asked) - 1]

    report = climb(venue, known_groups=venue.stock(4, 2), private_feed=private_feed)
    assert report.is_zero
    assert asked == [report.proved_ms] * len(told)
    assert shown in report.text()
    assert len(report.problems) == problems


def test_groups_nobody_knew_of_are_triggered_too() -> None:
    venue = FaultyVenue()
    known = venue.stock(4, 2)
    report = climb(venue, known_groups=known[:1])
    assert sorted(venue.triggered) == sorted(known)
    assert report.groups_triggered == 2


@pytest.mark.parametrize(("faults", "p95_goal_ms"), [(0.05, 500), (0.30, 1_500)])
def test_faults_cost_time_but_never_the_proof(faults: float, p95_goal_ms: int) -> None:
    proofs = []
    for seed in range(100):
        venue = FaultyVenue(faults=faults, seed=seed)
        known = venue.stock(20, 10)
        report = climb(venue, known_groups=known)
        assert report.is_zero
        assert venue.resting == {}
        assert report.groups_triggered == 10
        proofs.append(took(report)[1])
    assert statistics.quantiles(proofs, n=20)[-1] <= p95_goal_ms


def test_without_hedging_a_lost_reply_would_wait_for_the_time_out() -> None:
    slow = []
    for hedge_s in (0.25, 60.0):
        venue = FaultyVenue(faults=0.3, seed=4)
        report = climb(venue, known_groups=venue.stock(20, 10), timing=Timing(hedge_s=hedge_s))
        slow.append(took(report)[1])
    assert slow[0] < slow[1] / 2


def test_empty_bucket_is_met_with_a_paced_queue_not_with_knocking() -> None:
    venue = FaultyVenue()
    known = venue.stock(1000, 10)
    venue.tokens = 0.0
    report = climb(venue, known_groups=known)
    assert took(report)[1] <= 1_500
    assert venue.refused <= 12


def test_orders_in_no_group_are_swept_in_batches_that_fit_the_bucket() -> None:
    venue = FaultyVenue(faults=0.05)
    venue.stock(100, 0)
    venue.tokens = 100.0
    report = climb(venue, may_cancel_all=False)
    assert report.is_zero
    assert venue.resting == {}
    assert venue.cleared == 0, "cancel-all may take orders of the following minute"
    assert (report.resting_before, report.canceled) == (100, 100)


def test_batch_refused_as_a_whole_is_paced_though_each_item_says_so() -> None:
    """The venue may answer 429 item by item; the next batch must wait for the tokens all the same."""

    class ItemByItem(FaultyVenue):
        async def cancel_many(self, orders: Sequence[tuple[str, Ticker]]) -> Sequence[CancelAck | Exception]:
            try:
                return await super().cancel_many(orders)
            except RateLimited as error:
                return [error] * len(orders)

    venue = ItemByItem()
    venue.stock(100, 0)
    venue.tokens = 0.0
    report = climb(venue, may_cancel_all=False)
    assert report.is_zero
    assert took(report)[1] < 3_000
    assert venue.refused <= 10


def test_cancel_all_takes_many_at_once_where_it_may() -> None:
    venue = FaultyVenue()
    venue.stock(1000, 0)
    report = climb(venue)
    assert report.is_zero
    assert (venue.canceled, venue.cleared) == ([], 1)
    assert took(report)[1] < 500


def test_order_between_the_looks_reopens_the_sweep() -> None:
    """The second look finds what the first did not: only two in a row count."""
    venue = FaultyVenue()
    known = venue.stock(5, 1)

    def late(look: int) -> None:
        if look == 3:
            venue.rest(intent("late"), "v-late")

    venue.before_look = late
    report = climb(venue, known_groups=known)
    assert report.is_zero
    assert venue.canceled == ["v-late"]
    assert venue.looks == 6  # before, zero, late, zero, zero, the third
    assert report.canceled == 6


def test_order_after_the_proof_reopens_the_run() -> None:
    venue, steps = FaultyVenue(), list[Step]()

    def late(look: int) -> None:
        if look == 4:
            venue.rest(intent("late"), "v-late")

    venue.before_look = late
    report = climb(venue, steps=steps, known_groups=venue.stock(5, 1))
    names = [step.name for step in steps if step.name not in ("look", "canceling")]
    assert names == ["begun", "triggered", "proved_zero", "reopened", "proved_zero", "ended"]
    assert report.is_zero
    assert report.is_confirmed
    assert venue.resting == {}
    assert report.proved_ms is not None
    assert report.proved_ms - report.begun_ms > 1_000


def test_looks_count_only_once_every_group_has_answered() -> None:
    """A create still on its way cannot slip into a group that is triggered; before that, zero proves nothing."""

    class Deaf(FaultyVenue):
        async def trigger_group(self, group_id: str) -> None:
            if asyncio.get_running_loop().time() < 6.0:
                raise ConnectFailed("refused")
            await super().trigger_group(group_id)

    venue = Deaf()
    venue.group_rows["g-1"] = VenueGroup("g-1", 100, False, 0)
    report = climb(venue, known_groups=["g-1"])
    assert report.triggered_ms is not None
    assert report.proved_ms is not None
    assert report.triggered_ms - report.begun_ms > 6_000
    assert report.proved_ms - report.triggered_ms >= 70


def test_group_that_cannot_be_triggered_is_named_and_its_orders_are_swept() -> None:
    venue = FaultyVenue()
    known = venue.stock(5, 1)
    venue.trigger_answers = [Forbidden(status=403, code="forbidden")] * 1000
    report = climb(venue, known_groups=known, may_cancel_all=False)
    assert report.is_zero
    assert venue.resting == {}
    assert (report.groups_total, report.groups_triggered) == (1, 0)
    assert any("g-" in problem and "forbidden" in problem for problem in report.problems)


def test_paused_exchange_is_said_in_plain_words_and_zero_is_not_claimed() -> None:
    venue, steps = FaultyVenue(), list[Step]()
    for i in range(2):
        venue.rest(intent(f"c-{i}", expires_at_s=1_790_000_050 + i), f"v-{i}")
    venue.cancel_answers = [ExchangePaused(status=409, code="exchange_is_paused")] * 1000
    venue.status = VenueStatus(False, False, 1_790_003_600_000)
    report = climb(venue, steps=steps, may_cancel_all=False)
    assert not report.is_zero
    assert report.is_paused
    said = next(step for step in steps if step.name == "exchange_paused")
    assert said.at_ms - report.begun_ms < 1_000, "nobody should wait to be told"
    assert "the exchange is paused: cancelling is impossible until it resumes" in said.text
    assert "it expects 15:13:20 UTC" in said.text
    assert "orders expire by 14:14:11 UTC" in said.text
    assert said.text in report.text()
    assert [left.order.order_id for left in report.left] == ["v-0", "v-1"]
    assert all("exchange_is_paused" in left.reason for left in report.left)
    assert "NOT proved" in report.text()


def test_pause_that_ends_is_swept_after_all() -> None:
    venue = FaultyVenue()
    known = venue.stock(3, 1)
    pause = ExchangePaused(status=409, code="exchange_is_paused")
    venue.cancel_answers, venue.trigger_answers = [pause] * 9, [pause] * 2
    report = climb(venue, known_groups=known)
    assert report.is_zero
    assert not report.is_paused
    assert venue.resting == {}
    assert report.groups_triggered == 1


def test_what_could_not_be_canceled_is_named_with_its_reason() -> None:
    venue = FaultyVenue()
    venue.rest(intent("c"), "v-closed")
    venue.cancel_answers = [MarketClosed(status=409, code="market_closed")] * 10_000
    report = climb(venue, may_cancel_all=False)
    assert not report.is_zero
    assert [(left.order.order_id, "market_closed" in left.reason) for left in report.left] == [("v-closed", True)]
    assert "v-closed" in report.text()


def test_exchange_that_cannot_be_reached_is_no_proof() -> None:
    venue = FaultyVenue(faults=1.0)
    venue.stock(1, 1)
    report = climb(venue, timing=Timing(limit_s=3, trigger_limit_s=2))
    assert not report.is_zero
    assert report.resting_before is None
    assert any("could not be listed" in problem for problem in report.problems)


class Falling(FaultyVenue):
    """Answers the first look and none after it."""

    looks = 0

    async def open_orders(self) -> Sequence[VenueOrder]:
        self.looks += 1
        if self.looks > 1:
            raise ConnectFailed("no answer")
        return await super().open_orders()


def test_looks_without_an_answer_are_no_proof_even_when_everything_was_canceled() -> None:
    venue = Falling()
    venue.stock(1, 1)
    report = climb(venue, of_prefix("Market", TICKER), timing=Timing(limit_s=3, trigger_limit_s=2))
    assert venue.resting == {}
    assert not report.is_zero
    assert report.proved_ms is None


@pytest.mark.parametrize("reach", [of_prefix("Market", TICKER), of_prefix("Event", "KXTEST-26NOV20")])
def test_narrower_scope_cancels_only_its_own_and_triggers_nobody(reach: Any) -> None:
    venue = FaultyVenue()
    venue.stock(40, 2)
    venue.stock(4, 2, "KXTEST-26NOV200-T50")
    report = climb(venue, reach)
    assert report.is_zero
    assert (venue.triggered, venue.cleared) == ([], 0)
    assert {order.ticker for order in venue.resting.values()} == {"KXTEST-26NOV200-T50"}
    assert len(venue.resting) == 4
    assert report.resting_before == 40


def test_stop_of_a_strategy_takes_the_orders_its_records_name() -> None:
    venue = FaultyVenue()
    venue.stock(4, 1)
    report = climb(venue, of_client_ids("Strategy", {f"{TICKER}-c-1"}))
    assert report.is_zero
    assert sorted(venue.resting) == [f"{TICKER}-v-{i}" for i in (0, 2, 3)]


def test_without_records_a_scope_that_tickers_do_not_tell_takes_everything_and_says_so() -> None:
    venue = FaultyVenue()
    venue.stock(4, 1)
    report = climb(venue, reach_without_records("strategy", "maker-inside"))
    assert venue.resting == {}
    assert any("every order of the account" in problem for problem in report.problems)


def test_two_ladders_at_once_do_no_harm() -> None:
    venue, loop = FaultyVenue(faults=0.1), VirtualLoop()
    known = venue.stock(100, 10)

    async def both() -> list[LadderReport]:
        runs = (
            run_ladder(venue, everything("x"), clock=LoopClock(loop), rng=Random(i), known_groups=known) for i in (1, 2)
        )
        return list(await asyncio.gather(*runs))

    first, second = run_virtually(loop, both())
    assert first.is_zero
    assert second.is_zero
    assert venue.resting == {}


def test_look_that_shows_an_old_state_delays_the_proof_and_never_fakes_it() -> None:
    """Reads lag behind the engine: orders that are gone are still shown for a while."""
    venue = FaultyVenue()
    known = venue.stock(3, 1)
    old = list(venue.resting.values())
    shown = iter([old, old, old])
    real = venue.open_orders

    async def lagging() -> list[VenueOrder]:
        answer = list(await real())
        return next(shown, answer)

    venue.open_orders = lagging  # type: ignore[method-assign]
    report = climb(venue, known_groups=known, may_cancel_all=False)
    assert report.is_zero
    assert sorted(venue.canceled) == sorted(order.order_id for order in old)
    assert venue.looks == 6  # before, old, old, zero, zero, the third
