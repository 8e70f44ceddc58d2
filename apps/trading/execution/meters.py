"""Feeds the liquidity meters with what each market looks like with and without us."""

from __future__ import annotations

from apps.core.rows import Values, insert_rows
from apps.engine.orders import OrderStatus
from apps.engine.types import ONE_DOLLAR, Price, Side
from apps.trading.models import LiquidityInterval

from .context import MarketDesk, SessionContext
from .liquidity import Standing

RESTING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_CANCEL)
NOTHING = Standing(0, 0, None, None)


class Meters:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._done: list[Values] = []

    def observe(self, desk: MarketDesk) -> None:
        """The market's standing from now on; called after every decision."""
        self._take(desk, self._standing(desk))

    def flush(self) -> None:
        """Posts finished stretches."""
        if self._done:
            self._context.journal.post(insert_rows, LiquidityInterval, tuple(self._done))
            self._done = []

    def forget(self, desk: MarketDesk) -> None:
        self._take(desk, NOTHING)

    def close(self) -> None:
        """Ends every stretch."""
        for desk in self._context.desks.values():
            self.forget(desk)
        self.flush()

    def _take(self, desk: MarketDesk, standing: Standing) -> None:
        context = self._context
        done = desk.meter.observe(standing, context.clock.now_ms(), context.session.pk)
        if done is not None:
            self._done.append(done)

    def _standing(self, desk: MarketDesk) -> Standing:
        if not desk.working:
            return NOTHING
        dollars = {Side.BID: 0, Side.ASK: 0}
        for side, order in desk.working.items():
            tracked = order.tracked
            if tracked.status in RESTING:
                unit = tracked.price if side is Side.BID else ONE_DOLLAR - tracked.price
                dollars[side] += unit * tracked.remaining
        book = self._context.books.book(desk.ticker)
        with_us = _spread(book.best_bid, book.best_ask) if book is not None and book.is_quotable else None
        without = _spread(desk.bid[0] if desk.bid else None, desk.ask[0] if desk.ask else None)
        return Standing(dollars[Side.BID], dollars[Side.ASK], with_us, without)


def _spread(bid: Price | None, ask: Price | None) -> Price | None:
    return None if bid is None or ask is None else ask - bid
