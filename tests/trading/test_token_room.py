"""What the account's tokens cannot renew is not placed, and people are told."""

from __future__ import annotations

import pytest

from apps.governance.models import SystemEvent
from apps.trading.execution.maker import ORDER_LIFETIME_S, RENEW_BELOW_S
from tests.fakes.venue import FakeVenue

from .harness import arrange, query, running

pytestmark = pytest.mark.django_db(transaction=True)
BIDS, ASKS = [(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)]


async def test_no_more_orders_rest_than_half_of_the_tokens_renew() -> None:
    account, venue = await query(arrange)(), FakeVenue()
    venue.writes_per_s = 2 / (ORDER_LIFETIME_S - RENEW_BELOW_S)
    async with running(account, venue) as stage:
        await stage.book(BIDS, ASKS)
        await stage.until(lambda: len(venue.sent) == 1, "one order")
        await stage.until(lambda: stage.session.context.counters.held, "the other held back")
        assert len(venue.sent) == 1
        venue.writes_per_s = 100.0
        stage.clock.advance(1.0)
        stage.session.context.gate.limits_read(stage.clock.monotonic())
        await stage.session.upkeep.renew()
        await stage.session.upkeep.poll()
        await stage.until(lambda: len(venue.sent) == 2, "the other with more tokens")
    event = await SystemEvent.objects.aget(code="TOKENS_SHORT")
    assert event.message == "quotes are held back: the account's tokens renew 1 resting orders"


async def test_orders_that_wait_to_be_sent_take_room_from_new_ones() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        room, requests = stage.session.trader.maker.room, stage.session.trader.requests
        stage.venue.writes_per_s = 30.0
        requests._sending |= {f"w-{number}" for number in range(29)}
        room.count(resting=0)
        assert [room.take(), room.take()] == [True, False]
        requests._sending.clear()
        room.count(resting=0)
        assert room.take()
