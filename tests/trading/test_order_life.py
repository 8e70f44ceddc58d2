"""Resting orders between their birth and their end: groups, leases at the exchange, amends, batches."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
import redis.asyncio

from apps.engine.limits import LimitRule, RiskLimits
from apps.engine.ports import VenueStatus
from apps.engine.types import QUANTITY_SCALE, BookSnapshot, Side
from apps.gateway.errors import InvalidOrder, ReplyTimeout
from apps.gateway.kalshi.frames import OrderGroupFrame, SnapshotFrame
from apps.governance.models import SystemEvent
from apps.risk import blocks
from apps.risk.guardian import heartbeat
from apps.risk.models import KillRun, RiskLimit
from apps.risk.models import TradingState as StateRow
from apps.trading.execution import groups, maker
from apps.trading.models import Order, OrderEvent, OrderGroup
from tests import factories
from tests.fakes.venue import FakeVenue

from .harness import TICKER, Stage, arrange, query, running
from .test_session import ASKS, BIDS

pytestmark = pytest.mark.django_db(transaction=True)


async def quoting(stage: Stage) -> None:
    await stage.book(BIDS, ASKS)
    await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
    await stage.until(lambda: all(o.tracked.order_id for o in stage.session.context.blotter), "both acknowledged")


async def pass_time(stage: Stage, seconds: float) -> None:
    """Time goes by with the feed, the lease and the state read all the while."""
    while seconds > 0:
        stage.clock.advance(min(1.0, seconds))
        seconds -= 1.0
        heartbeat.guardian_beat(stage.clock.now_ms())
        await stage.session.upkeep.renew()
        await stage.session.upkeep.poll()
        await stage.session.trader.desks.reload()


async def test_every_resting_order_stands_in_one_of_at_most_ten_groups_and_ends_by_itself() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        now_s = stage.clock.now_ms() // 1000
        for intent in stage.venue.sent:
            assert intent.order_group_id in stage.venue.group_rows
            assert intent.expires_at_s is not None
            assert now_s < intent.expires_at_s <= now_s + 60
    assert 0 < len(stage.venue.group_rows) <= 10
    stored = await Order.objects.afirst()
    assert stored is not None
    assert stored.order_group in stage.venue.group_rows


async def test_ids_follow_from_account_session_and_number() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        token = stage.session.context.session.fencing_token
        ids = [intent.client_order_id for intent in stage.venue.sent]
    assert ids == [f"{account.order_key}-{token:x}-{number:x}" for number in (1, 2)]


async def test_a_restart_finds_its_groups_again() -> None:
    account, venue = await query(arrange)(), FakeVenue()
    async with running(account, venue) as stage:
        await quoting(stage)
    made = set(venue.group_rows)
    async with running(account, venue) as stage:
        await quoting(stage)
    assert set(venue.group_rows) == made
    assert await OrderGroup.objects.acount() == len(made)


async def test_a_wanted_order_is_renewed_by_its_expiry_alone() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        first = {o.order_id: o.expires_at_s for o in stage.venue.resting.values()}
        await pass_time(stage, maker.ORDER_LIFETIME_S - maker.RENEW_BELOW_S)
        await stage.until(lambda: len(stage.venue.amended) == 2, "both renewed")
        await stage.session.trader.requests.settle()
        now_s = stage.clock.now_ms() // 1000
        for change in stage.venue.amended:
            order = stage.venue.resting[change.order_id]
            assert (order.price, order.remaining) == (change.price, change.total)
            assert order.expires_at_s == now_s + maker.ORDER_LIFETIME_S > (first[change.order_id] or 0)
        assert len(stage.venue.sent) == 2
    kinds = [kind async for kind in OrderEvent.objects.order_by("id").values_list("kind", flat=True)]
    assert kinds.count("request_amend") == kinds.count("amend") == 2


async def test_nothing_is_renewed_while_the_gate_is_shut() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.session.context.gate.block("test", "shut")
        await pass_time(stage, maker.ORDER_LIFETIME_S - maker.RENEW_BELOW_S)
        await stage.session.trader.tick()
        assert stage.venue.amended == []


async def test_a_quote_that_became_too_eager_is_drawn_back_in_place() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        bid = next(i for i in stage.venue.sent if i.side is Side.BID)
        await stage.delta(Side.BID, 5600, -1000)
        await stage.until(lambda: stage.venue.amended, "drawn back")
        await stage.session.trader.requests.settle()
        change = stage.venue.amended[0]
        assert (change.client_order_id, change.price, change.total) == (bid.client_order_id, 5600, bid.quantity)
        assert stage.venue.canceled == []
        row = await Order.objects.aget(client_order_id=bid.client_order_id)
        await stage.until(lambda: stage.session.context.journal.backlog == 0, "stored")
        await row.arefresh_from_db()
        assert (row.status, int(row.price * 10_000)) == ("accepted", 5600)


async def test_a_quote_is_not_drawn_back_out_of_the_price_band() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        bid = stage.session.context.desks[TICKER].working[Side.BID].tracked
        armed = stage.session.context.desks[TICKER].armed
        assert armed.limits is not None
        band = tuple(
            replace(limit, value=bid.price) if limit.rule is LimitRule.MIN_PRICE else limit
            for limit in armed.limits.limits
        )
        stage.session.context.desks[TICKER].armed = replace(armed, limits=RiskLimits(band))
        await stage.delta(Side.BID, 5600, -1000)
        await stage.until(lambda: bid.order_id in stage.venue.canceled, "taken off")
        assert stage.venue.amended == []


async def test_a_refused_amend_leaves_the_order_as_it_was() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.venue.amend_answers = [InvalidOrder(status=400, code="invalid_order")] * 2
        await pass_time(stage, maker.ORDER_LIFETIME_S - maker.RENEW_BELOW_S)
        await stage.until(lambda: len(stage.venue.amended) >= 2, "asked")
        orders = stage.session.context.blotter.open_orders()
        assert len(orders) == 2
        assert {o.tracked.status for o in orders} == {"accepted"}


async def test_an_amend_without_an_answer_is_looked_up_and_never_sent_again() -> None:
    account = await query(arrange)()

    class Losing(FakeVenue):
        """Does what it is asked and loses the answer."""

        async def amend(self, change):  # type: ignore[no-untyped-def]
            await super().amend(change)
            raise ReplyTimeout("no answer")

    async with running(account, Losing()) as stage:
        await quoting(stage)
        await stage.delta(Side.BID, 5600, -1000)
        await stage.until(lambda: stage.venue.amended, "asked")
        await stage.session.trader.requests.settle()
        order = next(o for o in stage.session.context.blotter.open_orders() if o.tracked.side is Side.BID)
        assert order.tracked.status == "unknown"
        await stage.session.trader.reconciler.resolve_undecided()
        assert (order.tracked.status, order.tracked.price) == ("accepted", 5600)
        assert len(stage.venue.amended) == 1
        assert len(stage.venue.sent) == 2


async def test_a_group_stopped_by_the_exchange_halts_the_account_and_a_resume_resets_it() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        group = stage.venue.sent[0].order_group_id
        assert group is not None
        await stage.venue.trigger_group(group)
        await stage.socket.give(OrderGroupFrame(3, None, "triggered", group))
        assert "order group" in (stage.session.context.gate.closed_because() or "")
        await pass_time(stage, groups.KILL_SEEN_MS / 1000 + 0.1)
        await stage.until(lambda: stage.session.context.gate.state == "halted", "halted")
        run = await KillRun.objects.afirst()
        assert run is not None
        assert "15 seconds" in run.reason
        await StateRow.objects.aupdate(state="active")
        blocks.block_clear(scope="account", scope_id=account.name)
        await stage.until(lambda: stage.venue.group_rows[group].is_triggered is False, "group reset")
        await stage.until(lambda: stage.session.context.gate.closed_because() is None, "trading again")
    assert await SystemEvent.objects.filter(code="ORDER_GROUP_TRIGGERED").acount() == 1


async def test_a_kill_that_triggers_groups_is_not_taken_for_the_limit() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        await StateRow.objects.acreate(
            scope="account", scope_id=account.name, state="halted", reason="test", changed_at=factories.NOW
        )
        await stage.until(lambda: stage.session.context.gate.state == "halted", "halted")
        await stage.socket.give(OrderGroupFrame(3, None, "triggered", stage.venue.sent[0].order_group_id or ""))
        await pass_time(stage, 5)
        await stage.session.trader.tick()
    assert await KillRun.objects.acount() == 0


async def test_many_markets_at_once_go_in_one_request_with_an_outcome_each() -> None:
    def more() -> object:
        account = arrange()
        for number in range(4):
            factories.market(f"KXTEST-26NOV20-T{60 + number}")
        return account

    batches: list[int] = []

    class Counting(FakeVenue):
        async def submit_many(self, intents):  # type: ignore[no-untyped-def]
            batches.append(len(intents))
            return await super().submit_many(intents)

    account = await query(more)()
    async with running(account, Counting()) as stage:  # type: ignore[arg-type]
        await stage.until(lambda: len(stage.session.context.desks) == 5, "five markets")
        gate = stage.session.context.gate
        gate.block("test", "wait")
        await stage.until(lambda: gate.closed_because() == "wait", "nothing else in the way")
        for ticker in list(stage.session.context.desks):
            stage.seq += 1
            await stage.socket.give(SnapshotFrame(1, stage.seq, BookSnapshot(ticker, tuple(BIDS), tuple(ASKS))))
        assert stage.venue.sent == []
        stage.venue.answers = [None, InvalidOrder(status=400, code="invalid_order")]
        gate.unblock("test")
        await stage.session.trader.tick()
        await stage.session.trader.requests.settle()
        statuses = [o.tracked.status for o in stage.session.context.blotter]
    assert batches[0] == 10
    assert statuses.count("rejected") == 1
    assert len(stage.venue.sent) >= 10


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (VenueStatus(False, False, None), "nothing canceled"),
        (VenueStatus(True, False, None), "can be canceled, not placed"),
    ],
    ids=["exchange pause", "trading pause"],
)
async def test_a_pause_shuts_the_gate_and_says_whether_cancels_work(status: VenueStatus, words: str) -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.venue.status = status
        await stage.session.trader.venue_watch.status()
        assert words in (stage.session.context.gate.closed_because() or "")
        stage.venue.status = VenueStatus(True, True, None)
        await stage.session.trader.venue_watch.status()
        assert stage.session.context.gate.closed_because() is None


async def test_the_place_in_the_queue_is_known_or_not_never_guessed() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        stage.venue.queue = {"v-1": 12 * QUANTITY_SCALE}
        await stage.session.trader.venue_watch.queues()
        ahead = {o.tracked.order_id: o.queue_ahead for o in stage.session.context.blotter.open_orders()}
    assert ahead == {"v-1": 1200, "v-2": None}
    assert TICKER in stage.session.context.desks


async def test_an_order_that_arrives_after_it_was_given_up_is_taken_off() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.until(lambda: stage.session.context.gate.closed_because() is None, "trading")
        stage.venue.answers = [ReplyTimeout("no answer")]
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.sent) == 2, "both sent")
        lost = stage.venue.sent[0]
        for _ in range(3):
            await pass_time(stage, 5)
            await stage.session.trader.reconciler.resolve_undecided()
        assert stage.session.context.blotter.find(client_order_id=lost.client_order_id).tracked.status == "rejected"  # type: ignore[union-attr]
        await stage.until(lambda: len(stage.venue.resting) == 2, "quoted anew")
        stage.venue.rest(lost, "v-late")
        await pass_time(stage, 3)
        await stage.session.trader.reconciler.reconcile("test")
        stage.session.trader.maker.take_off_strays()
        await stage.session.trader.requests.settle()
        assert "v-late" in stage.venue.canceled
        assert "v-late" not in stage.venue.resting


async def test_a_book_that_went_wrong_unseen_is_found_by_a_snapshot_and_put_right() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        await stage.session.trader.desks.compare()
        assert stage.socket.resyncs[-1] == (1, (TICKER,))
        await stage.book(BIDS, ASKS)
        assert await SystemEvent.objects.filter(code="BOOK_DIFFERS").acount() == 0
        book = stage.session.context.books.book(TICKER)
        assert book is not None
        book.apply_delta(Side.BID, 5500, 100)
        await stage.book(BIDS, ASKS)
        assert book.levels(Side.BID) == BIDS
        await stage.until(lambda: stage.session.context.journal.backlog == 0, "stored")
    assert await SystemEvent.objects.filter(code="BOOK_DIFFERS").acount() == 1


async def test_what_rests_is_judged_anew_when_limits_change() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await quoting(stage)
        await RiskLimit.objects.filter(rule="max_price").aupdate(value=Decimal("0.58"), version=2)
        await stage.session.trader.desks.reload()
        await stage.until(lambda: len(stage.venue.canceled) == 2, "both taken off")
        await stage.until(lambda: len(stage.venue.sent) == 3, "the allowed one is back")
        await stage.session.trader.requests.settle()
        assert [order.price for order in stage.venue.resting.values()] == [5700]


async def test_a_guardian_on_another_host_hears_the_session_over_redis(redis_url: str) -> None:
    account = await query(arrange)()
    client = redis.asyncio.Redis.from_url(redis_url)
    async with running(account) as stage:
        stage.session.upkeep._redis = client
        await stage.session.upkeep.beat()
        beat = (await heartbeat.beats_read_redis(client))[account.name]
        assert (beat.at_ms, beat.is_stopped) == (stage.clock.now_ms(), False)
    beat = (await heartbeat.beats_read_redis(client))[account.name]
    assert beat.is_stopped
    await client.aclose()
