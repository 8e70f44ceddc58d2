"""Our records against the venue's: orders, fills, positions, settlements, cash. Differences are named."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from apps.engine.decimals import format_quantity, money_to_decimal
from apps.engine.orders import OrderEventKind, OrderStatus
from apps.engine.ports import VenueBalance, VenueOrder, VenuePosition
from apps.engine.types import Fill
from apps.governance.choices import Severity
from apps.trading.choices import EventSource
from apps.trading.exceptions import OrdersRemain
from apps.trading.models import Reconciliation

from .blotter import WorkingOrder
from .context import SessionContext
from .differences import Difference, describe, missing
from .feed import FeedHandler
from .groups import OrderGroups
from .incidents import Incidents
from .ledger import Ledger
from .recovery import MARGIN_S
from .requests import OrderRequests

log = logging.getLogger(__name__)

# The venue's reads lag its engine; what changed this recently is not compared.
READ_LAG_MS = 2_000
TURN = 50
# From here on a whole group is stopped rather than its orders canceled; and how many cancels go into one request.
MANY, CANCELS = 20, 20
CANCEL_TRIES, CANCEL_PAUSE_S = 20, 0.25
# Undecided orders up to which each is looked up by itself.
FEW = 5
# An order without an answer is looked up after this long.
UNKNOWN_AFTER_MS = 5_000
# One the venue does not know after this many looks was never accepted, and after this long no request of it can still
# be on its way: ours give up after ten seconds.
UNKNOWN_TRIES, DISOWNED_AFTER_MS = 3, 12_000
# A difference that stands through so many comparisons is one, however much is moving.
STANDS = 6
# A private frame that has not come by then will not come.
PRIVATE_LATE_MS = 3_000
UNDECIDED = (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED, OrderStatus.PENDING_CANCEL)


class Reconciler:
    """One comparison at a time. A difference is reported once it was seen twice in a row with nothing moving.

    `on_private_silence` is called when the venue's records show fills that the private feed should have told of.
    """

    def __init__(
        self,
        context: SessionContext,
        requests: OrderRequests,
        feed: FeedHandler,
        ledger: Ledger,
        incidents: Incidents,
        *,
        on_private_silence: Callable[[], None],
    ) -> None:
        self._context = context
        self._requests = requests
        self._feed = feed
        self._ledger = ledger
        self._incidents = incidents
        self._suspected, self._suspected_ms = Difference(), 0
        self._unclean = 0
        self._resolving = asyncio.Lock()
        self._on_private_silence = on_private_silence

    async def reconcile(self, trigger: str) -> bool:
        """Asks the venue for everything and compares; True when all of it agrees. Raises `GatewayError`."""
        context, venue = self._context, self._context.venue
        started_ms = context.clock.now_ms()
        open_orders = await venue.open_orders()
        await self.catch_up()
        positions = await venue.positions()
        balance = await venue.balance()
        context.venue_cash, context.venue_cash_ms = balance.cash, context.clock.now_ms()
        context.counters.reconciliations += 1
        moving = context.last_money_ms > started_ms - READ_LAG_MS and trigger not in ("start", "stop")
        found = Difference(
            orders=await self._order_differences(open_orders),
            positions=self._position_differences(positions),
            drift=balance.cash - context.portfolio.cash,
        )
        return self._report(trigger, found, balance, moving=moving)

    async def catch_up(self) -> None:
        """Takes in what the venue's records hold of orders without an outcome, fills and settlements.

        Orders come first: the venue's fills name only its own order id, which an order whose answer was lost lacks.
        Raises `GatewayError`.
        """
        venue, since = self._context.venue, self._context.unseen_since_s
        await self.resolve_undecided()
        fills = await venue.fills(min_ts_s=since)
        if any(self._context.blotter.find(order_id=fill.order_id) is None for fill in fills):
            await self._identify()
        self._take_fills(fills)
        for settlement in await venue.settlements(min_ts_s=since):
            self._ledger.apply_settlement(settlement)

    async def _identify(self) -> None:
        """Gives open orders that lack the venue's id theirs, if the venue has them."""
        nameless = [order for order in self._context.blotter.open_orders() if order.tracked.order_id is None]
        if nameless:
            since_s = min(order.created_ms for order in nameless) // 1000 - MARGIN_S
            for record in await self._context.venue.orders(min_ts_s=since_s):
                order = self._context.blotter.find(client_order_id=record.client_order_id)
                if order is not None and order.pk and order.tracked.order_id is None:
                    self._feed.on_venue_order(record, EventSource.REST)

    def _take_fills(self, fills: Sequence[Fill]) -> None:
        """Counts what the private feed has not told, and says so: a channel can go silent on an open socket."""
        context = self._context
        connected_ms = context.connected_ms
        late = [
            fill
            for fill in fills
            if self._feed.on_fill(fill, EventSource.REST)
            and connected_ms is not None
            and connected_ms + PRIVATE_LATE_MS < fill.ts_ms < context.clock.now_ms() - PRIVATE_LATE_MS
        ]
        if late:
            self._incidents.raise_event(
                "PRIVATE_FEED_SILENT", Severity.CRITICAL,
                f"{len(late)} fills were in the exchange's records and not on the private feed",
                {"trade_ids": [fill.trade_id for fill in late]},
            )  # fmt: skip
            self._on_private_silence()

    async def resolve_undecided(self) -> None:
        """Looks up each order whose outcome is not known; the answer is the venue's record, never a new send."""
        async with self._resolving:
            await self._resolve_all(self._undecided())

    async def _resolve_all(self, undecided: Sequence[WorkingOrder]) -> None:
        venue = self._context.venue
        records: dict[str, VenueOrder] = {}
        if len(undecided) > FEW:
            since_s = min(order.created_ms for order in undecided) // 1000 - MARGIN_S
            records = {record.client_order_id: record for record in await venue.orders(min_ts_s=since_s)}
        for order in undecided:
            record = records.get(order.client_order_id)
            if record is None:
                record = await venue.order_by_client_id(order.client_order_id, order.tracked.ticker)
            self._resolve(order, record)

    def _undecided(self) -> list[WorkingOrder]:
        """Stored orders without a known outcome for so long that no answer can be on its way any more."""
        now_ms = self._context.clock.now_ms()
        return [
            order
            for order in self._context.blotter.open_orders()
            if order.pk
            and order.tracked.status in UNDECIDED
            and (order.tracked.status is OrderStatus.UNKNOWN or now_ms - order.changed_ms > UNKNOWN_AFTER_MS)
            and not self._requests.is_sending(order)
        ]

    def _resolve(self, order: WorkingOrder, record: VenueOrder | None) -> None:
        tracked = order.tracked
        if record is not None:
            self._feed.on_venue_order(record, EventSource.REST)
            if tracked.status is OrderStatus.PENDING_CANCEL and record.status == "resting":
                self._requests.note(order, OrderEventKind.LOSE, EventSource.REST, outcome="cancel had no effect")
            return
        order.resolve_tries += 1
        age_ms = self._context.clock.now_ms() - order.created_ms
        if order.resolve_tries < UNKNOWN_TRIES or age_ms < DISOWNED_AFTER_MS:
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
        self._unclean = 0 if found.is_clean else self._unclean + 1
        stands = self._unclean >= STANDS
        if moving and not found.is_clean and not stands:
            return False
        is_same, now_ms = found == self._suspected, context.clock.now_ms()
        confirmed = not found.is_clean and (is_same or stands or trigger in ("start", "stop"))
        self._suspected_ms = self._suspected_ms if is_same else now_ms
        self._suspected = found
        # Shutting the gate opens again by itself, what a switch halts does not: that needs more than a late read.
        is_certain = confirmed and (stands or now_ms - self._suspected_ms >= READ_LAG_MS)
        context.cash_drift = found.drift
        context.watch.on_compared(
            orders=len(found.orders), positions=len(found.positions), drift=found.drift, is_confirmed=is_certain
        )
        names = missing(found, context.blotter)
        context.journal.post(_store, _row(context, trigger, found, balance, names))
        if found.is_clean:
            context.gate.unblock("reconcile")
            # Everything up to here is accounted for; only what the venue's reads may still be late with is asked again.
            context.unseen_since_s = max(context.unseen_since_s, context.clock.now_ms() // 1000 - MARGIN_S)
        elif confirmed:
            reason = describe(found)
            context.gate.block("reconcile", reason)
            code = "CASH_DRIFT" if found.drift else "DESYNC"
            message = f"{reason}; missing: {'; '.join(n['text'] for n in names)}" if names else reason
            self._incidents.raise_event(
                code, Severity.CRITICAL, message,
                {"orders": found.orders, "positions": found.positions, "missing": names},
            )  # fmt: skip
        return found.is_clean


async def cancel_everything(context: SessionContext, groups: OrderGroups) -> None:
    """Takes every resting order of the account off the book, ours or not; raises `GatewayError`, `OrdersRemain`.

    Many orders go with their groups, one request for each; the groups are reset before anything is placed again.
    """
    resting = await context.venue.open_orders()
    if len(resting) > MANY:
        await groups.trigger({order.group_id for order in resting if order.group_id})
        resting = await context.venue.open_orders()
    for _ in range(CANCEL_TRIES):
        if not resting:
            return
        await _cancel_each(context, resting)
        await asyncio.sleep(CANCEL_PAUSE_S)
        resting = await context.venue.open_orders()
    if resting:
        raise OrdersRemain(f"{len(resting)} orders still rest at the exchange after {CANCEL_TRIES} attempts")


async def _cancel_each(context: SessionContext, resting: Sequence[VenueOrder]) -> None:
    for start in range(0, len(resting), CANCELS):
        part = resting[start : start + CANCELS]
        answers = await context.venue.cancel_many([(order.order_id, order.ticker) for order in part])
        for order, answer in zip(part, answers, strict=True):
            if isinstance(answer, Exception):
                log.warning("cancel of %s: %s", order.order_id, answer)


def _row(
    context: SessionContext, trigger: str, found: Difference, balance: VenueBalance, names: list[dict[str, Any]]
) -> Reconciliation:
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
        missing=names,
        is_clean=found.is_clean,
    )


def _store(row: Reconciliation) -> None:
    # A commit whose answer was lost is tried again with the same row.
    row.pk, row._state.adding = None, True
    row.save(force_insert=True)
