"""Plans of several legs: complete, or taken back, or left with exact numbers; nothing unknown is touched."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.errors import OffGridPrice
from apps.engine.grid import LINEAR_CENT, TAPERED_DECI_CENT, price_grid
from apps.engine.legs import (
    Action,
    BadPlan,
    Cancel,
    Leg,
    Outcome,
    Plan,
    PlannedOrder,
    PlanRun,
    PlanState,
    Report,
    Send,
    Sending,
    hardest_first,
    unwind_prices,
)
from apps.engine.types import Side, TimeInForce

A = Leg("A", Side.BID, 4000, 1_000, unwind_prices=(3900, 3700))
B = Leg("B", Side.ASK, 6500, 1_000, unwind_prices=(6600,))
C = Leg("C", Side.BID, 2000, 500)


def sent(actions: list[Action]) -> list[PlannedOrder]:
    return [order for action in actions if isinstance(action, Send) for order in action.orders]


def started(*legs: Leg, **rule: Any) -> PlanRun:
    run = PlanRun(Plan(legs, **rule))
    run.start(0)
    return run


def resting(run: PlanRun, leg: int, now_ms: int = 10) -> None:
    run.report(Report((leg, 0), 0, Outcome.OPEN), now_ms)


def closed(run: PlanRun, leg: int, attempt: int, filled: int, now_ms: int = 100) -> list[Action]:
    return run.report(Report((leg, attempt), filled, Outcome.CLOSED), now_ms)


def test_together_sends_every_leg_in_one_batch_and_completes_when_all_fill() -> None:
    run = PlanRun(Plan((A, B, C)))
    [batch] = run.start(0)
    assert isinstance(batch, Send)
    assert [(o.key, o.side, o.price, o.quantity, o.reduce_only) for o in batch.orders] == [
        ((0, 0), Side.BID, 4000, 1_000, False),
        ((1, 0), Side.ASK, 6500, 1_000, False),
        ((2, 0), Side.BID, 2000, 500, False),
    ]
    assert closed(run, 0, 0, 1_000) == closed(run, 1, 0, 1_000) == []
    assert run.state is PlanState.WORKING
    assert closed(run, 2, 0, 500) == []
    assert run.state is PlanState.COMPLETE
    assert run.left == {"A": 1_000, "B": -1_000, "C": 500}
    assert run.start(50) == run.tick(10**9) == []


def test_one_by_one_waits_for_each_leg_to_fill() -> None:
    run = PlanRun(Plan((A, B), sending=Sending.ONE_BY_ONE))
    assert [o.key for o in sent(run.start(0))] == [(0, 0)]
    assert run.report(Report((0, 0), 400, Outcome.OPEN), 10) == []
    assert [o.key for o in sent(closed(run, 0, 0, 1_000))] == [(1, 0)]
    closed(run, 1, 0, 1_000)
    assert run.state is PlanState.COMPLETE


def test_one_by_one_never_sends_the_second_when_the_first_falls_short() -> None:
    run = started(A, B, sending=Sending.ONE_BY_ONE)
    [order] = sent(closed(run, 0, 0, 300))
    assert (order.key, order.side, order.price, order.quantity, order.reduce_only) == (
        (0, 1),
        Side.ASK,
        3900,
        300,
        True,
    )
    assert order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    closed(run, 0, 1, 300)
    assert (run.state, run.left, run.failure) == (PlanState.UNWOUND, {}, "A did not fill in full")


def test_a_leg_that_falls_short_unwinds_the_others_at_once() -> None:
    run = started(A, B)
    assert closed(run, 0, 0, 1_000) == []
    [order] = sent(closed(run, 1, 0, 0))
    assert (order.key, order.quantity) == ((0, 1), 1_000)


def test_unwinding_steps_down_until_its_prices_are_used_up_and_says_what_is_left() -> None:
    run = started(A, B, step_ms=500)
    closed(run, 0, 0, 1_000)
    closed(run, 1, 0, 0, 100)
    assert closed(run, 0, 1, 250, 200) == []
    assert run.tick(699) == []
    [order] = sent(run.tick(700))
    assert (order.key, order.price, order.quantity) == ((0, 2), 3700, 750)
    closed(run, 0, 2, 700, 800)
    assert (run.state, run.left) == (PlanState.LEFT, {"A": 50})
    assert run.leg_state(0) == "left"


def test_while_held_no_step_is_used_up() -> None:
    run = started(A, B)
    closed(run, 0, 0, 1_000)
    run.is_held = True
    assert closed(run, 1, 0, 0) == run.tick(10_000) == []
    assert run.state is PlanState.UNWINDING
    run.is_held = False
    assert [o.key for o in sent(run.tick(10_001))] == [(0, 1)]


def test_without_unwind_prices_the_plan_holds_and_says_so() -> None:
    run = started(C, B)
    closed(run, 0, 0, 200)
    closed(run, 1, 0, 0)
    assert (run.state, run.left, run.unwound(0)) == (PlanState.LEFT, {"C": 200}, 0)


def test_nothing_filled_is_a_canceled_plan() -> None:
    run = started(A, B)
    closed(run, 0, 0, 0)
    closed(run, 1, 0, 0)
    assert (run.state, run.is_over) == (PlanState.CANCELED, True)


def test_time_over_cancels_what_rests_once_and_unwinds_what_filled() -> None:
    run = started(A, B, time_in_force=TimeInForce.GOOD_TILL_CANCELED, complete_ms=2_000)
    resting(run, 1)
    run.report(Report((0, 0), 400, Outcome.OPEN), 100)
    assert run.tick(1_999) == []
    assert run.tick(2_000) == [Cancel((0, 0)), Cancel((1, 0))]
    assert run.tick(2_001) == []
    assert closed(run, 1, 0, 0, 2_100) == []
    [order] = sent(closed(run, 0, 0, 450, 2_100))
    assert order.quantity == 450


def test_a_leg_that_fills_while_it_is_canceled_still_completes_the_plan() -> None:
    run = started(A, B, time_in_force=TimeInForce.GOOD_TILL_CANCELED)
    resting(run, 1)
    closed(run, 0, 0, 1_000)
    assert run.tick(2_000) == [Cancel((1, 0))]
    assert closed(run, 1, 0, 1_000, 2_050) == []
    assert run.state is PlanState.COMPLETE


def test_an_order_on_its_way_is_canceled_as_soon_as_it_rests() -> None:
    run = started(A, B, time_in_force=TimeInForce.GOOD_TILL_CANCELED)
    closed(run, 0, 0, 1_000)
    assert run.tick(2_000) == []
    assert run.report(Report((1, 0), 0, Outcome.OPEN), 2_100) == [Cancel((1, 0))]


def test_a_cancel_that_got_lost_is_asked_for_again() -> None:
    run = started(A, B, time_in_force=TimeInForce.GOOD_TILL_CANCELED)
    closed(run, 0, 0, 1_000)
    resting(run, 1)
    assert run.tick(2_000) == [Cancel((1, 0))]
    run.report(Report((1, 0), 0, Outcome.UNKNOWN), 2_100)
    assert run.report(Report((1, 0), 0, Outcome.OPEN), 2_200) == [Cancel((1, 0))]


def test_an_unknown_leg_is_neither_sent_again_nor_unwound_until_it_is_resolved() -> None:
    run = started(A, B)
    run.report(Report((0, 0), 0, Outcome.UNKNOWN), 10)
    assert closed(run, 1, 0, 0, 20) == []
    assert run.tick(10**6) == []
    assert (run.state, run.waits_for, run.leg_state(0)) == (PlanState.UNWINDING, [(0, 0)], "unknown")
    [order] = sent(closed(run, 0, 0, 700, 10**6))
    assert (order.key, order.quantity) == ((0, 1), 700)


def test_while_an_unknown_leg_may_complete_the_plan_the_others_are_kept() -> None:
    run = started(A, B)
    closed(run, 0, 0, 1_000)
    run.report(Report((1, 0), 0, Outcome.UNKNOWN), 50)
    assert run.tick(10_000) == []
    assert run.state is PlanState.WORKING
    closed(run, 1, 0, 1_000, 12_000)
    assert run.state is PlanState.COMPLETE


def test_an_unknown_unwinding_order_is_waited_for() -> None:
    run = started(A, B)
    closed(run, 0, 0, 1_000)
    closed(run, 1, 0, 0)
    run.report(Report((0, 1), 0, Outcome.UNKNOWN), 200)
    assert run.tick(10**6) == []
    [order] = sent(closed(run, 0, 1, 600, 10**6)) or sent(run.tick(10**6 + 500))
    assert (order.key, order.quantity) == ((0, 2), 400)


def test_a_rejected_order_that_turns_out_to_have_filled_is_unwound_too() -> None:
    run = started(A, B)
    closed(run, 0, 0, 0)
    closed(run, 1, 0, 0)
    assert run.state is PlanState.CANCELED
    run.report(Report((0, 0), 0, Outcome.UNKNOWN), 200)
    assert run.state is PlanState.UNWINDING
    [order] = sent(closed(run, 0, 0, 1_000, 300))
    assert order.quantity == 1_000


def test_stop_enters_no_more() -> None:
    run = started(A, B, sending=Sending.ONE_BY_ONE, time_in_force=TimeInForce.GOOD_TILL_CANCELED)
    resting(run, 0)
    assert run.stop(10, "stopped by alice") == [Cancel((0, 0))]
    assert [o.key for o in sent(closed(run, 0, 0, 1_000))] == [(0, 1)]
    assert run.failure == "stopped by alice"


def test_a_plan_stopped_before_it_began_never_sends() -> None:
    run = PlanRun(Plan((A, B)))
    assert run.stop(0, "stopped by alice") == []
    assert (run.state, run.start(1)) == (PlanState.CANCELED, [])


def test_after_a_restart_nothing_is_entered_and_what_was_sent_is_waited_for() -> None:
    run = PlanRun(Plan((A, B), sending=Sending.ONE_BY_ONE))
    run.resume({(0, 0): 1_000}, 10_000, "session restarted")
    assert run.tick(10_000) == []
    assert run.waits_for == [(0, 0)]
    [order] = sent(closed(run, 0, 0, 1_000, 10_100))
    assert (order.key, order.quantity) == ((0, 1), 1_000)


def test_after_a_restart_steps_already_used_are_not_used_again() -> None:
    run = PlanRun(Plan((A, B)))
    run.resume({(0, 0): 1_000, (1, 0): 1_000, (0, 1): 1_000}, 10_000, "session restarted")
    closed(run, 0, 0, 1_000, 10_100)
    closed(run, 1, 0, 0, 10_100)
    assert closed(run, 0, 1, 0, 10_100) == []
    [order] = sent(run.tick(10_600))
    assert order.key == (0, 2)


def test_a_restart_completes_a_plan_that_had_filled() -> None:
    run = PlanRun(Plan((A, B)))
    run.resume({(0, 0): 1_000, (1, 0): 1_000}, 10_000, "session restarted")
    closed(run, 0, 0, 1_000)
    closed(run, 1, 0, 1_000)
    assert run.state is PlanState.COMPLETE


@pytest.mark.parametrize(
    "report",
    [Report((0, 1), 0, Outcome.OPEN), Report((7, 0), 0, Outcome.OPEN), Report((0, 0), 1_001, Outcome.CLOSED),
     Report((0, 0), -1, Outcome.CLOSED)],
)  # fmt: skip
def test_a_report_that_cannot_be_true_changes_nothing(report: Report) -> None:
    run = started(A, B)
    with pytest.raises(BadPlan):
        run.report(report, 10)
    assert (run.filled(0), run.waits_for) == (0, [(0, 0), (1, 0)])


def test_a_restart_with_orders_of_another_plan_is_refused() -> None:
    with pytest.raises(BadPlan):
        PlanRun(Plan((A, B))).resume({(2, 0): 5}, 0, "restart")
    with pytest.raises(BadPlan):
        PlanRun(Plan((A, B))).resume({(1, 2): 5}, 0, "restart")


@pytest.mark.parametrize(
    "build",
    [
        lambda: Plan(()),
        lambda: Plan((A, A)),
        lambda: Plan((A,), complete_ms=0),
        lambda: Plan((A,), step_ms=-1),
        lambda: Plan((Leg("A", Side.BID, 0, 100),)),
        lambda: Plan((Leg("A", Side.BID, 10_000, 100),)),
        lambda: Plan((Leg("A", Side.BID, 4000, 0),)),
        lambda: Plan((Leg("A", Side.BID, 4000, 1.5),)),  # type: ignore[arg-type]
        lambda: Plan((Leg("A", Side.BID, 4000, 100, (3900, 0)),)),
        lambda: Plan((Leg("A", Side.BID, 4000, 100, (3900,) * 11),)),
        lambda: Plan(tuple(Leg(f"M{n}", Side.BID, 4000, 100) for n in range(21))),
    ],
)
def test_plans_that_make_no_sense_are_refused(build: Any) -> None:
    with pytest.raises(BadPlan):
        build()


def test_unwind_prices_step_from_the_bound_to_the_slippage() -> None:
    cents = price_grid(LINEAR_CENT)
    assert unwind_prices(cents, Side.BID, 4000, 300, 3) == (3900, 3800, 3700)
    assert unwind_prices(cents, Side.ASK, 6500, 300, 1) == (6800,)
    assert unwind_prices(cents, Side.BID, 4000, 350, 1) == (3700,)
    assert unwind_prices(cents, Side.BID, 4000, 300, 0) == ()
    assert unwind_prices(cents, Side.BID, 200, 500, 2) == (100, 100)
    assert unwind_prices(price_grid(TAPERED_DECI_CENT), Side.BID, 1_100, 120, 1) == (980,)
    with pytest.raises(OffGridPrice):
        unwind_prices(cents, Side.BID, 4050, 300, 3)
    with pytest.raises(BadPlan):
        unwind_prices(cents, Side.BID, 4000, 300, 11)


def test_hardest_first_puts_the_scarcest_leg_in_front_and_the_unknown_before_it() -> None:
    assert hardest_first((A, B, C), {"A": 2_000, "B": 1_500, "C": 400}) == (2, 1, 0)
    assert hardest_first((A, B, C), {"A": 2_000, "B": None, "C": 400}) == (1, 2, 0)


def test_one_by_one_follows_the_sequence_it_is_given() -> None:
    run = PlanRun(Plan((A, B, C), sending=Sending.ONE_BY_ONE))
    assert [o.key for o in sent(run.start(0, (2, 0, 1)))] == [(2, 0)]
    assert [o.key for o in sent(closed(run, 2, 0, 500))] == [(0, 0)]
    assert [o.key for o in sent(closed(run, 0, 0, 1_000))] == [(1, 0)]


@pytest.mark.parametrize("sequence", [(0,), (0, 0), (1, 2), (0, 1, 2)])
def test_a_sequence_of_other_legs_is_refused(sequence: tuple[int, ...]) -> None:
    with pytest.raises(BadPlan):
        PlanRun(Plan((A, B))).start(0, sequence)
