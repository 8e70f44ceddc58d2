"""The sweep after a kill: cancel what rests, then prove zero twice. New orders are blocked before it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from asgiref.sync import sync_to_async

from apps.engine.ports import Venue, VenueOrder
from apps.gateway.errors import GatewayError
from apps.marketdata.models import Market
from apps.risk.choices import KillOutcome, Scope
from apps.risk.models import KillRun
from apps.risk.services import kill_run_progress

Sleep = Callable[[float], Awaitable[None]]

ATTEMPTS = 40
PAUSE_S = 0.25
# The exchange's reads lag its engine, so the second look comes later than that lag.
SECOND_LOOK_S = 1.0


async def sweep(
    *, run: KillRun, venue: Venue, now: Callable[[], datetime], sleep: Sleep = asyncio.sleep
) -> KillOutcome:
    """Cancels the scope's resting orders until two looks in a row find none; says so when it could not.

    1. proved zero  2. blocked only: orders were still there, or the exchange did not let us look or cancel
    """
    progress = sync_to_async(kill_run_progress)
    first: int | None = None
    clean_looks, problem = 0, ""
    await progress(kill_run_id=run.pk, now=now(), cancel_sent_at=now())
    for _ in range(ATTEMPTS):
        try:
            resting = await _in_scope(run, await venue.open_orders())
            first = len(resting) if first is None else first
            clean_looks = 0 if resting else clean_looks + 1
            if clean_looks >= 2:
                await progress(
                    kill_run_id=run.pk, now=now(), proved_zero_at=now(), resting_before=first, canceled=first,
                    outcome=KillOutcome.PROVED_ZERO,
                )  # fmt: skip
                return KillOutcome.PROVED_ZERO
            problem = await _cancel(venue, resting)
        except GatewayError as error:
            clean_looks, problem = 0, str(error)
        await sleep(SECOND_LOOK_S if clean_looks else PAUSE_S)
    await progress(
        kill_run_id=run.pk, now=now(), resting_before=first, outcome=KillOutcome.BLOCKED_ONLY,
        detail=problem or "orders kept appearing",
    )  # fmt: skip
    return KillOutcome.BLOCKED_ONLY


async def _cancel(venue: Venue, resting: Sequence[VenueOrder]) -> str:
    """Cancels one by one, aimed at each order's own shard; returns the last problem."""
    problem = ""
    results = await asyncio.gather(
        *(venue.cancel(order.order_id, order.ticker) for order in resting), return_exceptions=True
    )
    for result in results:
        if isinstance(result, GatewayError):
            problem = str(result)
        elif isinstance(result, BaseException):
            raise result
    return problem


async def _in_scope(run: KillRun, orders: Sequence[VenueOrder]) -> list[VenueOrder]:
    """A strategy's orders cannot be told apart at the exchange, so stopping one sweeps the account's."""
    if run.scope == Scope.MARKET:
        return [order for order in orders if order.ticker == run.scope_id]
    if run.scope == Scope.SERIES:
        found = Market.objects.filter(event__series__ticker=run.scope_id).values_list("ticker", flat=True)
        tickers = {ticker async for ticker in found}
        return [order for order in orders if order.ticker in tickers]
    return list(orders)
