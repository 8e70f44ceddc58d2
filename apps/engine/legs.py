"""Orders that only make sense together: all of them within a time, or what filled is sold back.

A pure state machine. Reports about its orders and the time go in; orders to send and to cancel come out. An order
whose outcome is not known is waited for: nothing else is sent for its leg until it is resolved. A plan ends complete,
with nothing filled (canceled), unwound, or with exact numbers of what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .errors import BadNumber
from .grid import PriceGrid
from .types import ONE_DOLLAR, Price, Quantity, Side, Ticker, TimeInForce

MAX_LEGS = 20
MAX_UNWIND_STEPS = 10
# What rests for a plan is not renewed, and the exchange takes it off after less than a minute.
MAX_COMPLETE_MS = 50_000


class PlanState(StrEnum):
    """`left`: it ended with contracts that could not, or should not, be sold back."""

    PENDING = "pending"
    WORKING = "working"
    COMPLETE = "complete"
    UNWINDING = "unwinding"
    UNWOUND = "unwound"
    LEFT = "left"
    CANCELED = "canceled"


class Sending(StrEnum):
    """together: all legs at once. one_by_one: the hardest first, each only after the one before has filled."""

    TOGETHER = "together"
    ONE_BY_ONE = "one_by_one"


class Outcome(StrEnum):
    """What is known of an order: on its way; it rests; nobody knows; it has ended and `filled` is final."""

    SENT = "sent"
    OPEN = "open"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class BadPlan(BadNumber):
    """A plan that cannot be carried out, or a report that cannot be about it."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One order of a plan; `bound` is the worst price it may fill at.

    `unwind_prices`: the prices at which what filled is offered back, one attempt each; none means it is held.
    """

    ticker: Ticker
    side: Side
    bound: Price
    quantity: Quantity
    unwind_prices: tuple[Price, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`complete_ms`: the time all legs have to fill. `step_ms`: the pause between two attempts to unwind a leg.

    Raises `BadPlan` for a plan without legs, with two legs in one market, or with numbers out of bounds.
    """

    legs: tuple[Leg, ...]
    sending: Sending = Sending.TOGETHER
    complete_ms: int = 2_000
    step_ms: int = 500
    time_in_force: TimeInForce = TimeInForce.IMMEDIATE_OR_CANCEL

    def __post_init__(self) -> None:
        if not 1 <= len(self.legs) <= MAX_LEGS:
            raise BadPlan(f"a plan has 1 to {MAX_LEGS} legs, not {len(self.legs)}")
        if len({leg.ticker for leg in self.legs}) != len(self.legs):
            raise BadPlan("two legs of a plan are in one market")
        if not 0 < self.complete_ms <= MAX_COMPLETE_MS or not 0 <= self.step_ms <= MAX_COMPLETE_MS:
            raise BadPlan(f"times of a plan are above 0 and at most {MAX_COMPLETE_MS} ms")
        for leg in self.legs:
            _check_leg(leg)


def _check_leg(leg: Leg) -> None:
    prices = (leg.bound, *leg.unwind_prices)
    if any(type(price) is not int or not 0 < price < ONE_DOLLAR for price in prices):
        raise BadPlan(f"a price of leg {leg.ticker} is not inside 0 and 1")
    if type(leg.quantity) is not int or leg.quantity <= 0:
        raise BadPlan(f"quantity of leg {leg.ticker} is not above zero: {leg.quantity!r:.40}")
    if len(leg.unwind_prices) > MAX_UNWIND_STEPS:
        raise BadPlan(f"leg {leg.ticker} has more than {MAX_UNWIND_STEPS} steps to unwind")


OrderKey: TypeAlias = tuple[int, int]
"""Number of the leg and of the attempt: 0 enters, 1 and up unwind."""


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """One order to send, once."""

    key: OrderKey
    ticker: Ticker
    side: Side
    price: Price
    quantity: Quantity
    time_in_force: TimeInForce
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Orders to send in one batch."""

    orders: tuple[PlannedOrder, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """An order to take off the book; its report then tells what filled."""

    key: OrderKey


Action: TypeAlias = Send | Cancel


@dataclass(frozen=True, slots=True)
class Report:
    """Where an order stands; `filled` counts all its fills so far. Repeated and late reports do no harm."""

    key: OrderKey
    filled: Quantity
    outcome: Outcome


@dataclass(slots=True)
class _Order:
    quantity: Quantity
    filled: Quantity = 0
    outcome: Outcome = Outcome.SENT
    closed_ms: int = 0
    is_cancel_asked: bool = False


class PlanRun:
    """One plan on its way. `start`, `report`, `tick` and `stop` return what to do now; time is Unix milliseconds.

    An order counts as sent from the moment it is returned: one that could not be sent is reported closed with
    nothing filled. While `is_held` nothing is unwound and no step used up, as when the way to the exchange is shut.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.state = PlanState.PENDING
        self.failure = ""
        self.is_held = False
        self._orders: dict[OrderKey, _Order] = {}
        self._sequence: Sequence[int] = range(len(plan.legs))
        self._deadline_ms = 0

    def start(self, now_ms: int, sequence: Sequence[int] | None = None) -> list[Action]:
        """Begins; does nothing when begun before. `sequence`: numbers of all legs in the order of sending.

        Raises `BadPlan` for a sequence that is not of all legs.
        """
        if self.state is not PlanState.PENDING:
            return []
        if sequence is not None:
            if sorted(sequence) != list(self._sequence):
                raise BadPlan(f"sequence {list(sequence)} is not of all legs")
            self._sequence = tuple(sequence)
        self.state, self._deadline_ms = PlanState.WORKING, now_ms + self.plan.complete_ms
        return self._advance(now_ms)

    def resume(self, sent: Mapping[OrderKey, Quantity], now_ms: int, why: str) -> None:
        """After a restart: the orders that were stored before, all of unknown outcome. Nothing more is entered."""
        self.state = PlanState.UNWINDING if any(attempt for _, attempt in sent) else PlanState.WORKING
        self._deadline_ms, self.failure = now_ms, why
        for key, quantity in sorted(sent.items()):
            self._leg(key)
            self._orders[key] = _Order(quantity, outcome=Outcome.UNKNOWN)

    def report(self, report: Report, now_ms: int) -> list[Action]:
        """Takes a report in. Raises `BadPlan`, changing nothing, for one that cannot be about this plan."""
        order = self._orders.get(report.key)
        if order is None:
            raise BadPlan(f"plan sent no order {report.key}")
        if not 0 <= report.filled <= order.quantity:
            raise BadPlan(f"order {report.key} of {order.quantity} cannot have filled {report.filled}")
        if report.outcome is Outcome.CLOSED and order.outcome is not Outcome.CLOSED:
            order.closed_ms = now_ms
        if report.outcome is Outcome.UNKNOWN:
            order.is_cancel_asked = False
        order.filled, order.outcome = max(order.filled, report.filled), report.outcome
        return self._advance(now_ms)

    def tick(self, now_ms: int) -> list[Action]:
        """What time alone asks for."""
        return self._advance(now_ms)

    def stop(self, now_ms: int, why: str) -> list[Action]:
        """Gives up entering: what rests is canceled, what filled is unwound."""
        if self.state is PlanState.PENDING:
            self.state = PlanState.CANCELED
        self.failure = self.failure or why
        return self._advance(now_ms)

    @property
    def is_over(self) -> bool:
        return self.state in (PlanState.COMPLETE, PlanState.CANCELED, PlanState.UNWOUND, PlanState.LEFT)

    def filled(self, leg: int) -> Quantity:
        order = self._orders.get((leg, 0))
        return order.filled if order else 0

    def unwound(self, leg: int) -> Quantity:
        return sum(order.filled for order in self._unwinding(leg))

    def held(self, leg: int) -> Quantity:
        """What filled and was not sold back, so far as it is known."""
        return self.filled(leg) - self.unwound(leg)

    @property
    def left(self) -> dict[Ticker, Quantity]:
        """Signed YES contracts that the plan has added to each market and not taken back."""
        held = {leg.ticker: leg.side.sign * self.held(i) for i, leg in enumerate(self.plan.legs)}
        return {ticker: quantity for ticker, quantity in held.items() if quantity}

    @property
    def waits_for(self) -> list[OrderKey]:
        """Orders that have not ended, or of which nobody knows."""
        return [key for key, order in self._orders.items() if order.outcome is not Outcome.CLOSED]

    def leg_state(self, leg: int) -> str:
        """pending, sent, open, unknown, filled, closed, unwound or left, for the page."""
        orders = [order for key, order in self._orders.items() if key[0] == leg]
        if not orders:
            return "pending"
        for outcome in (Outcome.UNKNOWN, Outcome.SENT, Outcome.OPEN):
            if any(order.outcome is outcome for order in orders):
                return outcome.value
        if self.held(leg) and self.state is PlanState.LEFT:
            return "left"
        if self.held(leg) == self.plan.legs[leg].quantity:
            return "filled"
        return "unwound" if self.unwound(leg) and not self.held(leg) else "closed"

    def _advance(self, now_ms: int) -> list[Action]:
        if self.state in (PlanState.PENDING, PlanState.COMPLETE):
            return []
        if self.state is PlanState.WORKING:
            if all(self.filled(i) == leg.quantity for i, leg in enumerate(self.plan.legs)):
                self.state = PlanState.COMPLETE
                return []
            self.failure = self.failure or self._failed(now_ms)
            if not self.failure:
                return self._enter()
            cancels = self._cancels()
            if self._may_still_complete():
                return cancels
            self.state = PlanState.UNWINDING
            return cancels + self._unwind(now_ms)
        return self._cancels() + self._unwind(now_ms)

    def _failed(self, now_ms: int) -> str:
        for i, leg in enumerate(self.plan.legs):
            if self._fell_short(i):
                return f"{leg.ticker} did not fill in full"
        return "time is over" if now_ms >= self._deadline_ms else ""

    def _fell_short(self, leg: int) -> bool:
        order = self._orders.get((leg, 0))
        return order is not None and order.outcome is Outcome.CLOSED and order.filled < self.plan.legs[leg].quantity

    def _may_still_complete(self) -> bool:
        """Everything was sent and what is not full has not ended: its last report decides."""
        return all((i, 0) in self._orders and not self._fell_short(i) for i in range(len(self.plan.legs)))

    def _enter(self) -> list[Action]:
        unsent = [i for i in self._sequence if (i, 0) not in self._orders]
        if self.plan.sending is Sending.ONE_BY_ONE:
            if any(self.filled(i) < self.plan.legs[i].quantity for i in self._sequence if i not in unsent):
                return []
            unsent = unsent[:1]
        return self._send([self._entry(i) for i in unsent])

    def _entry(self, i: int) -> PlannedOrder:
        leg = self.plan.legs[i]
        return PlannedOrder(
            (i, 0), leg.ticker, leg.side, leg.bound, leg.quantity, self.plan.time_in_force, reduce_only=False
        )

    def _cancels(self) -> list[Action]:
        """Once for each entry that still rests."""
        found: list[Action] = []
        for key, order in self._orders.items():
            if order.outcome is Outcome.OPEN and not order.is_cancel_asked:
                order.is_cancel_asked = True
                found.append(Cancel(key))
        return found

    def _unwind(self, now_ms: int) -> list[Action]:
        """Offers back what each resolved leg holds, then says how the plan stands."""
        legs = range(len(self.plan.legs))
        actions = self._send([order for i in legs if (order := self._next_unwinding(i, now_ms)) is not None])
        if self.waits_for or any(self._has_steps_left(i) for i in legs):
            self.state = PlanState.UNWINDING
        elif self.left:
            self.state = PlanState.LEFT
        else:
            self.state = PlanState.UNWOUND if any(self.filled(i) for i in legs) else PlanState.CANCELED
        return actions

    def _next_unwinding(self, i: int, now_ms: int) -> PlannedOrder | None:
        if self.is_held or not self._has_steps_left(i) or any(key[0] == i for key in self.waits_for):
            return None
        before = self._unwinding(i)
        if before and now_ms < before[-1].closed_ms + self.plan.step_ms:
            return None
        leg, number = self.plan.legs[i], len(before)
        return PlannedOrder(
            (i, number + 1), leg.ticker, leg.side.opposite, leg.unwind_prices[number], self.held(i),
            TimeInForce.IMMEDIATE_OR_CANCEL, reduce_only=True,
        )  # fmt: skip

    def _has_steps_left(self, i: int) -> bool:
        return self.held(i) > 0 and len(self._unwinding(i)) < len(self.plan.legs[i].unwind_prices)

    def _unwinding(self, leg: int) -> list[_Order]:
        return [order for key, order in self._orders.items() if key[0] == leg and key[1] > 0]

    def _send(self, orders: list[PlannedOrder]) -> list[Action]:
        for order in orders:
            self._orders[order.key] = _Order(order.quantity)
        return [Send(tuple(orders))] if orders else []

    def _leg(self, key: OrderKey) -> Leg:
        leg, attempt = key
        if not 0 <= leg < len(self.plan.legs) or not 0 <= attempt <= len(self.plan.legs[leg].unwind_prices):
            raise BadPlan(f"plan has no order {key}")
        return self.plan.legs[leg]


def unwind_prices(grid: PriceGrid, side: Side, bound: Price, slippage: Price, steps: int) -> tuple[Price, ...]:
    """Prices at which to give a leg of `side` back: from its bound to `slippage` beyond, in equal steps of the grid.

    One step is at `slippage` at once, none means to hold. Never worse than `slippage`. Raises `OffGridPrice`,
    and `BadPlan` for numbers out of bounds.
    """
    if not 0 <= steps <= MAX_UNWIND_STEPS or slippage < 0:
        raise BadPlan(f"0 to {MAX_UNWIND_STEPS} steps and a slippage not below zero, not {steps} and {slippage}")
    sign, start = side.sign, grid.index(bound)
    found: list[Price] = []
    for step in range(1, steps + 1):
        limit = bound - sign * (slippage * step // steps)
        tick = start
        while 0 <= tick - sign < len(grid) and (grid.prices[tick - sign] - limit) * sign >= 0:
            tick -= sign
        found.append(grid.prices[tick])
    return tuple(found)


def hardest_first(legs: Sequence[Leg], depth: Mapping[Ticker, Quantity | None]) -> tuple[int, ...]:
    """Numbers of the legs by how much of each is to be had, the scarcest first; one of which that is not known before.

    `depth`: contracts within the leg's bound, None or absent where not known.
    """

    def ease(i: int) -> tuple[bool, int]:
        there = depth.get(legs[i].ticker)
        return there is not None, (there or 0) * 1_000_000 // legs[i].quantity

    return tuple(sorted(range(len(legs)), key=ease))
