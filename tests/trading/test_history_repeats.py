"""History must not repeat: an earlier system sent 7,822 orders, of which not one filled, and nothing stopped it.

What is known of that run is the figure alone (7,822 sent, 0 filled, all failed). The fixture is generated to have its
shape: a handful of like orders, sent again and again at an even pace, and no fill.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from apps.engine.types import OrderIntent, Side
from apps.gateway.errors import InvalidOrder, RequestRefused
from apps.risk.models import KillRun
from apps.trading.models import Order

from .harness import TICKER, query
from .switch_stage import Switched, prepare, switched

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = 7_822
MOST_ORDERS, MOST_S = 200, 600
SLUG = "maker-inside"
SHAPE = [(Side.BID, 5_400), (Side.ASK, 6_200), (Side.BID, 5_500), (Side.ASK, 6_100)]


def history(shapes: int = 4) -> Iterator[OrderIntent]:
    for number, (side, price) in zip(range(ORDERS), itertools.cycle(SHAPE[:shapes]), strict=False):
        yield OrderIntent(f"own-{number}", TICKER, side, price, 500)


async def replay(s: Switched, shapes: int, per_second: float) -> tuple[int, float, int]:
    """Sends the whole history at an even pace: orders that left, seconds until one was held back, and how many were."""
    venue, started_ms = s.stage.session.context.venue, s.stage.clock.now_ms()
    left, refused, seconds, renewed_ms = 0, 0, 0.0, started_ms
    for intent in history(shapes):
        try:
            await venue.submit(intent)
            left += 1
        except RequestRefused:
            refused += 1
            seconds = seconds or (s.stage.clock.now_ms() - started_ms) / 1000
        if not refused:
            s.stage.clock.advance(min(1 / per_second, 4.5))
            s.stage.session.context.venue_cash_ms = s.stage.clock.now_ms()
        if s.stage.clock.now_ms() - renewed_ms >= 2_000:
            renewed_ms = s.stage.clock.now_ms()
            await s.advance(0.001)
    return left, seconds, refused


@pytest.mark.parametrize(
    ("shapes", "per_second", "code"),
    [(1, 20.0, "K9_RUNAWAY"), (4, 20.0, "K8_FILL_RATE"), (4, 2.0, "K8_FILL_RATE"), (4, 0.25, "K8_FILL_RATE")],
)
async def test_the_pattern_halts_within_two_hundred_orders(shapes: int, per_second: float, code: str) -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        left, seconds, refused = await replay(s, shapes, per_second)
        assert left <= MOST_ORDERS
        assert left + refused == ORDERS
        assert per_second < 1 or seconds <= MOST_S
        assert len(s.stage.venue.sent) == left
        event = await s.until_event(code)
        row = await s.until_state("strategy", SLUG, "halted")
        s.take_off()
    assert event.severity == "critical"
    assert row.reason == event.message
    run = await KillRun.objects.aget(scope_id=SLUG)
    assert (run.source, run.reason) == ("switch", event.message)
    if code == "K8_FILL_RATE":
        assert "orders sent" in event.message
        assert "not one filled" in event.message
        assert "means that what we send cannot trade" in event.message
    else:
        assert "without a fill between" in event.message


async def test_a_session_whose_every_order_is_refused_halts_itself() -> None:
    account = await query(prepare)()
    async with switched(account) as s:
        s.stage.venue.answers = [InvalidOrder(status=400, code="invalid_order")] * ORDERS
        await s.stage.book([(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)])
        for _ in range(ORDERS):
            if any(s.board.actions.latches(key) for key in ("K8", "K9")):
                break
            await s.advance(1.1)
            await s.stage.session.trader.requests.settle()
            s.stage.session.context.venue_cash_ms = s.stage.clock.now_ms()
        await s.until_state("strategy", SLUG, "halted")
        await s.asked()
        await s.looked()
        sent = len(s.stage.venue.sent)
        for _ in range(20):
            await s.advance(1.1)
        assert len(s.stage.venue.sent) == sent
    assert 0 < sent <= MOST_ORDERS
    assert await Order.objects.filter(status="rejected").acount() == sent
    assert await Order.objects.filter(filled__gt=0).acount() == 0


async def test_the_same_orders_with_fills_among_them_are_let_through() -> None:
    """The negative control: one order in twenty fills, and a thousand orders stop nothing."""
    account = await query(prepare)()
    async with switched(account) as s:
        await s.stage.book([(5600, 1000), (5500, 2000)], [(6000, 1500), (6100, 2500)])
        await s.stage.until(lambda: len(s.stage.venue.resting) == 2, "two orders resting")
        fill = await s.filled(Side.BID)
        for number, intent in enumerate(itertools.islice(history(), 1_000)):
            assert s.board.on_order_sent(intent) is None
            s.stage.clock.advance(0.5)
            s.stage.session.context.venue_cash_ms = s.stage.clock.now_ms()
            if number % 4 == 0:
                await s.advance(0.001)
            if number % 20 == 0:
                s.board.on_fill(fill, None, None)
        assert not any(s.board.actions.latches(key) for key in ("K8", "K9"))
        s.stage.clock.advance(-500)
