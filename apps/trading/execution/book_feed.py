"""Books as the feed tells them, what of them is ours, and whether they are what the exchange's snapshots say."""

from __future__ import annotations

from collections.abc import Callable

from apps.engine.orders import OrderStatus
from apps.engine.types import Side
from apps.gateway.kalshi.frames import DeltaFrame, SnapshotFrame
from apps.governance.choices import Severity

from .context import MarketDesk, SessionContext, Shown
from .incidents import Incidents


class BookFeed:
    """`on_change(desk)` is called when a market's book changed."""

    def __init__(self, context: SessionContext, incidents: Incidents, on_change: Callable[[MarketDesk], None]) -> None:
        self._context = context
        self._incidents = incidents
        self._on_change = on_change

    def on_delta(self, frame: DeltaFrame, arrived_s: float) -> None:
        context = self._context
        desk = context.desks.get(frame.ticker)
        if desk is None:
            context.books.on_sequenced(frame.sid, frame.seq)
            return
        if context.books.on_delta(frame.sid, frame.seq, frame):
            desk.book_at_ms = context.last_frame_ms
            if frame.client_order_id is not None:
                self._show(desk, frame)
        desk.trigger, desk.frame_s = "frame", arrived_s
        self._on_change(desk)

    def _show(self, desk: MarketDesk, frame: DeltaFrame) -> None:
        """A delta of our own making: what the public book shows of us moved by exactly this much."""
        assert frame.client_order_id is not None
        # By price as well: an amend takes the order from one level to another in two deltas.
        key = (frame.client_order_id, frame.price)
        shown = desk.shown.get(key)
        if shown is None:
            shown = desk.shown[key] = Shown(frame.side, frame.price, 0)
        shown.quantity += frame.delta
        if shown.quantity <= 0:
            del desk.shown[key]

    def on_snapshot(self, frame: SnapshotFrame) -> None:
        context = self._context
        desk = context.desks.get(frame.book.ticker)
        if desk is None:
            context.books.on_sequenced(frame.sid, frame.seq)
            return
        agrees = self._agrees(frame)
        if not context.books.on_snapshot(frame.sid, frame.seq, frame.book):
            return
        if agrees:
            return
        if agrees is False:
            context.watch.on_book_problem(desk.ticker)
            self._incidents.raise_event(
                "BOOK_DIFFERS", Severity.WARNING, f"the book of {desk.ticker} was not what its snapshot says",
                {"ticker": desk.ticker},
            )  # fmt: skip
        # A snapshot does not say which part is ours; what we believe to rest is the best guess until deltas tell.
        desk.shown = {
            (order.client_order_id, order.tracked.price): Shown(
                order.tracked.side, order.tracked.price, order.tracked.remaining
            )
            for order in context.blotter.open_orders(desk.ticker)
            if order.tracked.status is not OrderStatus.SUBMITTED
        }
        desk.book_at_ms, desk.trigger, desk.frame_s = context.last_frame_ms, "frame", None
        self._on_change(desk)

    def _agrees(self, frame: SnapshotFrame) -> bool | None:
        """Whether our book is what this snapshot, next in its sequence, says; None when there is nothing to compare."""
        books = self._context.books
        book = books.book(frame.book.ticker)
        if book is None or not book.is_quotable or frame.seq != books.last_seq(frame.sid) + 1:
            return None
        return all(
            sorted(book.levels(side)) == sorted(levels)
            for side, levels in ((Side.BID, frame.book.bids), (Side.ASK, frame.book.asks))
        )
