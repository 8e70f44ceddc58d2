"""Every event of an order, noted in memory and in the database."""

from __future__ import annotations

from typing import Any

from apps.engine.orders import OrderEventKind, Terms
from apps.trading.choices import EventSource
from apps.trading.services.orders import OrderUpdate, order_updates_store

from .blotter import WorkingOrder
from .context import SessionContext


class OrderNotes:
    def __init__(self, context: SessionContext) -> None:
        self._context = context

    def note(
        self,
        order: WorkingOrder,
        kind: OrderEventKind,
        source: EventSource,
        *,
        outcome: str | None = None,
        detail: dict[str, Any] | None = None,
        apply: bool = True,
        terms: Terms | None = None,
    ) -> None:
        """One event of an order: moves it (unless the caller has), stores it, frees its place when it has ended.

        `terms` are given when the venue has taken new ones over.
        """
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
                terms=terms,
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
