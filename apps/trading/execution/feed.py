"""What the exchange's frames do to a session: books, own orders, fills, market news."""

from __future__ import annotations

from collections.abc import Callable

from apps.engine.errors import EngineError
from apps.engine.orders import OrderEventKind, OrderStatus
from apps.engine.ports import VenueOrder
from apps.engine.types import Fill
from apps.gateway.kalshi.frames import (
    DeltaFrame,
    ErrorFrame,
    FillFrame,
    Frame,
    LifecycleFrame,
    OrderGroupFrame,
    SnapshotFrame,
    TickerFrame,
    UnknownFrame,
    UserOrderFrame,
)
from apps.governance.choices import Severity
from apps.trading.choices import EventSource, ExecutionMode

from .blotter import WorkingOrder
from .book_feed import BookFeed
from .context import MarketDesk, SessionContext
from .incidents import Incidents
from .ledger import Ledger
from .requests import OLD_LIMITS, OrderRequests

# A refused post-only order leaves a canceled row that can be heard of before the refusal itself; the reply to our
# request says what it was, and without a reply the order becomes unknown and is looked up.
REFUSED_BY_REPLY = "PostOnlyCrossCancel"
SETTLED = frozenset({"determined", "settled"})


class FeedHandler:
    """Applies one frame at a time. `on_change(desk)` is called when a market's book or our orders in it changed."""

    def __init__(
        self,
        context: SessionContext,
        requests: OrderRequests,
        ledger: Ledger,
        incidents: Incidents,
        *,
        on_change: Callable[[MarketDesk], None],
        on_news: Callable[[LifecycleFrame], None],
        on_group_triggered: Callable[[str | None, str], None],
    ) -> None:
        self._context = context
        self._requests = requests
        self._ledger = ledger
        self._incidents = incidents
        self._on_change = on_change
        self._books = BookFeed(context, incidents, on_change)
        self._on_news = on_news
        self._on_group_triggered = on_group_triggered

    def on_frame(self, frame: Frame) -> None:
        """Every frame, in order of arrival. A bad one was refused before it came here."""
        context = self._context
        context.counters.frames += 1
        context.last_frame_ms = context.clock.now_ms()
        if type(frame) is DeltaFrame:
            self._books.on_delta(frame, context.clock.monotonic())
        elif type(frame) is TickerFrame:
            self._on_ticker(frame)
        elif isinstance(frame, SnapshotFrame):
            self._books.on_snapshot(frame)
        elif isinstance(frame, FillFrame):
            self.on_fill(frame.fill, EventSource.PRIVATE_FEED)
        elif isinstance(frame, UserOrderFrame):
            self.on_venue_order(frame.order, EventSource.PRIVATE_FEED)
        elif isinstance(frame, LifecycleFrame):
            self._on_lifecycle(frame)
        else:
            self._on_other(frame)

    def _on_ticker(self, frame: TickerFrame) -> None:
        desk = self._context.desks.get(frame.ticker)
        if desk is not None and frame.price is not None:
            desk.last_price = frame.price

    def _on_lifecycle(self, frame: LifecycleFrame) -> None:
        if frame.seq is not None:
            self._context.books.on_sequenced(frame.sid, frame.seq)
        desk = self._context.desks.get(frame.ticker) if frame.ticker else None
        if desk is not None:
            if frame.event_type == "deactivated" or frame.is_deactivated:
                desk.halted_by_exchange = "halted by the exchange"
            elif frame.event_type == "activated":
                desk.halted_by_exchange = None
            elif frame.event_type in SETTLED:
                desk.halted_by_exchange = frame.event_type
            desk.is_dirty = True
        self._on_news(frame)

    def _on_other(self, frame: Frame) -> None:
        sid, seq = getattr(frame, "sid", None), frame.seq
        if sid is not None and seq is not None:
            self._context.books.on_sequenced(sid, seq)
        if isinstance(frame, OrderGroupFrame):
            if frame.event_type == "triggered":
                self._on_group_triggered(frame.order_group_id, "the exchange says it is triggered")
        elif isinstance(frame, UnknownFrame):
            self._context.counters.unknown_messages += 1
        elif isinstance(frame, ErrorFrame):
            message = f"the exchange refused a command: {frame.code} {frame.message}"
            self._incidents.raise_event("FEED_ERROR", Severity.WARNING, message, {"ticker": frame.ticker})

    def on_fill(self, fill: Fill, source: EventSource) -> bool:
        """A fill counts once, whichever way and how often it is reported; cash and position move with it.

        False when it had been counted before.
        """
        context = self._context
        order = context.blotter.find(client_order_id=fill.client_order_id, order_id=fill.order_id)
        if not self._ledger.apply_fill(fill, order, source):
            return False
        if order is None:
            self._incidents.raise_event(
                "FOREIGN_FILL", Severity.CRITICAL, f"fill {fill.trade_id} belongs to no order of this session",
                {"order_id": fill.order_id, "ticker": fill.ticker},
            )  # fmt: skip
        else:
            self._fill_order(order, fill, source)
        desk = context.desks.get(fill.ticker)
        if desk is not None:
            desk.trigger, desk.frame_s = "fill", None
            self._on_change(desk)
        return True

    def _fill_order(self, order: WorkingOrder, fill: Fill, source: EventSource) -> None:
        try:
            order.tracked.apply_fill(fill)
        except EngineError as error:
            self._incidents.raise_event(
                "DESYNC", Severity.CRITICAL, f"fill {fill.trade_id} does not fit its order: {error}",
                {"client_order_id": order.client_order_id},
            )  # fmt: skip
            self._context.watch.on_own_order_mismatch(f"fill {fill.trade_id}: {error}")
            return
        desk = self._context.desks.get(fill.ticker)
        if desk is not None and order.mode is ExecutionMode.MAKER:
            desk.filled_ms[fill.side] = self._context.clock.now_ms()
        detail = {"trade_id": fill.trade_id}
        self._requests.note(order, OrderEventKind.FILL, source, detail=detail, apply=False)

    def on_venue_order(self, record: VenueOrder, source: EventSource) -> None:
        """The venue's own record of an order of ours, from the private feed or from REST."""
        order = self._context.blotter.find(client_order_id=record.client_order_id, order_id=record.order_id)
        if order is None:
            return
        tracked, before, terms = order.tracked, order.tracked.status, order.tracked.terms
        if before is OrderStatus.SUBMITTED and record.last_update_reason == REFUSED_BY_REPLY:
            return
        try:
            if tracked.order_id is None:
                tracked.order_id = record.order_id
            tracked.apply_venue_state(
                record.status,
                record.filled,
                record.remaining,
                record.last_update_reason,
                price=record.price,
                expires_at_s=record.expires_at_s,
            )
        except EngineError as error:
            self._incidents.raise_event(
                "DESYNC", Severity.CRITICAL, f"the venue's record does not fit our order: {error}",
                {"client_order_id": order.client_order_id},
            )  # fmt: skip
            self._context.watch.on_own_order_mismatch(f"order {order.client_order_id}: {error}")
            return
        changed = tracked.terms if tracked.terms != terms else None
        if tracked.status is not before:
            kind = _kind(tracked.status)
            self._requests.note(order, kind, source, outcome=record.last_update_reason, apply=False, terms=changed)
        elif changed is not None:
            self._requests.note(order, OrderEventKind.AMEND, source, apply=False, terms=changed)
        else:
            self._context.blotter.touch(order)
        if order.is_outdated and tracked.is_open:
            self._requests.cancel(order, OLD_LIMITS)


def _kind(status: OrderStatus) -> OrderEventKind:
    return {
        OrderStatus.CANCELED: OrderEventKind.CANCEL,
        OrderStatus.EXPIRED: OrderEventKind.EXPIRE,
        OrderStatus.UNKNOWN: OrderEventKind.LOSE,
    }.get(status, OrderEventKind.ACCEPT)
