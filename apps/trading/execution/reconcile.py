"""Our records against the venue's: orders, fills, positions, settlements, cash. Differences are named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.engine.decimals import format_money, format_quantity, money_to_decimal
from apps.engine.orders import OrderEventKind, OrderStatus
from apps.engine.ports import VenueBalance, VenueOrder, VenuePosition
from apps.gateway.errors import GatewayError
from apps.governance.choices import Severity
from apps.trading.choices import EventSource
from apps.trading.models import Reconciliation

from .blotter import WorkingOrder
from .context import SessionContext
from .feed import FeedHandler
from .incidents import Incidents
from .ledger import Ledger
from .recovery import MARGIN_S
from .requests import OrderRequests

log = logging.getLogger(__name__)

# The venue's reads lag its engine; what changed this recently is not compared.
READ_LAG_MS = 2_000
TURN = 50
# An order the venue does not know after this many looks and this long was never accepted.
UNKNOWN_TRIES, UNKNOWN_AFTER_MS = 3, 5_000
UNDECIDED = (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED, OrderStatus.PENDING_CANCEL)


@dataclass(slots=True)
class Difference:
    """What did not agree. Empty lists and a drift of zero are a clean comparison."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    drift: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.orders and not self.positions and self.drift == 0


class Reconciler:
    """One comparison at a time. A difference is reported once it was seen twice in a row with nothing moving."""

    def __init__(
        self, context: SessionContext, requests: OrderRequests, feed: FeedHandler, ledger: Ledger, incidents: Incidents
    ) -> None:
        self._context = context
        self._requests = requests
        self._feed = feed
        self._ledger = ledger
        self._incidents = incidents
        self._suspected = Difference()

    async def reconcile(self, trigger: str) -> bool:
        """Asks the venue for everything and compares; True when all of it agrees. Raises `GatewayError`."""
        context, venue = self._context, self._context.venue
        since = context.unseen_since_s
        started_ms = context.clock.now_ms()
        open_orders = await venue.open_orders()
        for fill in await venue.fills(min_ts_s=since):
            self._feed.on_fill(fill, EventSource.REST)
        for settlement in await venue.settlements(min_ts_s=since):
            self._ledger.apply_settlement(settlement)
        positions = await venue.positions()
        balance = await venue.balance()
        context.venue_cash, context.venue_cash_ms = balance.cash, context.clock.now_ms()
        context.counters.reconciliations += 1
        await self.resolve_undecided()
        moving = context.last_activity_ms > started_ms - READ_LAG_MS and trigger not in ("start", "stop")
        found = Difference(
            orders=await self._order_differences(open_orders),
            positions=self._position_differences(positions),
            drift=balance.cash - context.portfolio.cash,
        )
        return self._report(trigger, found, balance, moving=moving)

    async def resolve_undecided(self) -> None:
        """Looks up each order whose outcome is not known; the answer is the venue's record, never a new send."""
        now_ms = self._context.clock.now_ms()
        for order in self._context.blotter.open_orders():
            stuck = order.tracked.status is OrderStatus.UNKNOWN or now_ms - order.changed_ms > UNKNOWN_AFTER_MS
            if order.pk and order.tracked.status in UNDECIDED and stuck:
                await self._resolve(order)

    async def _resolve(self, order: WorkingOrder) -> None:
        tracked = order.tracked
        record = await self._context.venue.order_by_client_id(order.client_order_id, tracked.ticker)
        if record is not None:
            self._feed.on_venue_order(record, EventSource.REST)
            if tracked.status is OrderStatus.PENDING_CANCEL and record.status == "resting":
                self._requests.note(order, OrderEventKind.LOSE, EventSource.REST, outcome="cancel had no effect")
            return
        order.resolve_tries += 1
        age_ms = self._context.clock.now_ms() - order.created_ms
        if order.resolve_tries < UNKNOWN_TRIES or age_ms < UNKNOWN_AFTER_MS:
            return
        if tracked.status is not OrderStatus.UNKNOWN:
            self._requests.note(order, OrderEventKind.LOSE, EventSource.REST, outcome="no answer")
        self._requests.note(order, OrderEventKind.NOT_FOUND, EventSource.REST, outcome="the exchange has no such order")

    async def _order_differences(self, records: Sequence[VenueOrder]) -> list[dict[str, Any]]:
        now_ms = self._context.clock.now_ms()
        found: list[dict[str, Any]] = []
        resting = {record.order_id: record for record in records}
        for number, record in enumerate(records):
            if number % TURN == 0:
                await asyncio.sleep(0)  # thousands of orders are compared in turns with trading
            order = self._context.blotter.find(client_order_id=record.client_order_id, order_id=record.order_id)
            if order is None:
                found.append({"order_id": record.order_id, "ticker": record.ticker, "problem": "not ours"})
            elif now_ms - order.changed_ms > READ_LAG_MS:
                self._feed.on_venue_order(record, EventSource.REST)
                if not order.tracked.is_open:
                    found.append({"order_id": record.order_id, "problem": f"rests, ours is {order.tracked.status}"})
        for order in self._context.blotter.open_orders():
            tracked = order.tracked
            settled = tracked.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
            if settled and tracked.order_id not in resting and now_ms - order.changed_ms > READ_LAG_MS:
                self._requests.note(order, OrderEventKind.LOSE, EventSource.REST, outcome="not resting at the exchange")
        return found

    def _position_differences(self, records: Sequence[VenuePosition]) -> list[dict[str, Any]]:
        portfolio = self._context.portfolio
        theirs = {record.ticker: record.quantity for record in records if record.quantity}
        ours = {ticker: p.quantity for ticker, p in portfolio.positions.items() if p.quantity}
        return [
            {
                "ticker": ticker,
                "own": format_quantity(ours.get(ticker, 0)),
                "venue": format_quantity(theirs.get(ticker, 0)),
            }
            for ticker in sorted(theirs.keys() | ours.keys())
            if ours.get(ticker, 0) != theirs.get(ticker, 0)
        ]

    def _report(self, trigger: str, found: Difference, balance: VenueBalance, *, moving: bool) -> bool:
        """Stores the comparison; a difference that stands twice, with nothing moving, shuts the gate."""
        context = self._context
        if moving and not found.is_clean:
            return False
        confirmed = not found.is_clean and (found == self._suspected or trigger in ("start", "stop"))
        self._suspected = found
        context.cash_drift = found.drift
        context.journal.post(_store, _row(context, trigger, found, balance))
        if found.is_clean:
            context.gate.unblock("reconcile")
            # Everything up to here is accounted for; only what the venue's reads may still be late with is asked again.
            context.unseen_since_s = max(context.unseen_since_s, context.clock.now_ms() // 1000 - MARGIN_S)
        elif confirmed:
            reason = _describe(found)
            context.gate.block("reconcile", reason)
            self._incidents.raise_event("DESYNC", Severity.CRITICAL, reason, {"orders": found.orders})
        return found.is_clean


async def cancel_everything(context: SessionContext) -> None:
    """Takes every resting order of the account off the book, ours or not; raises `GatewayError`."""
    for record in await context.venue.open_orders():
        try:
            await context.venue.cancel(record.order_id, record.ticker)
        except GatewayError as error:
            log.warning("cancel of %s: %s", record.order_id, error)


def _describe(found: Difference) -> str:
    parts = []
    if found.drift:
        parts.append(f"cash differs by {format_money(found.drift)}")
    parts += [f"position in {p['ticker']} is {p['own']}, at the exchange {p['venue']}" for p in found.positions]
    parts += [f"order {o['order_id']}: {o['problem']}" for o in found.orders]
    return "our records and the exchange's differ: " + "; ".join(parts)


def _row(context: SessionContext, trigger: str, found: Difference, balance: VenueBalance) -> Reconciliation:
    orders = context.blotter.open_orders()
    return Reconciliation(
        account=context.account,
        at=context.now(),
        trigger=trigger,
        own_cash=money_to_decimal(context.portfolio.cash),
        venue_cash=money_to_decimal(balance.cash),
        cash_drift=money_to_decimal(found.drift),
        orders_open=len(orders),
        orders_unknown=sum(o.tracked.status is OrderStatus.UNKNOWN for o in orders),
        position_differences=found.positions,
        order_differences=found.orders,
        is_clean=found.is_clean,
    )


def _store(row: Reconciliation) -> None:
    row.pk = None
    row.save(force_insert=True)
