"""Bad frames, refusals, silence and absent parts: the session pauses with a reason, sends nothing from bad data and
neither loses nor doubles a fill."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import redis.asyncio
from django.db import OperationalError

from apps.engine.limits import TradingState
from apps.engine.ports import VenueBalance, VenueOrder, VenuePosition, VenueSettlement
from apps.engine.types import Side
from apps.gateway.errors import (
    BadField,
    ClockSkew,
    ExchangePaused,
    FokUnfilled,
    GatewayError,
    InsufficientBalance,
    MalformedFrame,
    OrderAlreadyExists,
    OversizedFrame,
    PostOnlyCross,
    RateLimited,
    ReplyTimeout,
    ServerFailed,
    TradingPaused,
    UndecodableReply,
)
from apps.gateway.kalshi.frames import UnknownFrame, UserOrderFrame
from apps.gateway.kalshi.ws import Disconnected
from apps.governance.models import SystemEvent
from apps.risk.models import TradingState as StateRow
from apps.trading.execution import requests
from apps.trading.models import CashEntry, Fill, Order, Settlement, TradingSession
from tests import factories
from tests.fakes.venue import FakeVenue

from .harness import TICKER, Stage, arrange, fill_of, query, running
from .test_session import ASKS, BIDS

pytestmark = pytest.mark.django_db(transaction=True)


async def quoting(stage: Stage) -> None:
    await stage.book(BIDS, ASKS)
    await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")


def settle_fill(stage: Stage, index: int, *, fee: int = 0) -> None:
    """The venue's own records after a whole fill of the n-th order, a bid."""
    intent = stage.venue.sent[index]
    stage.venue.resting.pop(f"v-{index + 1}")
    stage.venue.cash -= intent.price * intent.quantity + fee
    stage.venue.position_rows.append(VenuePosition(TICKER, intent.quantity, None, None, None))


@pytest.mark.parametrize(
    "frame",
    [MalformedFrame("cut off"), BadField("NaN"), OversizedFrame("65 MiB")],
    ids=lambda frame: type(frame).__name__,
)
async def test_a_refused_frame_is_counted_and_trading_goes_on(frame: Any) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.socket.give(frame, UnknownFrame("brand_new_type"))
        await quoting(stage)
    assert stage.session.context.counters.refused_frames == 1
    assert stage.session.context.counters.unknown_messages == 1
    assert await SystemEvent.objects.filter(code="FRAME_REFUSED").acount() == 1


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([(6000, 1000)], [(5600, 1000)]), ([(5650, 1000)], [(6000, 1000)]), ([(5600, -5)], [(6000, 1000)])],
    ids=["crossed", "off the grid", "negative size"],
)
async def test_no_order_comes_from_a_bad_book(bids: list[Any], asks: list[Any]) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(bids, asks)
        desk = stage.session.context.desks[TICKER]
        await stage.until(lambda: desk.decision and desk.decision.reason == "book_unquotable", "unquotable")
        assert stage.venue.sent == []
        await quoting(stage)


async def test_a_delta_below_zero_takes_the_quotes_off() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        await stage.delta(Side.BID, 5600, -99_999)
        await stage.until(lambda: not stage.venue.resting, "quotes taken off")
        assert stage.socket.resyncs == [(1, (TICKER,))] or not stage.session.context.books.book(TICKER).is_quotable  # type: ignore[union-attr]


async def test_a_frame_that_comes_twice_changes_nothing() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.delta(Side.BID, 5600, 500)
        stage.seq -= 1
        await stage.delta(Side.BID, 5600, 500)
        book = stage.session.context.books.book(TICKER)
        assert book is not None
        assert book.size_at(Side.BID, 5600) == 1500
        assert stage.session.context.counters.seq_gaps == 0


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (PostOnlyCross(status=400, code="invalid_order"), "rejected"),
        (InsufficientBalance(status=400, code="insufficient_balance"), "rejected"),
        (ClockSkew(status=401, code="header_timestamp_expired"), "rejected"),
        (OrderAlreadyExists(status=409, code="order_already_exists"), "rejected"),
        (FokUnfilled(status=409, code="fill_or_kill_insufficient_resting_volume"), "rejected"),
        (TradingPaused(status=409, code="trading_is_paused"), "rejected"),
        (ExchangePaused(status=409, code="exchange_is_paused"), "rejected"),
        (RateLimited("too many requests"), "canceled"),
        (ServerFailed("HTTP 503"), "unknown"),
        (ReplyTimeout("timeout"), "unknown"),
        (UndecodableReply("not JSON"), "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, GatewayError) else value,
)
async def test_each_refusal_leaves_the_order_where_it_belongs(
    answer: GatewayError, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REJECTION_PAUSE_MS", 60_000)
    account = await query(arrange)()
    async with running(account) as stage:
        stage.venue.answers = [answer, answer]
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == 2, "two orders sent")
        blotter = stage.session.context.blotter
        orders = [blotter.find(client_order_id=i.client_order_id) for i in stage.venue.sent]
        await stage.until(lambda: all(o and o.tracked.status == status for o in orders), status)
        assert len(stage.venue.sent) == 2
        stage.clock.advance(30)
        for _ in range(4):
            await stage.session.trader.reconciler.resolve_undecided()
    assert len(stage.venue.sent) == 2
    rows = await query(list)(Order.objects.values_list("status", flat=True))
    assert set(rows) == {"rejected" if status == "unknown" else status}


async def test_while_the_database_is_away_nothing_is_sent_and_no_fill_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        index = next(i for i, intent in enumerate(stage.venue.sent) if intent.side is Side.BID)
        journal = stage.session.context.journal
        works = journal.commit

        async def away(fn: Any, *args: Any, **kwargs: Any) -> Any:
            journal._note_away(OperationalError("server closed the connection"))
            raise OperationalError("server closed the connection")

        monkeypatch.setattr(journal, "commit", away)
        fill = fill_of(stage, index)
        settle_fill(stage, index)
        await stage.fill(fill)
        stage.clock.advance(1.5)
        await stage.until(lambda: "database away" in stage.session.context.reason, "paused for that reason")
        assert stage.session.context.state == "paused"
        sent = len(stage.venue.sent)
        await stage.delta(Side.BID, 5500, 100)
        assert len(stage.venue.sent) == sent
        assert journal.backlog > 0
        monkeypatch.setattr(journal, "commit", works)
        await stage.until(lambda: journal.backlog == 0, "facts stored")
        assert await Fill.objects.acount() == 1
        stage.clock.advance(1.1)
        await stage.until(lambda: len(stage.venue.sent) > sent, "quoting again")
    assert await CashEntry.objects.filter(kind="trade").acount() == 1


async def test_a_halt_in_the_database_takes_orders_off_within_the_next_poll() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        await StateRow.objects.acreate(
            scope="account", scope_id="main", state="halted", reason="drill", changed_at=factories.NOW
        )
        await stage.until(lambda: not stage.venue.resting, "orders taken off")
        sent = len(stage.venue.sent)
        await stage.delta(Side.BID, 5500, 100)
        await stage.until(lambda: stage.session.context.state == "paused", "paused")
        assert stage.session.context.reason == "trading is halted: drill"
        assert len(stage.venue.sent) == sent


async def test_a_halt_that_lands_between_decision_and_commit_still_stops_the_order() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await StateRow.objects.acreate(
            scope="global", scope_id="", state="halted", reason="drill", changed_at=factories.NOW
        )
        stage.session.context.gate.refresh(state=TradingState.ACTIVE, reason="")
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: stage.session.context.gate.closed_because() is not None, "shut")
        assert stage.venue.sent == []


async def test_silence_of_the_database_shuts_the_gate() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        gate = stage.session.context.gate
        await stage.until(lambda: gate.closed_because() is None, "trading")
        gate.refresh(state=TradingState.ACTIVE, reason="")
        assert gate.closed_because() is None
        stage.clock.advance(1.2)
        assert gate.closed_because() == "trading state not read for more than a second; treated as halted"


async def test_a_lost_lease_ends_the_session_without_another_order() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.clock.advance(10)
        await stage.until(lambda: stage.session.context.state in ("stopping", "failed"), "stopping")
        sent = len(stage.venue.sent)
    assert len(stage.venue.sent) == sent
    assert stage.venue.resting == {}
    row = await TradingSession.objects.aget()
    assert row.state == "failed"
    assert "no longer ours" in row.reason


async def test_a_lost_connection_takes_the_quotes_off() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        await stage.socket.give(Disconnected("fake-1", "silent for 15 s"))
        stage.socket.is_connected = False
        await stage.until(lambda: not stage.venue.resting, "quotes taken off")
        assert stage.session.context.feed_reason == "silent for 15 s"


async def test_cash_that_does_not_tie_out_shuts_the_gate_and_names_the_difference() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.clock.advance(0.9)
        stage.venue.cash -= 1_230_000
        for _ in range(2):
            stage.session.context.last_activity_ms = 0
            await stage.session.trader.reconciler.reconcile("interval")
        reason = stage.session.context.gate.blocks["reconcile"]
        assert "cash differs by -1.230000" in reason
        await stage.until(lambda: not stage.venue.resting, "quotes taken off")
        stage.venue.cash += 1_230_000
    events = await query(list)(SystemEvent.objects.filter(code="CASH_DRIFT").values_list("severity", flat=True))
    assert events == ["critical"]


async def test_an_order_that_is_not_ours_is_found() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        foreign = stage.venue.sent[0]
        stage.venue.rest(type(foreign)("somebody-else", TICKER, Side.BID, 5000, 100), "v-foreign")
        for _ in range(2):
            stage.session.context.last_activity_ms = 0
            await stage.session.trader.reconciler.reconcile("interval")
        assert "not ours" in stage.session.context.gate.blocks["reconcile"]
        stage.venue.resting.pop("v-foreign")


async def test_a_settlement_pays_once_and_closes_the_position() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        index = next(i for i, intent in enumerate(stage.venue.sent) if intent.side is Side.BID)
        fill = fill_of(stage, index)
        stage.venue.resting.pop(f"v-{index + 1}")
        await stage.fill(fill)
        revenue = fill.quantity * 10_000
        stage.venue.cash += revenue - fill.price * fill.quantity
        stage.venue.settlement_rows.append(VenueSettlement(TICKER, "yes", 10_000, revenue, 0, stage.clock.now_ms()))
        await stage.session.trader.reconciler.reconcile("settled")
        await stage.session.trader.reconciler.reconcile("settled")
        assert stage.session.context.portfolio.cash == stage.venue.cash
    assert await Settlement.objects.acount() == 1
    amounts = await query(list)(CashEntry.objects.order_by("id").values_list("kind", "amount"))
    assert amounts[1:] == [("trade", Decimal("-5.700000")), ("settlement", Decimal("10.000000"))]


@pytest.mark.parametrize(("short", "events"), [(9_999, 0), (10_000, 1)])
async def test_a_settlement_that_differs_by_a_cent_is_an_event_and_by_less_is_rounding(short: int, events: int) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        index = next(i for i, intent in enumerate(stage.venue.sent) if intent.side is Side.BID)
        fill = fill_of(stage, index)
        settle_fill(stage, index)
        await stage.fill(fill)
        paid = fill.quantity * 10_000 - short
        settlement = VenueSettlement(TICKER, "yes", 10_000, paid, 0, stage.clock.now_ms())
        stage.session.trader.ledger.apply_settlement(settlement)
        assert stage.session.context.portfolio.is_settled(TICKER)
    assert await SystemEvent.objects.filter(code="SETTLEMENT_DIFFERS").acount() == events


async def test_a_fee_that_differs_from_ours_is_an_event_with_both_numbers() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        index = next(i for i, intent in enumerate(stage.venue.sent) if intent.side is Side.BID)
        fill = fill_of(stage, index, fee=12_300)
        settle_fill(stage, index, fee=12_300)
        await stage.fill(fill)
    event = await SystemEvent.objects.aget(code="FEE_DIFFERS")
    assert "charged 0.012300, predicted 0.000000" in event.message
    row = await Fill.objects.aget()
    assert (row.fee, row.predicted_fee) == (Decimal("0.0123"), Decimal(0))


async def test_a_venue_that_cannot_be_read_at_start_fails_the_session_with_its_reason() -> None:
    account = await query(arrange)()

    class Dark(FakeVenue):
        async def balance(self) -> VenueBalance:
            raise ServerFailed("HTTP 503: exchange unavailable")

    async with running(account, Dark()):
        pass
    row = await TradingSession.objects.aget()
    assert (row.state, row.reason) == ("failed", "HTTP 503: exchange unavailable")


async def test_a_refused_post_only_order_is_rejected_even_if_its_row_is_heard_of_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "REJECTION_PAUSE_MS", 60_000)
    account = await query(arrange)()

    class Hasty(FakeVenue):
        async def submit(self, intent: Any) -> Any:
            self.sent.append(intent)
            row = VenueOrder(
                f"v-{len(self.sent)}", intent.client_order_id, intent.ticker, intent.side, intent.price,
                intent.quantity, 0, 0, "canceled", 0, 0, "PostOnlyCrossCancel",
            )  # fmt: skip
            await stages[0].socket.give(UserOrderFrame(3, None, row))
            raise PostOnlyCross(status=400, code="invalid_order", details="post only cross")

    stages: list[Stage] = []
    async with running(account, Hasty()) as stage:
        stages.append(stage)
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: stage.session.context.counters.rejected == 2, "both refused")
    assert set(await query(list)(Order.objects.values_list("status", flat=True))) == {"rejected"}


async def test_without_redis_trading_goes_on_and_the_page_is_told() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        stage.session.show._client = redis.asyncio.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
        await quoting(stage)
        await stage.session.show.publish()
    assert await SystemEvent.objects.filter(code="SCREEN_DOWN").acount() == 1
