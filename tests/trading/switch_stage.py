"""A running session with its switchboard: drilled, with live inputs, looking every few hundredths of a second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from apps.core.leases import LEASE_SECONDS
from apps.engine.ports import VenuePosition
from apps.engine.types import ONE_DOLLAR, Fill, Side
from apps.governance.models import SystemEvent
from apps.risk.blocks import block_clear
from apps.risk.guardian import heartbeat
from apps.risk.models import SwitchSetting, TradingState
from apps.risk.services.switches import switch_drills_run
from apps.trading.execution.switchboard import Switchboard
from apps.trading.mapping import from_ms
from apps.trading.models import Account
from tests.factories import NOW
from tests.fakes.venue import FakeVenue

from .harness import Stage, arrange, fill_of, query, running

LOOK_S = 0.02
# Shorter than a lease lasts.
STEP_S = 4.0


@dataclass(slots=True)
class Switched:
    """`stage` as ever; `board` is the session's own, and `looks` counts how often it has looked."""

    stage: Stage
    board: Switchboard
    looks: int = 0

    @property
    def gate(self) -> dict[str, str]:
        return self.stage.session.context.gate.blocks

    async def advance(self, seconds: float, *, is_guarded: bool = True) -> None:
        """Time passes, and everything that lives by the second does what it would have done meanwhile."""
        session, clock = self.stage.session, self.stage.clock
        while seconds > 0:
            clock.advance(min(seconds, STEP_S))
            seconds = round(seconds - STEP_S, 3)
            if is_guarded:
                heartbeat.guardian_beat(clock.now_ms())
            gate = session.context.gate
            gate.refresh(state=gate.state, reason=gate.state_reason)
            gate.limits_read(clock.monotonic())
            gate.lease_renewed(clock.monotonic(), LEASE_SECONDS)
            await session.upkeep.beat()
            await session.trader.tick()
            await session.upkeep.renew()
            await session.upkeep.poll()

    async def asked(self, times: int = 1) -> None:
        """The exchange is asked how it is, so many times."""
        for _ in range(times):
            await self.stage.session.trader.venue_watch.status()

    async def compared(self, times: int = 1) -> None:
        """Our records are compared with the exchange's, with nothing moving."""
        for _ in range(times):
            self.stage.session.context.last_money_ms = 0
            await self.stage.session.trader.reconciler.reconcile("test")

    async def filled(self, side: Side = Side.BID, *, fee: int = 0, trade_id: str = "t-1") -> Fill:
        """Our newest order of a side fills completely, and the exchange's records say so too."""
        venue = self.stage.venue
        index = max(i for i, intent in enumerate(venue.sent) if intent.side is side)
        fill = fill_of(self.stage, index, fee=fee, trade_id=trade_id)
        unit = fill.price if side is Side.BID else ONE_DOLLAR - fill.price
        venue.cash -= unit * fill.quantity + fee
        venue.resting.pop(f"v-{index + 1}", None)
        venue.fill_rows.append(fill)
        held = sum(f.quantity * f.side.sign for f in venue.fill_rows)
        venue.position_rows = [VenuePosition(fill.ticker, held, None, None, None)]
        await self.stage.fill(fill)
        return fill

    def take_off(self) -> None:
        """Orders that a test sent past the session's records do not rest any more."""
        resting = self.stage.venue.resting
        for order_id in [i for i, order in resting.items() if order.client_order_id.startswith("own-")]:
            del resting[order_id]

    async def resume(self, scope: str, scope_id: str) -> None:
        """As an approved resume leaves it."""
        await TradingState.objects.filter(scope=scope, scope_id=scope_id).aupdate(
            state="active", changed_at=from_ms(self.stage.clock.now_ms())
        )
        await query(block_clear)(scope=scope, scope_id=scope_id)

    def state(self, key: str) -> str:
        verdict = self.board.statuses.verdict(key)
        return "never judged" if verdict is None else verdict.state.value

    async def looked(self) -> None:
        """At least one whole look has happened since."""
        wanted = self.looks + 2
        await self.stage.until(lambda: self.looks >= wanted, "another look")

    async def look(self) -> None:
        while True:
            await self.board.check()
            self.looks += 1
            await asyncio.sleep(LOOK_S)

    async def until_event(self, code: str) -> SystemEvent:
        """The event with this code, once it is stored."""
        for _ in range(150):
            event = await SystemEvent.objects.filter(code=code).afirst()
            if event is not None:
                return event
            await asyncio.sleep(0.02)
        raise AssertionError(f"no event {code}: {[e.code async for e in SystemEvent.objects.all()]}")

    async def until_state(self, scope: str, scope_id: str, state: str) -> TradingState:
        """The stored state of a scope, once it is this."""
        for _ in range(150):
            row = await TradingState.objects.filter(scope=scope, scope_id=scope_id, state=state).afirst()
            if row is not None:
                return row
            await asyncio.sleep(0.02)
        raise AssertionError(f"{scope} {scope_id} never became {state}")


def prepare(**settings: dict[str, int]) -> Account:
    """An account with one armed market and good drills; `settings` are thresholds by switch."""
    account = arrange()
    for key, values in settings.items():
        SwitchSetting.objects.create(key=key, values=values, updated_at=NOW)
    switch_drills_run(by="test", now=NOW)
    return account


@asynccontextmanager
async def switched(
    account: Account, venue: FakeVenue | None = None, *, ready: Callable[[Switched], bool] | None = None, **options: Any
) -> AsyncIterator[Switched]:
    """The session runs, the board looks, and nothing is in the way of trading unless `ready` says otherwise."""
    venue = venue or FakeVenue()
    venue.clock_skew_ms = 0
    async with running(account, venue) as stage:
        context, trader = stage.session.context, stage.session.trader
        own = getattr(stage.session, "switchboard", None) or getattr(trader, "switchboard", None)
        board = own or Switchboard(context, trader.incidents, on_pull=trader.cancel_all, **options)
        switched = Switched(stage, board)
        task = asyncio.create_task(switched.look())
        try:
            await trader.venue_watch.status()
            await trader.reconciler.reconcile("test")
            is_ready = ready or (lambda s: not s.gate)
            await stage.until(lambda: is_ready(switched) or task.done(), f"an open gate: {switched.gate}")
            yield switched
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
