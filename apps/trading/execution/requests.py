"""Requests about one order and what their answers, or the lack of one, mean for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain
from typing import Any

from apps.engine.decimals import format_price, format_quantity
from apps.engine.orders import OrderEventKind, OrderStatus, Terms
from apps.engine.ports import OrderAck, OrderChange
from apps.engine.types import OrderIntent, Ticker
from apps.gateway.errors import FokUnfilled, GatewayError, GroupTriggered, NotFound, OutcomeUnknown, VenueRejected
from apps.trading.choices import EventSource

from .blotter import WorkingOrder
from .context import SessionContext
from .order_notes import OrderNotes

log = logging.getLogger(__name__)

REJECTION_PAUSE_MS = 1_000
OLD_LIMITS = "limits have changed since it was judged"
# Limits are read each second: an order that was judged longer ago than this was judged by old ones.
JUDGED_MAX_AGE_MS = 2_000
# Creates of one request: together they must fit into the smallest tier's bucket with its reserve left alone.
BATCH = 10


class OrderRequests(OrderNotes):
    """Sends, amends and cancels.

    `on_group_triggered(group_id, why)` is called when the exchange refuses an order because its group is stopped.
    """

    def __init__(self, context: SessionContext, *, on_group_triggered: Callable[[str | None, str], None]) -> None:
        super().__init__(context)
        self._on_group_triggered = on_group_triggered
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: set[str] = set()

    def cancel(self, order: WorkingOrder, why: str) -> None:
        """Asks the venue to take an order off; does nothing for one without a venue id or already on its way out."""
        if order.tracked.order_id is None or order.tracked.status is OrderStatus.PENDING_CANCEL:
            return
        self.note(order, OrderEventKind.REQUEST_CANCEL, EventSource.OWN, outcome=why)
        self.spawn(self._cancel(order))

    def retract(self, order: WorkingOrder, why: str) -> None:
        """Takes off an order whose judgement no longer holds. What has not left yet will not; what is on its way comes
        off as soon as the venue acknowledges it."""
        order.is_outdated = True
        self.cancel(order, why)

    def amend(self, order: WorkingOrder, terms: Terms, why: str) -> None:
        """Asks the venue for new terms, which only ever lower the risk, hence need no new intent."""
        order.tracked.request_amend(terms)
        self.note(
            order, OrderEventKind.REQUEST_AMEND, EventSource.OWN, detail={"why": why, **_shown(terms)}, apply=False
        )  # fmt: skip
        self.spawn(self._amend(order, terms))

    async def settle(self) -> None:
        """Waits for every request under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def submit(self, orders: Sequence[tuple[WorkingOrder, OrderIntent]], frame_s: float | None) -> None:
        """Sends stored orders, several in one request; those the gate no longer lets through are not sent."""
        self._sending |= {intent.client_order_id for _, intent in orders}
        try:
            for start in range(0, len(orders), BATCH):
                await self._submit_part(orders[start : start + BATCH], frame_s)
        finally:
            self._sending -= {intent.client_order_id for _, intent in orders}

    async def _submit_part(self, orders: Sequence[tuple[WorkingOrder, OrderIntent]], frame_s: float | None) -> None:
        context, part = self._context, [o for o in orders if self._passes(o[0])]
        if part:
            context.counters.orders += len(part)
            if frame_s is not None:
                context.frame_to_send_us.append(int((context.clock.monotonic() - frame_s) * 1e6))
            for (order, intent), reply in zip(part, await self._ask(part), strict=True):
                self._answered(order, intent, reply)
        self._sending -= {intent.client_order_id for _, intent in orders}

    def _passes(self, order: WorkingOrder) -> bool:
        """The last look before the wire: what was stopped, or has ended, since the order was judged is not sent."""
        if order.tracked.status is not OrderStatus.SUBMITTED:
            return False
        closed = self.last_look((order.tracked.ticker,), (order.client_order_id,))
        if closed is not None:
            self.note(order, OrderEventKind.CANCEL, EventSource.OWN, outcome=f"not sent: {closed}")
        return closed is None

    def last_look(self, tickers: Sequence[Ticker], creates: Sequence[str]) -> str | None:
        """Why a request about these markets that creates these orders may not leave now, or None.

        The venue asks again right before the wire, since an order may wait there for tokens.
        """
        context = self._context
        closed = (context.closed_because(context.desks.get(ticker)) for ticker in tickers)
        outdated = (self._outdated(client_order_id) for client_order_id in creates)
        return next((why for why in chain(closed, outdated) if why is not None), None)

    def _outdated(self, client_order_id: str) -> str | None:
        """Why an order of ours may not leave on the judgement that was passed on it, or None."""
        context = self._context
        order = context.blotter.find(client_order_id=client_order_id)
        if order is None:
            return f"{client_order_id} is no order of this session"
        if context.clock.now_ms() - order.created_ms > JUDGED_MAX_AGE_MS:
            return "it waited too long to be sent; limits may have changed since it was judged"
        return OLD_LIMITS if order.is_outdated else None

    @property
    def unsent(self) -> int:
        """Creates that wait to be sent or to be answered."""
        return len(self._sending)

    def is_sending(self, order: WorkingOrder) -> bool:
        """Whether its create waits to be sent or has no answer yet, not even a timeout: it may still arrive."""
        return order.client_order_id in self._sending

    async def _ask(self, orders: Sequence[tuple[WorkingOrder, OrderIntent]]) -> Sequence[OrderAck | Exception]:
        """One answer per order; an error of the whole request is the answer to each."""
        venue = self._context.venue
        try:
            if len(orders) == 1:
                return [await venue.submit(orders[0][1])]
            return await venue.submit_many([intent for _, intent in orders])
        except GatewayError as error:
            return [error] * len(orders)

    def _answered(self, order: WorkingOrder, intent: OrderIntent, reply: OrderAck | Exception) -> None:
        """1. accepted  2. unknown, to be looked up  3. nothing there to kill  4. rejected  5. provably not executed."""
        context, desk = self._context, self._context.desks.get(order.tracked.ticker)
        if isinstance(reply, OrderAck):
            order.tracked.apply_ack(reply.order_id, reply.filled, reply.remaining)
            self.note(order, OrderEventKind.ACCEPT, EventSource.ACK, detail={"venue_ts_ms": reply.ts_ms}, apply=False)
            if desk is not None:
                desk.is_dirty = True
            if order.is_outdated:
                self.cancel(order, OLD_LIMITS)
            return
        if isinstance(reply, OutcomeUnknown):
            self._late(order, OrderEventKind.LOSE, str(reply))
            return
        if isinstance(reply, FokUnfilled):
            self._late(order, OrderEventKind.REJECT, str(reply))
            return
        if desk is not None:
            desk.not_before_ms = context.clock.now_ms() + REJECTION_PAUSE_MS
        if isinstance(reply, VenueRejected):
            context.counters.rejected += 1
            if isinstance(reply, GroupTriggered):
                self._on_group_triggered(intent.order_group_id, str(reply))
            self._late(order, OrderEventKind.REJECT, str(reply))
        else:
            self._late(order, OrderEventKind.CANCEL, f"not sent: {reply}")

    async def _amend(self, order: WorkingOrder, terms: Terms) -> None:
        """1. taken  2. not resting any more: its record tells  3. refused: it stands as it was  4. unknown."""
        tracked = order.tracked
        assert tracked.order_id is not None
        change = OrderChange(
            tracked.order_id, order.client_order_id, tracked.ticker, tracked.side, terms.price, terms.quantity,
            terms.expires_at_s,
        )  # fmt: skip
        try:
            ack = await self._context.venue.amend(change)
        except (OutcomeUnknown, NotFound) as error:
            self._late(order, OrderEventKind.LOSE, str(error))
        except GatewayError as error:
            if tracked.is_open:
                tracked.drop_amend()
                self.note(order, OrderEventKind.AMEND_REJECT, EventSource.ACK, outcome=str(error), apply=False)
        else:
            if tracked.is_open:
                tracked.apply_amend(ack.filled)
                self.note(order, OrderEventKind.AMEND, EventSource.ACK, apply=False, terms=tracked.terms)

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


def _shown(terms: Terms) -> dict[str, Any]:
    return {
        "price": format_price(terms.price),
        "quantity": format_quantity(terms.quantity),
        "expires_at_s": terms.expires_at_s,
    }
