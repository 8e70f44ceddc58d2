"""Whatever fills, is refused, gets lost or comes late: a plan's own numbers end as the exchange's."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.legs import (
    Action,
    Leg,
    OrderKey,
    Outcome,
    Plan,
    PlannedOrder,
    PlanRun,
    PlanState,
    Report,
    Send,
    Sending,
)
from apps.engine.types import Side, TimeInForce


@dataclass
class Exchange:
    """What really happened to each order, and the checks of everything a plan asks for."""

    run: PlanRun
    now_ms: int = 0
    gave_up: bool = False
    orders: dict[OrderKey, PlannedOrder] = field(default_factory=dict)
    truth: dict[OrderKey, int] = field(default_factory=dict)
    ended: set[OrderKey] = field(default_factory=set)

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                for order in action.orders:
                    self._take(order)
            else:
                assert action.key in self.orders
                assert action.key not in self.ended

    def _take(self, order: PlannedOrder) -> None:
        leg, attempt = order.key
        assert order.key not in self.orders, "an order was sent twice"
        assert all(key in self.ended for key in self.orders if key[0] == leg), "a leg was touched while unresolved"
        if attempt:
            planned = self.run.plan.legs[leg]
            assert order.side is planned.side.opposite
            assert order.quantity == self.held(leg) > 0
            assert order.reduce_only
            assert order.price == planned.unwind_prices[attempt - 1]
        else:
            assert not self.gave_up, "an entry was sent after giving up"
        self.orders[order.key] = order
        self.truth[order.key] = 0

    def held(self, leg: int) -> int:
        return self.truth.get((leg, 0), 0) - sum(f for key, f in self.truth.items() if key[0] == leg and key[1])

    def report(self, key: OrderKey, more: int, outcome: Outcome, seen: int) -> None:
        """`more` contracts fill; the report shows `seen` of those not yet shown unless it is the last one."""
        self.truth[key] = min(self.truth[key] + more, self.orders[key].quantity)
        if outcome is Outcome.CLOSED:
            self.ended.add(key)
            filled = self.truth[key]
        else:
            self.ended.discard(key)
            filled = min(seen, self.truth[key])
        self.carry_out(self.run.report(Report(key, filled, outcome), self.now_ms))

    def tick(self, ms: int) -> None:
        self.now_ms += ms
        self.gave_up = self.gave_up or self.now_ms >= self.run.plan.complete_ms
        self.carry_out(self.run.tick(self.now_ms))

    def stop(self) -> None:
        self.gave_up = True
        self.carry_out(self.run.stop(self.now_ms, "stopped"))

    def settle(self, draw_more: st.DataObject) -> None:
        """Every order is resolved in the end, as the reconciler sees to."""
        for _ in range(200):
            waiting = self.run.waits_for
            for key in waiting:
                more = draw_more.draw(st.integers(0, self.orders[key].quantity))
                self.report(key, more, Outcome.CLOSED, 0)
            self.tick(1_000)
            if self.run.is_over and not self.run.waits_for:
                return
        raise AssertionError(f"the plan never ended: {self.run.state}")


LEGS = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 500), st.integers(0, 3)), min_size=1, max_size=4
).map(
    lambda rows: tuple(
        Leg(f"M{i}", side, 5000, quantity, tuple(5000 - side.sign * 100 * (n + 1) for n in range(steps)))
        for i, (side, quantity, steps) in enumerate(rows)
    )
)
PLANS = st.builds(
    Plan,
    legs=LEGS,
    sending=st.sampled_from(Sending),
    complete_ms=st.integers(1, 5_000),
    step_ms=st.integers(0, 1_000),
    time_in_force=st.sampled_from(TimeInForce),
)


def happen(exchange: Exchange, data: st.DataObject) -> None:
    """One thing: time, a person's stop, a report of an order under way, or a word about one that had ended."""
    kind = data.draw(st.sampled_from(["tick", "report", "report", "report", "late", "stop"]))
    if kind == "tick":
        exchange.tick(data.draw(st.integers(0, 3_000)))
    elif kind == "stop" and data.draw(st.integers(0, 4)) == 0:
        exchange.stop()
    elif kind == "report" and (waiting := exchange.run.waits_for):
        key = data.draw(st.sampled_from(waiting))
        quantity = exchange.orders[key].quantity
        outcome = data.draw(st.sampled_from([Outcome.OPEN, Outcome.UNKNOWN, Outcome.CLOSED, Outcome.CLOSED]))
        exchange.report(key, data.draw(st.integers(0, quantity)), outcome, data.draw(st.integers(0, quantity)))
    elif kind == "late" and exchange.ended and exchange.run.state is not PlanState.COMPLETE:
        key = data.draw(st.sampled_from(sorted(exchange.ended)))
        exchange.report(key, 0, Outcome.UNKNOWN, 0)


def check_the_end(exchange: Exchange) -> None:
    run = exchange.run
    held = {leg.ticker: leg.side.sign * exchange.held(i) for i, leg in enumerate(run.plan.legs)}
    assert run.left == {ticker: quantity for ticker, quantity in held.items() if quantity}
    if run.state is PlanState.COMPLETE:
        assert all(exchange.truth[(i, 0)] == leg.quantity for i, leg in enumerate(run.plan.legs))
        assert not any(attempt for _, attempt in exchange.orders)
    elif run.state in (PlanState.UNWOUND, PlanState.CANCELED):
        assert not run.left
        assert any(exchange.truth.values()) is (run.state is PlanState.UNWOUND)
    else:
        assert run.state is PlanState.LEFT
        for i, leg in enumerate(run.plan.legs):
            tried = sum(1 for key in exchange.orders if key[0] == i and key[1])
            assert exchange.held(i) <= 0 or tried == len(leg.unwind_prices), "left with a step unused"


@given(PLANS, st.data())
@settings(max_examples=200, deadline=None)
def test_exposure_ends_complete_unwound_or_reported_to_the_contract(plan: Plan, data: st.DataObject) -> None:
    exchange = Exchange(PlanRun(plan))
    exchange.carry_out(exchange.run.start(0, data.draw(st.permutations(range(len(plan.legs))))))
    for _ in range(data.draw(st.integers(0, 25))):
        happen(exchange, data)
    exchange.settle(data)
    check_the_end(exchange)


@given(PLANS, st.data())
@settings(max_examples=200, deadline=None)
def test_a_restart_anywhere_changes_nothing_about_the_end(plan: Plan, data: st.DataObject) -> None:
    """The new process knows which orders were stored, and asks the exchange about each."""
    exchange = Exchange(PlanRun(plan))
    exchange.carry_out(exchange.run.start(0))
    for _ in range(data.draw(st.integers(0, 12))):
        happen(exchange, data)
    if exchange.run.state is PlanState.COMPLETE:
        return
    exchange.run, exchange.gave_up = PlanRun(plan), True
    exchange.ended.clear()
    sent = {key: order.quantity for key, order in exchange.orders.items()}
    exchange.run.resume(sent, exchange.now_ms, "session restarted")
    for _ in range(data.draw(st.integers(0, 12))):
        happen(exchange, data)
    exchange.settle(data)
    check_the_end(exchange)
