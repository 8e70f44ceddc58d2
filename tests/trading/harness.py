"""A real session on a real database with a scripted venue, socket and clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from apps.engine.types import BookSnapshot, Fill, Side
from apps.gateway.kalshi.frames import DeltaFrame, FillFrame, SnapshotFrame
from apps.risk.guardian import heartbeat
from apps.risk.models import RiskLimit
from apps.risk.services.switches import switch_drills_run
from apps.trading.execution.session import Parts, Session, open_session
from apps.trading.models import Account
from tests import factories
from tests.fakes.clock import FakeClock
from tests.fakes.socket import FakeSocket
from tests.fakes.venue import FakeVenue

TICKER = "KXTEST-26NOV20-T50"
LIMITS = {
    "max_order_dollars": 500,
    "max_contracts_per_market": 100,
    "min_price": Decimal("0.02"),
    "max_price": Decimal("0.98"),
    "max_total_exposure": 2000,
}


@dataclass(slots=True)
class Stage:
    """What a test acts on. `seq` is the last sequence number given on sid 1."""

    session: Session
    venue: FakeVenue
    socket: FakeSocket
    clock: FakeClock
    seq: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def book(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.seq += 1
        await self.socket.give(SnapshotFrame(1, self.seq, BookSnapshot(TICKER, tuple(bids), tuple(asks))))

    async def delta(self, side: Side, price: int, delta: int, *, skip: int = 0, own: str | None = None) -> None:
        self.seq += 1 + skip
        await self.socket.give(DeltaFrame(1, self.seq, TICKER, side, price, delta, None, own))

    async def fill(self, fill: Fill) -> None:
        await self.socket.give(FillFrame(2, None, fill, 0))

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Waits at most three seconds for the session to get there."""
        for _ in range(300):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"the session never came to: {what}")


def arrange(**params: str) -> Account:
    """An account with one armed market, limits and parameters."""
    account = factories.account()
    factories.market(TICKER)
    config = factories.config(account)
    factories.parameters(config)
    switch_drills_run(by="test", now=factories.NOW)
    for rule, value in LIMITS.items():
        RiskLimit.objects.create(
            scope="account", scope_id=account.name, rule=rule, value=value, updated_at=factories.NOW
        )
    return account


def fill_of(stage: Stage, index: int = 0, *, quantity: int | None = None, trade_id: str = "t-1", fee: int = 0) -> Fill:
    """A maker fill of the n-th order that was sent."""
    intent = stage.venue.sent[index]
    return Fill(
        trade_id=trade_id,
        order_id=f"v-{index + 1}",
        ticker=intent.ticker,
        side=intent.side,
        price=intent.price,
        quantity=quantity or intent.quantity,
        fee=fee,
        is_taker=False,
        ts_ms=stage.clock.now_ms(),
        client_order_id=intent.client_order_id,
    )


@asynccontextmanager
async def running(account: Account, venue: FakeVenue | None = None) -> AsyncIterator[Stage]:
    """A session that has recovered and is connected; it is stopped and closed afterwards."""
    venue, socket = venue or FakeVenue(), FakeSocket()
    clock = FakeClock(int(factories.NOW.timestamp() * 1000))
    parts = Parts(clock, Random(1), venue, socket, None)  # type: ignore[arg-type]
    heartbeat.guardian_beat(clock.now_ms())
    session = await open_session(account=account, holder="test:1", parts=parts)
    assert session is not None
    stage = Stage(session, venue, socket, clock)
    task = asyncio.create_task(session.run(stage.stop))
    try:
        await stage.until(lambda: session.context.feed_reason == "" or task.done(), "connected")
        if task.done():
            task.result()
        yield stage
    finally:
        stage.stop.set()
        await asyncio.wait_for(task, 20)
        await sync_to_async(connections.close_all)()


query = sync_to_async
