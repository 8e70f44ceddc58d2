"""Each last guard of the session by itself: what it refuses never reaches the exchange, whatever stands before it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError

from apps.core.leases import LeaseLost
from apps.engine.exposure import NodeKey, NodeLevel
from apps.engine.limits import TradingState
from apps.engine.orders import OrderEventKind
from apps.engine.ports import OrderAck, VenueOrder, VenuePosition
from apps.engine.strategies.base import Decision, Quote, QuoteReason
from apps.engine.types import OrderIntent, Side
from apps.gateway.clock import SystemClock
from apps.gateway.errors import ReplyTimeout, ServerFailed
from apps.gateway.kalshi.ws import Disconnected
from apps.marketdata.models import Market
from apps.risk import blocks
from apps.risk.guardian import heartbeat
from apps.risk.models import RiskLimit
from apps.risk.models import TradingState as StateRow
from apps.trading.choices import EventSource
from apps.trading.exceptions import CredentialsMissing, TradingBlocked
from apps.trading.execution import requests
from apps.trading.models import Order
from apps.trading.services.orders import IntentRecord, orders_commit
from apps.trading.services.sessions import session_open
from apps.trading.venues import venue_open
from tests import factories
from tests.fakes.venue import FakeVenue

from .harness import TICKER, Stage, arrange, query, running
from .test_session import ASKS, BIDS

pytestmark = pytest.mark.django_db(transaction=True)


async def quoting(stage: Stage) -> None:
    await stage.book(BIDS, ASKS)
    await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
    await stage.until(lambda: all(o.tracked.order_id for o in stage.session.context.blotter), "both acknowledged")


def on_commit(stage: Stage, act: Any, monkeypatch: pytest.MonkeyPatch, *, before: bool = False) -> None:
    """Does something right after, or instead of, the commit of an intent."""
    journal = stage.session.context.journal
    commit = journal.commit

    async def watched(fn: Any, *args: Any, **kwargs: Any) -> Any:
        if fn is orders_commit and before:
            act()
        result = await commit(fn, *args, **kwargs)
        if fn is orders_commit and not before:
            act()
        return result

    monkeypatch.setattr(journal, "commit", watched)


async def test_what_is_stopped_after_its_commit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        gate = stage.session.context.gate
        on_commit(stage, lambda: gate.block("test", "stopped"), monkeypatch)
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: "test" in gate.blocks, "stopped")
        await stage.session.trader.requests.settle()
        assert stage.venue.sent == []
    outcomes = await query(list)(Order.objects.values_list("status", "outcome"))
    assert set(outcomes) == {("canceled", "not sent: stopped")}


async def test_an_order_that_could_not_be_stored_never_was(monkeypatch: pytest.MonkeyPatch) -> None:
    account = await query(arrange)()

    def fail() -> None:
        raise OperationalError("server closed the connection")

    async with running(account) as stage:
        on_commit(stage, fail, monkeypatch, before=True)
        context = stage.session.context
        await stage.book(BIDS, ASKS)
        desk = context.desks[TICKER]
        await stage.until(lambda: desk.not_before_ms > 0, "the refusal is noted")
        await stage.session.trader.requests.settle()
        assert stage.venue.sent == []
        assert list(context.blotter) == []
        risk, now_ms = stage.session.trader.risk, context.clock.now_ms()
        risk.measures()
        assert risk.tree.use(NodeKey(NodeLevel.MARKET, TICKER), now_ms).dollars == 0
        assert "bug" not in context.gate.blocks


def intent_of() -> IntentRecord:
    market = Market.objects.get(ticker=TICKER)
    return IntentRecord(OrderIntent("x-1", TICKER, Side.BID, 5000, 100), None, "test", market_id=market.pk)


def test_a_lease_that_ran_out_stores_no_intent() -> None:
    account = arrange()
    session = session_open(account=account, holder="a:1", now=factories.NOW)
    assert session is not None
    session.fencing_token -= 1
    with pytest.raises(LeaseLost):
        orders_commit(session=session, records=[intent_of()], now=factories.NOW)
    assert not Order.objects.exists()


@pytest.mark.parametrize("state", ["halted", "odd"])
def test_a_halt_stores_no_intent(state: str) -> None:
    account = arrange()
    session = session_open(account=account, holder="a:1", now=factories.NOW)
    assert session is not None
    StateRow.objects.create(
        scope="account", scope_id=account.name, state=state, reason="drill", changed_at=factories.NOW
    )
    with pytest.raises(TradingBlocked):
        orders_commit(session=session, records=[intent_of()], now=factories.NOW)
    assert not Order.objects.exists()


async def test_without_an_order_group_nothing_rests() -> None:
    account, venue = await query(arrange)(), FakeVenue()
    venue.group_answers = [ServerFailed("HTTP 503")] * 1_000
    async with running(account, venue) as stage:
        await stage.book(BIDS, ASKS)
        desk = stage.session.context.desks[TICKER]
        await stage.until(lambda: desk.decision and desk.decision.bid, "a bid is wanted")
        await stage.session.trader.requests.settle()
        assert list(stage.session.context.blotter) == []
    assert venue.sent == []


async def test_a_quote_that_would_meet_our_own_order_waits_and_is_no_denial() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        context, desk = stage.session.context, stage.session.context.desks[TICKER]
        ask = desk.working[Side.ASK].tracked
        del desk.working[Side.BID]
        bid = Quote(Side.BID, ask.price, 100, QuoteReason.JOINED_INSIDE)
        same = Quote(Side.ASK, ask.price, ask.remaining, QuoteReason.KEEP)
        decision = Decision(bid, same, bid.reason, same.reason, bid.reason)
        record = stage.session.trader.evaluator.decide(desk)[1]
        stage.session.trader.maker.pursue(desk, decision, record)
        await stage.session.trader.requests.settle()
        assert context.counters.denied == 0
        assert len(stage.venue.sent) == 2


async def test_a_market_with_a_limit_missing_is_not_quoted_and_says_why() -> None:
    account = await query(arrange)()
    await RiskLimit.objects.filter(rule="max_order_dollars").adelete()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        desk = stage.session.context.desks[TICKER]
        await stage.until(lambda: desk.decision, "decided")
        assert desk.decision is not None
        assert desk.decision.reason == "params_missing"
        assert "Dollars per order" in (desk.armed.problem or "")
    assert stage.venue.sent == []


async def test_while_the_gate_is_shut_every_decision_says_halted() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.session.context.gate.block("test", "shut")
        desk = stage.session.context.desks[TICKER]
        await stage.until(lambda: desk.decision and desk.decision.reason == "trading_state", "halted")
        await stage.until(lambda: not stage.venue.resting, "quotes taken off")


async def test_an_order_that_is_due_is_not_renewed_while_the_gate_is_shut() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        context, maker = stage.session.context, stage.session.trader.maker
        for order in context.blotter:
            order.tracked.expires_at_s = context.clock.now_ms() // 1000 + 10
        context.gate.block("test", "shut")
        maker.renew()
        assert [order.tracked.amending for order in context.blotter] == [None, None]
        context.gate.unblock("test")
        maker.renew()
        assert all(order.tracked.amending for order in context.blotter)


async def test_a_more_eager_quote_is_placed_anew_and_never_amended() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.clock.advance(0.9)
        await stage.delta(Side.BID, 5_700, 1_000)
        stage.clock.advance(0.9)
        heartbeat.guardian_beat(stage.clock.now_ms())
        await stage.session.upkeep.renew()
        await stage.until(lambda: any(i.price == 5_800 for i in stage.venue.sent), "a bid one tick higher")
        assert stage.venue.amended == []
        assert "bug" not in stage.session.context.gate.blocks


async def test_a_lost_connection_leaves_no_book_to_trust() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        books = stage.session.context.books
        assert books.unquotable_reason(TICKER) is None
        await stage.socket.give(Disconnected("fake-1", "silent for 15 s"))
        stage.socket.is_connected = False
        await stage.until(lambda: books.unquotable_reason(TICKER), "unquotable")


async def test_without_a_guardian_the_gate_is_shut() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        gate = stage.session.context.gate
        stage.clock.ms += heartbeat.GUARDIAN_MAX_AGE_MS + 1
        await stage.session.upkeep.beat()
        assert gate.blocks["guardian"] == "no guardian is running: manage.py run_guardian"
        heartbeat.guardian_beat(stage.clock.now_ms())
        await stage.session.upkeep.beat()
        assert "guardian" not in gate.blocks


async def test_a_database_that_cannot_be_read_shuts_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    account = await query(arrange)()

    async def away(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("server closed the connection")

    async with running(account) as stage:
        with monkeypatch.context() as patched:
            patched.setattr(stage.session.context.journal, "read", away)
            await stage.session.upkeep.poll()
            assert "server closed the connection" in stage.session.context.gate.blocks["database"]
        await stage.session.upkeep.poll()
        assert "database" not in stage.session.context.gate.blocks


async def test_a_stop_in_a_file_alone_halts_and_takes_orders_off() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stop = blocks.Block("account", account.name, "file drill", "alice", factories.NOW, "", "")
        assert blocks.block_write_file(stop) == ""
        await stage.session.upkeep.poll()
        gate = stage.session.context.gate
        assert (gate.state, gate.state_reason) == (TradingState.HALTED, "file drill")
        assert "groups" in gate.blocks
        await stage.until(lambda: not stage.venue.resting, "orders taken off")
        blocks.block_clear(scope="account", scope_id=account.name)


async def test_a_folder_of_stops_that_cannot_be_read_halts() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        folder = blocks.stop_folder()
        aside = folder.rename(folder.with_name("aside"))
        try:
            await stage.session.upkeep.poll()
            gate = stage.session.context.gate
            assert gate.state is TradingState.HALTED
            assert "cannot be read" in gate.state_reason
        finally:
            aside.rename(folder)


async def test_a_position_that_differs_shuts_the_gate() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.venue.position_rows.append(VenuePosition(TICKER, 500, None, None, None))
        for _ in range(2):
            stage.session.context.last_activity_ms = 0
            await stage.session.trader.reconciler.reconcile("interval")
        assert TICKER in stage.session.context.gate.blocks["reconcile"]
        stage.venue.position_rows.clear()


async def test_an_order_that_no_longer_rests_is_looked_up_and_freed() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        gone = stage.session.context.desks[TICKER].working[Side.BID]
        order_id = gone.tracked.order_id
        assert order_id is not None
        record = stage.venue.resting.pop(order_id)
        stage.venue.closed[order_id] = type(record)(
            record.order_id, record.client_order_id, record.ticker, record.side, record.price, record.initial, 0, 0,
            "canceled", 0, 0,
        )  # fmt: skip
        gone.changed_ms -= 60_000
        await stage.session.trader.reconciler.reconcile("interval")
        await stage.session.trader.reconciler.resolve_undecided()
        assert gone.tracked.status == "canceled"


async def test_one_look_without_a_record_proves_nothing() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        stage.venue.answers = [ReplyTimeout("timeout"), ReplyTimeout("timeout")]
        await stage.book(BIDS, ASKS)
        blotter = stage.session.context.blotter
        await stage.until(lambda: len(stage.venue.sent) == 2, "sent")
        await stage.until(lambda: all(order.tracked.status == "unknown" for order in blotter), "unknown")
        await stage.session.trader.reconciler.resolve_undecided()
        assert {order.tracked.status for order in blotter} == {"unknown"}
        stage.venue.closed.clear()
        stage.clock.ms += 30_000
        for _ in range(3):
            await stage.session.trader.reconciler.resolve_undecided()
        assert {order.tracked.status for order in blotter} == {"rejected"}


async def test_an_order_whose_request_is_still_under_way_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        arrives = asyncio.Event()
        submit = stage.venue.submit

        async def late(intent: OrderIntent) -> OrderAck:
            await arrives.wait()
            return await submit(intent)

        monkeypatch.setattr(stage.venue, "submit", late)
        await stage.book(BIDS, ASKS)
        blotter = stage.session.context.blotter
        await stage.until(lambda: len(blotter.open_orders()) == 2 and all(o.pk for o in blotter), "both stored")
        stage.clock.ms += 30_000
        for _ in range(4):
            await stage.session.trader.reconciler.resolve_undecided()
        assert {order.tracked.status for order in blotter} == {"submitted"}
        arrives.set()
        await stage.session.trader.requests.settle()
        assert {order.tracked.status for order in blotter} == {"accepted"}


def test_an_account_of_another_environment_gets_no_venue() -> None:
    account = factories.account(environment="production")
    with pytest.raises(CredentialsMissing):
        venue_open(account, SystemClock())


class Slow(FakeVenue):
    """Answers a create only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.looked_up: list[str] = []

    async def submit(self, intent: OrderIntent) -> OrderAck:
        await self.may_answer.wait()
        return await super().submit(intent)

    async def order_by_client_id(self, client_order_id: str, ticker: str) -> VenueOrder | None:
        self.looked_up.append(client_order_id)
        return await super().order_by_client_id(client_order_id, ticker)


async def test_an_order_that_waits_to_be_sent_is_not_looked_up_and_not_disowned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "BATCH", 1)
    account, venue = await query(arrange)(), Slow()
    async with running(account, venue) as stage:
        await stage.book(BIDS, ASKS)
        blotter, reconciler = stage.session.context.blotter, stage.session.trader.reconciler
        await stage.until(lambda: len(list(blotter)) == 2 and all(order.pk for order in blotter), "both stored")
        stage.clock.ms += 60_000
        for _ in range(4):
            await reconciler.resolve_undecided()
        assert {order.tracked.status for order in blotter} == {"submitted"}
        assert venue.looked_up == []
        venue.may_answer.set()
        await stage.session.trader.requests.settle()
        # The one that was still here was judged a minute ago, by limits that may have changed.
        assert len(venue.sent) == 1
        assert [o.tracked.status for o in blotter if o.client_order_id != venue.sent[0].client_order_id] == ["canceled"]
        assert "bug" not in stage.session.context.gate.blocks


async def test_an_order_that_has_ended_while_it_waited_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BATCH", 1)
    account, venue = await query(arrange)(), Slow()
    async with running(account, venue) as stage:
        await stage.book(BIDS, ASKS)
        context = stage.session.context
        await stage.until(lambda: len(list(context.blotter)) == 2 and all(o.pk for o in context.blotter), "both stored")
        [waiting] = [o for o in context.blotter if o.tracked.side is Side.ASK]
        stage.session.trader.requests.note(waiting, OrderEventKind.CANCEL, EventSource.OWN, outcome="test")
        venue.may_answer.set()
        await stage.until(lambda: venue.sent, "the other is sent")
        await stage.session.trader.requests.settle()
        assert waiting.client_order_id not in [intent.client_order_id for intent in venue.sent]
