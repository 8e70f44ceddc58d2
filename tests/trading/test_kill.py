"""The sweep after a kill: it cancels the scope's orders and reports zero only when it saw zero twice."""

from __future__ import annotations

import pytest

from apps.engine.types import OrderIntent, Side
from apps.gateway.errors import ExchangePaused
from apps.governance.models import SystemEvent
from apps.risk.models import KillRun
from apps.trading.execution.kill import ATTEMPTS, sweep
from tests import factories
from tests.fakes.venue import FakeVenue

pytestmark = pytest.mark.django_db(transaction=True)


async def no_pause(_: float) -> None:
    return None


async def kill_run(scope: str = "global", scope_id: str = "") -> KillRun:
    return await KillRun.objects.acreate(
        scope=scope, scope_id=scope_id, reason="drill", pressed_at=factories.NOW, blocked_at=factories.NOW
    )


def resting(count: int, ticker: str = "KXTEST-26NOV20-T50") -> FakeVenue:
    venue = FakeVenue()
    for i in range(count):
        venue.rest(OrderIntent(f"c-{i}", ticker, Side.BID, 5000, 100), f"v-{i}")
    return venue


async def test_a_sweep_cancels_all_and_proves_zero_by_two_looks() -> None:
    run, venue = await kill_run(), resting(5)
    looks = 0
    real = venue.open_orders

    async def counted():  # type: ignore[no-untyped-def]
        nonlocal looks
        looks += 1
        return await real()

    venue.open_orders = counted  # type: ignore[method-assign]
    outcome = await sweep(run=run, venue=venue, now=lambda: factories.NOW, sleep=no_pause)
    await run.arefresh_from_db()
    assert outcome == run.outcome == "proved_zero"
    assert (run.resting_before, run.canceled, looks) == (5, 5, 3)
    assert run.proved_zero_at is not None
    assert sorted(venue.canceled) == [f"v-{i}" for i in range(5)]


async def test_an_order_that_shows_up_between_the_looks_is_swept_too() -> None:
    run, venue = await kill_run(), resting(1)
    late = iter([False, True])

    async def sleep(_: float) -> None:
        if next(late, False):
            venue.rest(OrderIntent("late", "KXTEST-26NOV20-T50", Side.ASK, 6000, 100), "v-late")

    outcome = await sweep(run=run, venue=venue, now=lambda: factories.NOW, sleep=sleep)
    assert outcome == "proved_zero"
    assert venue.resting == {}
    assert "v-late" in venue.canceled


async def test_a_paused_exchange_is_said_plainly_and_zero_is_not_claimed() -> None:
    run, venue = await kill_run(), resting(1)
    venue.cancel_answers = [ExchangePaused(status=409, code="exchange_is_paused") for _ in range(ATTEMPTS)]
    outcome = await sweep(run=run, venue=venue, now=lambda: factories.NOW, sleep=no_pause)
    await run.arefresh_from_db()
    assert outcome == run.outcome == "blocked_only"
    assert "exchange_is_paused" in run.detail
    assert run.proved_zero_at is None
    assert await SystemEvent.objects.filter(code="KILL_NOT_PROVED", severity="critical").acount() == 1


async def test_a_market_kill_leaves_other_markets_alone() -> None:
    run = await kill_run("market", "KXTEST-26NOV20-T50")
    venue = resting(1)
    venue.rest(OrderIntent("other", "KXOTHER-1", Side.BID, 5000, 100), "v-other")
    assert await sweep(run=run, venue=venue, now=lambda: factories.NOW, sleep=no_pause) == "proved_zero"
    assert list(venue.resting) == ["v-other"]
