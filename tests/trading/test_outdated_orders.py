"""An order is judged by the limits of its moment: when they change, what waits is not sent, what is out comes off."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from apps.engine.ports import OrderAck
from apps.engine.types import OrderIntent
from apps.risk.models import RiskLimit
from apps.trading.choices import EventSource
from apps.trading.execution import requests
from tests.fakes.venue import FakeVenue

from .harness import Stage, arrange, query, running

pytestmark = pytest.mark.django_db(transaction=True)
BIDS, ASKS = [(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)]


class Slow(FakeVenue):
    """Takes orders off the session's hands but answers a create only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def submit(self, intent: OrderIntent) -> OrderAck:
        ack = await super().submit(intent)
        await self.may_answer.wait()
        return ack


async def lower_the_limit(stage: Stage) -> None:
    await RiskLimit.objects.filter(rule="max_price").aupdate(value=Decimal("0.58"), version=2)
    await stage.session.trader.desks.reload()


async def test_what_waits_when_limits_change_is_not_sent_and_what_is_on_its_way_comes_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "BATCH", 1)
    account, venue = await query(arrange)(), Slow()
    async with running(account, venue) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(venue.sent) == 1, "one on its way")
        [first] = venue.sent
        [waiting] = [o for o in stage.session.context.blotter if o.client_order_id != first.client_order_id]
        await lower_the_limit(stage)
        venue.may_answer.set()
        await stage.until(lambda: venue.canceled, "the one on its way taken off")
        await stage.session.trader.requests.settle()
        assert waiting.tracked.status == "canceled"
        assert waiting.client_order_id not in [intent.client_order_id for intent in venue.sent]


async def test_an_unknown_order_judged_by_old_limits_comes_off_once_it_is_known() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
        await stage.session.trader.requests.settle()
        order = next(iter(stage.session.context.blotter))
        order.is_outdated = True
        record = await stage.venue.order_by_client_id(order.client_order_id, order.tracked.ticker)
        assert record is not None
        stage.session.trader.feed.on_venue_order(record, EventSource.REST)
        await stage.until(lambda: order.tracked.order_id in stage.venue.canceled, "taken off")


async def test_an_order_nobody_tracks_does_not_leave() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(stage.venue.resting) == 2, "two orders resting")
        look = stage.venue.last_look
        assert look is not None
        [known, _] = [intent.client_order_id for intent in stage.venue.sent]
        assert look((account_market(stage),), (known,)) is None
        assert look((account_market(stage),), ("nobody-s",)) == "nobody-s is no order of this session"
        stage.clock.ms += requests.JUDGED_MAX_AGE_MS + 1
        stage.session.context.gate.limits_read(stage.clock.monotonic())
        await stage.session.upkeep.renew()
        await stage.session.upkeep.poll()
        assert "waited too long" in str(look((account_market(stage),), (known,)))


def account_market(stage: Stage) -> str:
    return next(iter(stage.session.context.desks))
