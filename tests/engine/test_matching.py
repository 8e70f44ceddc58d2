"""Price-time priority, our own place in a crowd we only know by totals, and what a recording may prove."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.errors import BadNumber, InvariantBroken, NegativeLevel
from apps.engine.matching import Match, MatchingBook, RestingOrder, Taken, Taker, TradeInference
from apps.engine.matching.inference import InferredTrade
from apps.engine.types import Level, Price, Quantity, SelfTradePrevention, Side

BID, ASK = Side.BID, Side.ASK
ALICE, BOB = "alice", "bob"


def book(bids: list[Level], asks: list[Level], *, recorded: bool = True) -> MatchingBook:
    made = MatchingBook(recorded=recorded)
    made.replace_external(bids, asks)
    made.drain()
    return made


def rest(
    made: MatchingBook, side: Side, price: Price, quantity: Quantity, *, name: str = "o1", owner: str = ALICE
) -> RestingOrder:
    order = RestingOrder(name, owner, side, price, quantity)
    made.place(order)
    return order


def fills(taken: Taken) -> list[tuple[Price, Quantity, str | None]]:
    return [(m.price, m.quantity, m.maker.order_id if m.maker else None) for m in taken.matches]


class TestQueue:
    def test_order_waits_behind_what_rested_before_it(self) -> None:
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4000, 100)
        assert order.queue_ahead == 500
        assert made.queue_position(order) == 500
        assert made.shown(BID, 4000) == 600

    def test_later_size_at_the_level_comes_behind(self) -> None:
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4000, 100)
        made.change_external(BID, 4000, 900)
        assert order.queue_ahead == 500

    def test_cancels_come_from_behind_first_until_the_level_is_smaller_than_the_queue(self) -> None:
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4000, 100)
        made.change_external(BID, 4000, 300)
        made.change_external(BID, 4000, -300)
        assert order.queue_ahead == 500
        made.change_external(BID, 4000, -200)
        assert order.queue_ahead == 300

    def test_trade_takes_from_the_front_and_fills_only_what_reaches_us(self) -> None:
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4000, 100)
        assert made.recorded_trade(BID, 4000, 300) == []
        assert order.queue_ahead == 200
        matches = made.recorded_trade(BID, 4000, 250)
        assert [(m.price, m.quantity, m.taker_side) for m in matches] == [(4000, 50, ASK)]
        assert (order.queue_ahead, order.remaining) == (0, 50)

    def test_decrease_and_the_trade_that_made_it_count_once(self) -> None:
        """The level shrinks first and the ticker tells of the trade later: the same contracts, not twice."""
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4000, 100)
        made.change_external(BID, 4000, -300)
        assert order.queue_ahead == 200
        assert made.recorded_trade(BID, 4000, 300) == []
        assert order.queue_ahead == 200
        made.close_window()
        assert [m.quantity for m in made.recorded_trade(BID, 4000, 220)] == [20]

    def test_queue_position_counts_better_prices_and_earlier_orders(self) -> None:
        made = book([(4100, 70), (4000, 500)], [(6000, 500)])
        rest(made, BID, 4000, 30, name="o1", owner=BOB)
        order = rest(made, BID, 4000, 100, name="o2")
        assert made.queue_position(order) == 70 + 500 + 30

    def test_order_inside_the_spread_is_first_in_line(self) -> None:
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4100, 100)
        assert made.queue_position(order) == 0
        assert [(m.price, m.quantity) for m in made.recorded_trade(BID, 4000, 60)] == [(4100, 60)]
        assert order.remaining == 40

    def test_better_order_uses_up_the_trade_before_the_worse_one(self) -> None:
        made = book([(4000, 0)], [(6000, 500)])
        rest(made, BID, 4000, 100, name="low")
        rest(made, BID, 4100, 100, name="high")
        matches = made.recorded_trade(BID, 4000, 130)
        assert [(m.maker.order_id, m.quantity) for m in matches if m.maker] == [("high", 100), ("low", 30)]

    def test_reduce_keeps_the_place_and_placing_again_loses_it(self) -> None:
        made = book([(4000, 500)], [(6000, 500)])
        order = rest(made, BID, 4000, 100)
        made.change_external(BID, 4000, 400)
        made.reduce(order, 60)
        assert order.queue_ahead == 500
        made.remove(order)
        made.place(order)
        assert order.queue_ahead == 900


class TestRecordedBook:
    def test_our_takers_leave_the_recording_untouched_and_never_take_the_same_size_twice(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        first = made.take(Taker(BID, 6000, 200, ALICE, "t1"))
        assert fills(first) == [(6000, 200, None)]
        assert (made.recorded_size(ASK, 6000), made.shown(ASK, 6000)) == (300, 100)
        second = made.take(Taker(BID, 6000, 200, ALICE, "t2"))
        assert (fills(second), second.remaining) == ([(6000, 100, None)], 100)

    def test_recorded_decrease_does_not_give_back_what_we_took(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        made.take(Taker(BID, 6000, 200, ALICE, "t1"))
        made.change_external(ASK, 6000, -50)
        assert made.available(ASK, 6000) == 50
        made.change_external(ASK, 6000, -200)
        assert made.available(ASK, 6000) == 0

    def test_recorded_increase_is_new_size(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        made.take(Taker(BID, 6000, 300, ALICE, "t1"))
        assert made.best(ASK) is None
        made.change_external(ASK, 6000, 40)
        assert made.best(ASK) == (6000, 40)

    def test_crossing_recorded_size_fills_us_at_our_price_and_is_used_up(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        order = rest(made, BID, 5500, 100)
        matches = made.change_external(ASK, 5400, 70)
        assert [(m.price, m.quantity, m.taker_side) for m in matches] == [(5500, 70, ASK)]
        assert order.remaining == 30
        assert made.recorded_size(ASK, 5400) == 70
        assert made.best(ASK) == (6000, 300)
        assert made.change_external(ASK, 5400, -70) == []

    def test_what_is_left_of_the_crossing_size_is_shown(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        rest(made, BID, 5500, 100)
        made.change_external(ASK, 5400, 170)
        assert (made.best(BID), made.best(ASK)) == ((4000, 500), (5400, 70))

    def test_snapshot_keeps_the_queue_conservative(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        order = rest(made, BID, 4000, 100)
        made.replace_external([(4000, 800)], [(6000, 300)])
        assert order.queue_ahead == 500
        made.replace_external([(4000, 120)], [(6000, 300)])
        assert order.queue_ahead == 120

    def test_negative_level_is_refused_and_changes_nothing(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        with pytest.raises(NegativeLevel):
            made.change_external(BID, 4000, -501)
        assert made.shown(BID, 4000) == 500
        assert made.drain() == []


class TestTakers:
    def test_price_then_time(self) -> None:
        made = book([], [(6000, 50)], recorded=False)
        rest(made, ASK, 6000, 30, name="first", owner=BOB)
        rest(made, ASK, 5900, 10, name="better", owner=BOB)
        made.change_external(ASK, 6000, 20)
        rest(made, ASK, 6000, 30, name="second", owner=BOB)
        taken = made.take(Taker(BID, 6000, 1_000, ALICE, "t"))
        assert fills(taken) == [
            (5900, 10, "better"),
            (6000, 50, None),
            (6000, 30, "first"),
            (6000, 20, None),
            (6000, 30, "second"),
        ]
        assert taken.remaining == 1_000 - 140

    def test_limit_is_respected(self) -> None:
        made = book([], [(6000, 50), (6100, 50)])
        taken = made.take(Taker(BID, 6000, 80, ALICE, "t"))
        assert (fills(taken), taken.remaining) == ([(6000, 50, None)], 30)

    def test_taker_at_cross_stops_with_earlier_fills_standing(self) -> None:
        made = book([], [(5900, 10)])
        own = rest(made, ASK, 6000, 30, owner=ALICE)
        taken = made.take(Taker(BID, 6000, 100, ALICE, "t"))
        assert (fills(taken), taken.self_crossed, taken.remaining) == ([(5900, 10, None)], True, 90)
        assert own.remaining == 30

    def test_maker_prevention_removes_our_resting_order_and_goes_on(self) -> None:
        made = book([], [])
        own = rest(made, ASK, 6000, 30, name="own", owner=ALICE)
        rest(made, ASK, 6000, 40, name="theirs", owner=BOB)
        taken = made.take(Taker(BID, 6000, 60, ALICE, "t", SelfTradePrevention.MAKER))
        assert (taken.prevented, fills(taken), taken.remaining) == ([own], [(6000, 40, "theirs")], 20)
        assert made.best(ASK) is None

    def test_live_liquidity_is_really_consumed(self) -> None:
        made = book([], [(6000, 50)], recorded=False)
        made.take(Taker(BID, 6000, 20))
        assert made.recorded_size(ASK, 6000) == 30

    def test_fillable_counts_everything_within_the_limit(self) -> None:
        made = book([], [(6000, 50), (6100, 50)])
        rest(made, ASK, 6000, 30)
        assert made.fillable(Taker(BID, 6000, 1_000, ALICE)) == 80
        assert made.fillable(Taker(BID, 6100, 100, ALICE)) == 100

    def test_crossing_order_cannot_be_placed(self) -> None:
        made = book([], [(6000, 50)])
        with pytest.raises(InvariantBroken):
            rest(made, BID, 6000, 10)


class TestChanges:
    def test_decreases_come_first_and_name_their_orders(self) -> None:
        made = book([(4000, 500)], [(6000, 300)])
        rest(made, BID, 5500, 100)
        made.drain()
        made.change_external(ASK, 5400, 170)
        changes = [(c.side, c.price, c.delta, c.order_ids) for c in made.drain()]
        assert changes == [(BID, 5500, -100, ("o1",)), (ASK, 5400, 70, ())]
        assert made.drain() == []

    def test_taker_is_the_cause_of_what_it_took(self) -> None:
        made = book([], [(6000, 300)])
        made.take(Taker(BID, 6000, 100, ALICE, "t"))
        assert [(c.delta, c.order_ids) for c in made.drain()] == [(-100, ("t",))]


class TestInference:
    def test_volume_counts_both_sides_of_a_trade(self) -> None:
        inference = TradeInference()
        assert inference.ticker(4000, 10_000) is None
        inference.level_changed(BID, 4000, -500)
        assert inference.ticker(4000, 10_600) == InferredTrade(BID, 4000, 300)

    def test_never_more_than_the_level_lost(self) -> None:
        inference = TradeInference()
        inference.ticker(4000, 0)
        inference.level_changed(ASK, 4000, -120)
        assert inference.ticker(4000, 100_000) == InferredTrade(ASK, 4000, 120)

    def test_no_volume_no_trade(self) -> None:
        inference = TradeInference()
        inference.ticker(4000, 100)
        inference.level_changed(BID, 4000, -500)
        assert inference.ticker(4000, 100) is None
        assert inference.ticker(4000, 90) is None

    def test_ambiguous_side_proves_nothing(self) -> None:
        inference = TradeInference()
        inference.ticker(4000, 0)
        inference.level_changed(BID, 4000, -50)
        inference.level_changed(ASK, 4000, -50)
        assert inference.ticker(4000, 400) is None
        inference.ticker(4000, 800)
        assert inference.ticker(4000, 1_200) is None

    def test_window_ends_with_each_ticker_and_with_a_snapshot(self) -> None:
        inference = TradeInference()
        inference.ticker(4000, 0)
        inference.level_changed(BID, 4000, -500)
        inference.ticker(3900, 0)
        assert inference.ticker(4000, 600) is None
        inference.level_changed(BID, 4000, -500)
        inference.reset()
        assert inference.ticker(4000, 9_000) is None

    def test_absurd_setting_is_refused(self) -> None:
        with pytest.raises(BadNumber):
            TradeInference(volume_sides=0)


PRICES = {BID: (4700, 4800, 4900, 5000), ASK: (5100, 5200, 5300, 5400)}
OWN_PRICES = (*PRICES[BID], 5050, *PRICES[ASK])


class Machine:
    """Applies random operations and keeps a mirror of everything that must agree."""

    def __init__(self, *, recorded: bool) -> None:
        self.book = MatchingBook(recorded=recorded)
        self.feed: dict[tuple[Side, Price], Quantity] = {}
        self.public: dict[tuple[Side, Price], Quantity] = {}
        self.orders: list[RestingOrder] = []
        self.initial: dict[str, Quantity] = {}
        self.filled: dict[str, Quantity] = {}

    def note(self, matches: list[Match]) -> Quantity:
        for m in matches:
            if m.maker is not None:
                self.filled[m.maker.order_id] += m.quantity
        return sum(m.quantity for m in matches)

    def level(self, side: Side, index: int, size: Quantity) -> None:
        price = PRICES[side][index]
        before = self.book.recorded_size(side, price)
        available = self.book.available(side, price)
        crossed = self.note(self.book.change_external(side, price, size - before))
        self.feed[side, price] = size if self.book.recorded else size - crossed
        if size <= before:
            assert self.book.available(side, price) <= available

    def take(self, side: Side, limit: Price, quantity: Quantity, owner: str | None) -> None:
        fits = self.book.fillable(Taker(side, limit, quantity, owner))
        order_id = None if owner is None else f"t{len(self.initial)}"
        taken = self.book.take(Taker(side, limit, quantity, owner, order_id, SelfTradePrevention.MAKER))
        total = self.note(taken.matches)
        assert total + taken.remaining == quantity
        assert total <= fits
        prices = [m.price for m in taken.matches]
        assert prices == sorted(prices, reverse=side is ASK)
        for order in taken.prevented:
            self.initial[order.order_id] -= order.remaining
            order.remaining = 0
        if not self.book.recorded:
            for m in taken.matches:
                if m.maker is None:
                    self.feed[side.opposite, m.price] -= m.quantity

    def place(self, side: Side, price: Price, quantity: Quantity, owner: str) -> None:
        if self.book.fillable(Taker(side, price, 1, owner)):
            return
        order = RestingOrder(f"o{len(self.initial)}", owner, side, price, quantity)
        self.book.place(order)
        self.orders.append(order)
        self.initial[order.order_id], self.filled[order.order_id] = quantity, 0

    def trade(self, side: Side, index: int, quantity: Quantity) -> None:
        matches = self.book.recorded_trade(side, PRICES[side][index], quantity)
        assert self.note(matches) <= quantity
        prices = [m.price for m in matches]
        assert prices == sorted(prices, reverse=side is BID)

    def check(self, ahead_before: dict[str, Quantity]) -> None:
        for change in self.book.drain():
            key = change.side, change.price
            self.public[key] = self.public.get(key, 0) + change.delta
            assert self.public[key] >= 0
        for side in Side:
            shown = dict(self.book.levels(side))
            assert shown == {p: q for (s, p), q in self.public.items() if s is side and q}
            for price in PRICES[side]:
                assert self.book.recorded_size(side, price) == self.feed.get((side, price), 0)
                assert 0 <= self.book.available(side, price) <= self.book.recorded_size(side, price)
        best_bid, best_ask = self.book.best(BID), self.book.best(ASK)
        assert best_bid is None or best_ask is None or best_bid[0] < best_ask[0]
        last: dict[tuple[Side, Price], Quantity] = {}
        for order in self.book.orders():
            assert order.remaining > 0
            assert order.queue_ahead <= self.book.available(order.side, order.price)
            assert order.queue_ahead <= ahead_before.get(order.order_id, order.queue_ahead)
            assert order.queue_ahead >= last.get((order.side, order.price), 0)
            last[order.side, order.price] = order.queue_ahead
        for order in self.orders:
            assert order.remaining + self.filled[order.order_id] == self.initial[order.order_id]


sides = st.sampled_from(Side)
sizes = st.integers(1, 400)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("level"), sides, st.integers(0, 3), st.integers(0, 400)),
        st.tuples(st.just("place"), sides, st.sampled_from(OWN_PRICES), sizes, st.sampled_from([ALICE, BOB])),
        st.tuples(st.just("take"), sides, st.sampled_from(OWN_PRICES), sizes, st.sampled_from([ALICE, BOB, None])),
        st.tuples(st.just("trade"), sides, st.integers(0, 3), sizes),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("window")),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(recorded=st.booleans(), steps=operations)
def test_no_sequence_of_events_breaks_the_book(recorded: bool, steps: list[tuple[object, ...]]) -> None:
    machine = Machine(recorded=recorded)
    for name, *arguments in steps:
        ahead = {o.order_id: o.queue_ahead for o in machine.book.orders()}
        if name == "cancel":
            resting = machine.book.orders()
            if resting:
                order = resting[int(str(arguments[0])) % len(resting)]
                machine.book.remove(order)
                machine.initial[order.order_id] -= order.remaining
                order.remaining = 0
        elif name == "window":
            machine.book.close_window()
        else:
            getattr(machine, str(name))(*arguments)
        machine.check(ahead)
