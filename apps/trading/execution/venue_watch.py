"""What the session asks besides its records: is the exchange open, and where do our orders stand in their queues?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from apps.engine.ports import VenueStatus
from apps.engine.types import Quantity, Ticker
from apps.gateway.errors import GatewayError
from apps.governance.choices import Severity
from apps.trading.services.orders import queue_positions_store

from .blotter import WorkingOrder
from .context import SessionContext
from .incidents import Incidents

log = logging.getLogger(__name__)

STATUS_S = 5.0
QUEUE_S = 10.0
# Tickers per question: the list travels in the address.
TICKERS = 50
EXCHANGE_PAUSED = "the exchange is paused: nothing can be sent and nothing canceled until it resumes"
TRADING_PAUSED = "the exchange has paused trading: orders can be canceled, not placed"


class VenueWatch:
    def __init__(self, context: SessionContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents

    async def status(self) -> None:
        """Shuts the gate while the exchange does not trade, in words that say whether cancels work."""
        context = self._context
        try:
            context.exchange = await context.venue.exchange_status()
        except GatewayError as error:
            context.gate.block("exchange", f"the exchange's state is not known: {error}")
            return
        problem = pause_of(context.exchange)
        if problem is None:
            context.gate.unblock("exchange")
        elif context.gate.blocks.get("exchange") != problem:
            context.gate.block("exchange", problem)
            self._incidents.raise_event("EXCHANGE_PAUSED", Severity.WARNING, problem)

    async def queues(self) -> None:
        """Contracts ahead of each resting order; an order the answer leaves out is not known, not first."""
        context = self._context
        resting: dict[str, list[WorkingOrder]] = {}
        for order in context.blotter.open_orders():
            if order.tracked.order_id is not None:
                resting.setdefault(order.tracked.ticker, []).append(order)
        changed: list[tuple[int, Quantity | None]] = []
        tickers = sorted(resting)
        for start in range(0, len(tickers), TICKERS):
            part = tickers[start : start + TICKERS]
            try:
                positions = await context.venue.queue_positions(part)
            except GatewayError as error:
                log.info("queue positions not read: %s", error)
                return
            for ticker in part:
                changed += self._note_queues(ticker, resting[ticker], positions)
        if changed:
            context.journal.post(queue_positions_store, tuple(changed))

    def _note_queues(
        self, ticker: Ticker, orders: Sequence[WorkingOrder], positions: Mapping[str, Quantity]
    ) -> list[tuple[int, Quantity | None]]:
        """Takes new places over; a market where one changed is decided afresh."""
        changed: list[tuple[int, Quantity | None]] = []
        for order in orders:
            ahead = positions.get(order.tracked.order_id or "")
            if ahead != order.queue_ahead:
                order.queue_ahead = ahead
                changed.append((order.pk, ahead))
        if changed and ticker in self._context.desks:
            self._context.desks[ticker].is_dirty = True
        return changed


def pause_of(status: VenueStatus) -> str | None:
    """Why nothing may be placed, or None. A state that is not known is no reason; silence of the venue is another's."""
    if status.is_exchange_active is False:
        return EXCHANGE_PAUSED
    if status.is_trading_active is False:
        return TRADING_PAUSED
    return None
