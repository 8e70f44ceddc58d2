"""The session's own orders in memory: by client id, by venue id, by market and side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.engine.fees import FeeRule, charge_fill, rounding_at
from apps.engine.orders import TrackedOrder
from apps.engine.types import Fill, Money, Quantity, Side, Ticker
from apps.trading.choices import ExecutionMode
from apps.trading.mapping import from_ms


@dataclass(slots=True)
class WorkingOrder:
    """A tracked order with its row's key (0 until its intent is stored) and what the session needs to manage it.

    `is_recovered`: of an earlier session, whose rounding of fees so far is not known any more. `is_outdated`: judged by
    limits that have changed since.
    """

    tracked: TrackedOrder
    pk: int
    fee_rule: FeeRule | None
    created_ms: int
    reason: str
    accumulator: Money = 0
    changed_ms: int = 0
    resolve_tries: int = 0
    queue_ahead: Quantity | None = None
    mode: ExecutionMode = ExecutionMode.MAKER
    is_recovered: bool = False
    is_outdated: bool = False

    @property
    def client_order_id(self) -> str:
        return self.tracked.client_order_id

    def predict_fee(self, fill: Fill) -> Money | None:
        """Our own figure for the fee of the next fill, None where the market's fee rule is not known."""
        if self.fee_rule is None:
            return None
        charge = charge_fill(
            self.fee_rule,
            side=fill.side,
            price=fill.price,
            quantity=fill.quantity,
            is_taker=fill.is_taker,
            accumulator=self.accumulator,
            rounding=rounding_at(from_ms(fill.ts_ms)),
        )
        self.accumulator = charge.accumulator
        return charge.fee


class Blotter:
    """Orders of one account, and which of them may rest or have filled without our having seen it."""

    def __init__(self) -> None:
        self._by_client_id: dict[str, WorkingOrder] = {}
        self._by_venue_id: dict[str, WorkingOrder] = {}
        self._open: dict[Ticker, dict[str, WorkingOrder]] = {}
        self._unseen: dict[Ticker, dict[str, WorkingOrder]] = {}

    def add(self, order: WorkingOrder) -> None:
        self._by_client_id[order.client_order_id] = order
        self.touch(order)

    def discard(self, order: WorkingOrder) -> None:
        """Takes out an order whose intent was not stored: it never was."""
        self._by_client_id.pop(order.client_order_id, None)
        self._open.get(order.tracked.ticker, {}).pop(order.client_order_id, None)
        self._unseen.get(order.tracked.ticker, {}).pop(order.client_order_id, None)

    def touch(self, order: WorkingOrder) -> None:
        """Call after every change of an order: keeps the indexes true."""
        tracked = order.tracked
        if tracked.order_id is not None:
            self._by_venue_id[tracked.order_id] = order
        market = self._open.setdefault(tracked.ticker, {})
        if tracked.is_open:
            market[tracked.client_order_id] = order
        else:
            market.pop(tracked.client_order_id, None)
        unseen = self._unseen.setdefault(tracked.ticker, {})
        if tracked.missing_fills:
            unseen[tracked.client_order_id] = order
        else:
            unseen.pop(tracked.client_order_id, None)

    def find(self, *, client_order_id: str | None = None, order_id: str | None = None) -> WorkingOrder | None:
        found = self._by_client_id.get(client_order_id) if client_order_id else None
        return found or (self._by_venue_id.get(order_id) if order_id else None)

    def open_orders(self, ticker: Ticker | None = None) -> list[WorkingOrder]:
        if ticker is not None:
            return list(self._open.get(ticker, {}).values())
        return [order for market in self._open.values() for order in market.values()]

    def unseen(self, ticker: Ticker) -> list[WorkingOrder]:
        """Orders, ended ones too, of which the venue reports more filled than we have seen fills of."""
        return list(self._unseen.get(ticker, {}).values())

    def unseen_position(self, ticker: Ticker) -> Quantity:
        """Signed contracts that have filled according to the venue, of which the fills are still to come."""
        return sum(o.tracked.side.sign * o.tracked.missing_fills for o in self._unseen.get(ticker, {}).values())

    def resting(self, ticker: Ticker, side: Side) -> Quantity:
        """Open quantity of ours on one side of a market, orders in flight included."""
        return sum(o.tracked.remaining for o in self._open.get(ticker, {}).values() if o.tracked.side is side)

    def __iter__(self) -> Iterator[WorkingOrder]:
        return iter(self._by_client_id.values())

    def forget_closed(self, before_ms: int) -> None:
        """Drops orders that ended before a time, with nothing missing; late reports then come from the database."""
        for order in [o for o in self if not o.tracked.is_open and o.changed_ms < before_ms]:
            if not order.tracked.missing_fills:
                del self._by_client_id[order.client_order_id]
                self._by_venue_id.pop(order.tracked.order_id or "", None)
