"""The trading session as a whole: what it sends, what it stores, and when it keeps still."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.core.exceptions import NotPermitted
from apps.engine.types import Side
from apps.gateway.errors import ReplyTimeout
from apps.governance.models import AuditEvent
from apps.trading.models import CashEntry, Decision, Fill, Order, Position, Reconciliation, TradingSession
from apps.trading.services.sessions import session_restart
from tests.factories import NOW, user
from tests.fakes.venue import FakeVenue

from .harness import TICKER, arrange, fill_of, query, running

pytestmark = pytest.mark.django_db(transaction=True)

BIDS, ASKS = [(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)]


async def test_a_wide_book_is_quoted_one_tick_inside_on_both_sides() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == 2, "two orders sent")
        sent = {intent.side: intent for intent in stage.venue.sent}
    assert (sent[Side.BID].price, sent[Side.ASK].price) == (5700, 5900)
    assert all(intent.post_only for intent in sent.values())


async def test_the_intent_is_in_the_database_before_the_venue_hears_of_it() -> None:
    account = await query(arrange)()
    seen: list[tuple[str, bool]] = []

    class Watching(FakeVenue):
        async def submit(self, intent):  # type: ignore[no-untyped-def]
            row = await Order.objects.filter(client_order_id=intent.client_order_id).afirst()
            seen.append((row.status if row else "missing", bool(row and row.decision_id)))
            return await super().submit(intent)

    async with running(account, Watching()) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(seen) == 2, "both sent")
    assert seen == [("submitted", True)] * 2


async def test_every_decision_says_what_it_saw_and_why() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book([(5600, 1000)], [(5700, 1000)])
        desk = stage.session.context.desks[TICKER]
        await stage.until(lambda: desk.decision and desk.decision.reason == "spread_below_minimum", "skipped")
        await stage.delta(Side.BID, 5600, -500)
    row = await Decision.objects.filter(reason="spread_below_minimum").afirst()
    assert row is not None
    assert (row.best_bid, row.best_ask, row.position) == (Decimal("0.56"), Decimal("0.57"), 0)
    assert (row.bid_reason, row.ask_reason) == ("spread_below_minimum", "spread_below_minimum")
    assert (row.bid_price, row.ask_price) == (None, None)
    assert stage.venue.sent == []


async def test_a_fill_counts_once_however_often_it_is_reported() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == 2, "two orders sent")
        index = next(i for i, intent in enumerate(stage.venue.sent) if intent.side is Side.BID)
        fill = fill_of(stage, index, fee=1_700)
        stage.venue.cash -= fill.price * fill.quantity + fill.fee
        stage.venue.resting.pop(f"v-{index + 1}")
        stage.venue.fill_rows.append(fill)
        await stage.fill(fill)
        await stage.fill(fill)
        await stage.session.trader.reconciler.reconcile("test")
        stage.venue.position_rows.append(_position(fill.quantity))
    fills = await query(list)(Fill.objects.all())
    cash = await query(list)(CashEntry.objects.order_by("id").values_list("kind", "amount"))
    position = await Position.objects.aget()
    assert len(fills) == 1
    assert cash == [
        ("opening", Decimal("10000.000000")),
        ("trade", Decimal("-5.700000")),
        ("fee", Decimal("-0.001700")),
    ]
    assert (position.quantity, position.cost, position.fees) == (Decimal(10), Decimal("5.7"), Decimal("0.0017"))
    order = await Order.objects.aget(side="bid", status="filled")
    assert order.filled == 10


async def test_an_unanswered_create_is_looked_up_and_never_sent_again() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        stage.venue.answers = [ReplyTimeout("timeout"), None]
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == 2, "two orders sent")
        lost = stage.venue.sent[0]
        order = stage.session.context.blotter.find(client_order_id=lost.client_order_id)
        assert order is not None
        await stage.until(lambda: order.tracked.status == "unknown", "unknown")
        stage.venue.rest(lost, "v-late")
        await stage.session.trader.reconciler.resolve_undecided()
        assert order.tracked.status == "accepted"
        assert order.tracked.order_id == "v-late"
    assert [i.client_order_id for i in stage.venue.sent].count(lost.client_order_id) == 1
    assert "v-late" in stage.venue.canceled


async def test_a_sequence_gap_takes_the_quotes_off_and_asks_for_a_snapshot() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
        await stage.delta(Side.BID, 5500, 100, skip=3)
        assert stage.socket.resyncs == [(1, (TICKER,))]
        await stage.until(lambda: not stage.venue.resting, "quotes taken off")
        sent = len(stage.venue.sent)
        await stage.delta(Side.BID, 5500, 100)
        assert len(stage.venue.sent) == sent
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == sent + 2, "quoting again after the snapshot")
    assert stage.session.context.counters.seq_gaps == 1


async def test_own_orders_in_the_book_are_not_taken_for_others() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
        for intent in list(stage.venue.sent):
            await stage.delta(intent.side, intent.price, intent.quantity, own=intent.client_order_id)
        desk = stage.session.context.desks[TICKER]
        await stage.until(lambda: desk.decision is not None and desk.decision.reason == "keep", "kept")
        assert (desk.bid, desk.ask) == ((5600, 1000), (6000, 1500))
    assert len(stage.venue.sent) == 2


async def test_stopping_takes_every_order_off_and_ties_out() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
    assert stage.venue.resting == {}
    row = await TradingSession.objects.aget()
    assert (row.state, row.reason) == ("stopped", "stopped")
    assert row.counters["orders"] == 2
    last = await Reconciliation.objects.order_by("-id").afirst()
    assert last is not None
    assert (last.trigger, last.is_clean, last.cash_drift) == ("stop", True, 0)
    assert await Order.objects.filter(status="canceled").acount() == 2


async def test_what_an_earlier_session_left_resting_is_taken_off_at_start() -> None:
    account = await query(arrange)()
    venue = FakeVenue()
    async with running(account, venue) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(venue.resting) == 2, "two orders resting")
        left = dict(venue.resting)
    venue.resting.update(left)
    async with running(account, venue):
        assert venue.resting == {}


async def test_a_second_session_of_the_same_account_does_not_start() -> None:
    account = await query(arrange)()
    async with running(account):
        with pytest.raises(AssertionError):
            async with running(account):
                pass
    assert await TradingSession.objects.acount() == 1


def _position(quantity: int):  # type: ignore[no-untyped-def]
    from apps.engine.ports import VenuePosition

    return VenuePosition(TICKER, quantity, None, None, None)


async def test_a_restart_asked_for_in_the_admin_ends_the_session_clean() -> None:
    account = await query(arrange)()
    person = await query(user)("cliff", perms=("trading.operate_session",))
    stranger = await query(user)("eve")
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
        row = await TradingSession.objects.aget()
        with pytest.raises(NotPermitted):
            await query(session_restart)(session=row, actor=stranger, reason="new release", now=NOW)
        await query(session_restart)(session=row, actor=person, reason="new release", now=NOW)
        await stage.until(lambda: stage.session.context.state == "stopped", "stopped")
    assert stage.venue.resting == {}
    event = await AuditEvent.objects.aget(action="trading.session.restart")
    assert (event.actor_label, event.reason) == ("cliff", "new release")
