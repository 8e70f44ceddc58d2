"""Requests about one order and what their answers, or the lack of one, mean for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from apps.engine.orders import OrderEventKind, OrderStatus
from apps.engine.ports import OrderAck
from apps.engine.types import OrderIntent
from apps.gateway.errors import GatewayError, NotFound, OutcomeUnknown, VenueRejected
from apps.trading.choices import EventSource
from apps.trading.services.orders import OrderUpdate, order_updates_store

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext

log = logging.getLogger(__name__)

REJECTION_PAUSE_MS = 1_000


class OrderRequests:
    """Sends and cancels, and notes every event of an order in memory and in the database."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()

    def cancel(self, order: WorkingOrder, why: str) -> None:
        """Asks the venue to take an order off; does nothing for one without a venue id or already on its way out."""
        if order.tracked.order_id is None or order.tracked.status is OrderStatus.PENDING_CANCEL:
            return
        self.note(order, OrderEventKind.REQUEST_CANCEL, EventSource.OWN, outcome=why)
        self.spawn(self._cancel(order))

    async def settle(self) -> None:
        """Waits for every request under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def note(
        self,
        order: WorkingOrder,
        kind: OrderEventKind,
        source: EventSource,
        *,
        outcome: str | None = None,
        detail: dict[str, Any] | None = None,
        apply: bool = True,
    ) -> None:
        """One event of an order: moves it (unless the caller has), stores it, frees its place when it has ended."""
        context, tracked = self._context, order.tracked
        if apply:
            tracked.apply(kind, outcome)
        order.changed_ms = context.last_activity_ms = context.clock.now_ms()
        context.blotter.touch(order)
        context.journal.collect(
            order_updates_store,
            OrderUpdate(
                client_order_id=order.client_order_id,
                order_pk=order.pk,
                at=context.now(),
                kind=kind,
                source=source,
                status=tracked.status,
                filled=tracked.filled,
                remaining=tracked.remaining,
                venue_order_id=tracked.order_id,
                outcome=outcome,
                detail=detail or {},
            ),
        )
        if not tracked.is_open:
            self.free(order)

    def free(self, order: WorkingOrder) -> None:
        """Its place in the market is open again."""
        desk = self._context.desks.get(order.tracked.ticker)
        if desk is None:
            return
        if desk.working.get(order.tracked.side) is order:
            del desk.working[order.tracked.side]
        desk.is_dirty = True

    async def submit(
        self, desk: MarketDesk, orders: Sequence[tuple[WorkingOrder, OrderIntent]], frame_s: float | None
    ) -> None:
        """Sends the stored orders of one decision, several in one request; nothing if the gate is shut by now."""
        context = self._context
        closed = context.gate.closed_because()
        if closed is not None:
            for order, _ in orders:
                self.note(order, OrderEventKind.CANCEL, EventSource.OWN, outcome=f"not sent: {closed}")
            return
        context.counters.orders += len(orders)
        if frame_s is not None:
            context.frame_to_send_us.append(int((context.clock.monotonic() - frame_s) * 1e6))
        for (order, _), reply in zip(orders, await self._ask(orders), strict=True):
            self._answered(desk, order, reply)

    async def _ask(self, orders: Sequence[tuple[WorkingOrder, OrderIntent]]) -> Sequence[OrderAck | Exception]:
        """One answer per order; an error of the whole request is the answer to each."""
        venue = self._context.venue
        try:
            if len(orders) == 1:
                return [await venue.submit(orders[0][1])]
            return await venue.submit_many([intent for _, intent in orders])
        except GatewayError as error:
            return [error] * len(orders)

    def _answered(self, desk: MarketDesk, order: WorkingOrder, reply: OrderAck | Exception) -> None:
        """1. accepted  2. rejected by the venue  3. unknown, to be looked up  4. provably not executed."""
        context = self._context
        if isinstance(reply, OrderAck):
            order.tracked.apply_ack(reply.order_id, reply.filled, reply.remaining)
            self.note(order, OrderEventKind.ACCEPT, EventSource.ACK, detail={"venue_ts_ms": reply.ts_ms}, apply=False)
            desk.is_dirty = True
        elif isinstance(reply, OutcomeUnknown):
            self._late(order, OrderEventKind.LOSE, str(reply))
        else:
            desk.not_before_ms = context.clock.now_ms() + REJECTION_PAUSE_MS
            if isinstance(reply, VenueRejected):
                context.counters.rejected += 1
                self._late(order, OrderEventKind.REJECT, str(reply))
            else:
                self._late(order, OrderEventKind.CANCEL, f"not sent: {reply}")

    async def _cancel(self, order: WorkingOrder) -> None:
        """1. canceled  2. not resting any more, perhaps filled: ask its record  3. unknown  4. not sent: resting."""
        tracked = order.tracked
        assert tracked.order_id is not None
        try:
            ack = await self._context.venue.cancel(tracked.order_id, tracked.ticker)
        except OutcomeUnknown as error:
            self._late(order, OrderEventKind.LOSE, str(error))
        except (NotFound, VenueRejected) as error:
            self._late(order, OrderEventKind.CANCEL_REJECT, str(error))
        except GatewayError as error:
            self._late(order, OrderEventKind.LOSE, f"cancel not sent: {error}")
        else:
            self._context.counters.canceled += 1
            tracked.apply_cancel(ack.reduced_by)
            self.note(order, OrderEventKind.CANCEL, EventSource.ACK, apply=False)

    def _late(self, order: WorkingOrder, kind: OrderEventKind, outcome: str) -> None:
        """A reply that came after the private feed had already ended the order changes nothing."""
        if order.tracked.is_open:
            self.note(order, kind, EventSource.ACK, outcome=outcome)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs beside the loop; a bug in it shuts the gate."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug in the order path: shut the gate for good and let the session end with the reason.
            self._context.counters.errors += 1
            self._context.gate.block("bug", f"order path failed: {error!r}")
            log.error("order path failed", exc_info=error)
