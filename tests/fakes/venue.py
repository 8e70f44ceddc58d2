"""A venue whose answers a test writes down beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from apps.engine.ports import (
    AmendAck,
    CancelAck,
    DecreaseAck,
    LastLook,
    OrderAck,
    OrderChange,
    VenueBalance,
    VenueGroup,
    VenueOrder,
    VenuePosition,
    VenueSettlement,
    VenueStatus,
)
from apps.engine.types import QUANTITY_SCALE, Fill, OrderIntent, Quantity, Ticker
from apps.gateway.errors import GatewayError, GroupNotFound, GroupTriggered, NotFound, OrderNotFound

Answer = Exception | None


class FakeVenue:
    """Takes every call unless the list of its answers holds an exception for it; keeps what was asked.

    `None` in such a list means "as usual". Groups work: a triggered one loses its resting orders and takes no new ones.
    """

    def __init__(self, cash: int = 10_000_000_000) -> None:
        self.cash = cash
        self.clock_skew_ms: int | None = 0
        self.last_look: LastLook | None = None
        self.writes_per_s = 100.0
        self.status = VenueStatus(True, True, None)
        self.sent: list[OrderIntent] = []
        self.canceled: list[str] = []
        self.amended: list[OrderChange] = []
        self.decreased: list[tuple[str, Quantity]] = []
        self.triggered: list[str] = []
        self.answers: list[Answer] = []
        self.cancel_answers: list[Answer] = []
        self.amend_answers: list[Answer] = []
        self.decrease_answers: list[Answer] = []
        self.group_answers: list[Answer] = []
        self.trigger_answers: list[Answer] = []
        self.queue_answers: list[Answer] = []
        self.status_answers: list[Answer] = []
        self.resting: dict[str, VenueOrder] = {}
        self.closed: dict[str, VenueOrder] = {}
        self.group_rows: dict[str, VenueGroup] = {}
        self.queue: dict[str, Quantity] = {}
        self.fill_rows: list[Fill] = []
        self.position_rows: list[VenuePosition] = []
        self.settlement_rows: list[VenueSettlement] = []
        self._groups_made = 0

    async def submit(self, intent: OrderIntent) -> OrderAck:
        self.sent.append(intent)
        _raise_next(self.answers)
        self._check_group(intent.order_group_id)
        order_id = f"v-{len(self.sent)}"
        self.rest(intent, order_id)
        return OrderAck(order_id, intent.client_order_id, 0, intent.quantity, 1)

    async def submit_many(self, intents: Sequence[OrderIntent]) -> Sequence[OrderAck | Exception]:
        answers: list[OrderAck | Exception] = []
        for intent in intents:
            try:
                answers.append(await self.submit(intent))
            except GatewayError as error:
                answers.append(error)
        return answers

    def rest(self, intent: OrderIntent, order_id: str) -> None:
        """As if the exchange had taken the order, whatever it answered."""
        self.resting[order_id] = VenueOrder(
            order_id, intent.client_order_id, intent.ticker, intent.side, intent.price, intent.quantity, 0,
            intent.quantity, "resting", 0, 0, expires_at_s=intent.expires_at_s, group_id=intent.order_group_id,
        )  # fmt: skip

    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck:
        self.canceled.append(order_id)
        _raise_next(self.cancel_answers)
        order = self.resting.pop(order_id, None)
        if order is None:
            raise OrderNotFound(status=404, code="not_found")
        return CancelAck(order_id, order.remaining)

    async def cancel_many(self, orders: Sequence[tuple[str, Ticker]]) -> Sequence[CancelAck | Exception]:
        answers: list[CancelAck | Exception] = []
        for order_id, ticker in orders:
            try:
                answers.append(await self.cancel(order_id, ticker))
            except GatewayError as error:
                answers.append(error)
        return answers

    async def cancel_all(self) -> None:
        self.resting.clear()

    async def amend(self, change: OrderChange) -> AmendAck:
        self.amended.append(change)
        _raise_next(self.amend_answers)
        order = self.resting.get(change.order_id)
        if order is None:
            raise OrderNotFound(status=404, code="not_found")
        self.resting[change.order_id] = self.changed(order, change)
        return AmendAck(change.order_id, order.filled, change.total - order.filled, 1)

    @staticmethod
    def changed(order: VenueOrder, change: OrderChange) -> VenueOrder:
        """The order as the exchange would show it after the change."""
        expires_at_s = order.expires_at_s if change.expires_at_s is None else change.expires_at_s
        remaining = change.total - order.filled
        return replace(order, price=change.price, initial=change.total, remaining=remaining, expires_at_s=expires_at_s)

    async def decrease(self, order_id: str, ticker: Ticker, *, reduce_to: Quantity) -> DecreaseAck:
        self.decreased.append((order_id, reduce_to))
        _raise_next(self.decrease_answers)
        order = self.resting.get(order_id)
        if order is None:
            raise OrderNotFound(status=404, code="not_found")
        self.resting[order_id] = replace(order, initial=order.filled + reduce_to, remaining=reduce_to)
        return DecreaseAck(order_id, reduce_to, 1)

    async def create_group(self, contracts_limit: int, *, exchange_index: int = 0) -> str:
        _raise_next(self.group_answers)
        self._groups_made += 1
        group_id = f"g-{self._groups_made}"
        self.group_rows[group_id] = VenueGroup(group_id, contracts_limit * QUANTITY_SCALE, False, exchange_index)
        return group_id

    async def groups(self) -> Sequence[VenueGroup]:
        return list(self.group_rows.values())

    async def trigger_group(self, group_id: str) -> None:
        self.triggered.append(group_id)
        _raise_next(self.trigger_answers)
        self.group_rows[group_id] = replace(self._group(group_id), is_triggered=True)
        self._drop_group(group_id)

    async def reset_group(self, group_id: str) -> None:
        _raise_next(self.group_answers)
        self.group_rows[group_id] = replace(self._group(group_id), is_triggered=False)

    async def delete_group(self, group_id: str) -> None:
        _raise_next(self.group_answers)
        self._group(group_id)
        del self.group_rows[group_id]
        self._drop_group(group_id)

    async def limit_group(self, group_id: str, contracts_limit: int) -> None:
        _raise_next(self.group_answers)
        self.group_rows[group_id] = replace(self._group(group_id), contracts_limit=contracts_limit * QUANTITY_SCALE)

    def _group(self, group_id: str) -> VenueGroup:
        group = self.group_rows.get(group_id)
        if group is None:
            raise NotFound(status=404, code="not_found")
        return group

    def _check_group(self, group_id: str | None) -> None:
        if group_id is None:
            return
        group = self.group_rows.get(group_id)
        if group is None:
            raise GroupNotFound(status=404, code="order_group_not_found")
        if group.is_triggered:
            raise GroupTriggered(status=409, code="exceeded_order_group_risk_limit")

    def _drop_group(self, group_id: str) -> None:
        for order in [o for o in self.resting.values() if o.group_id == group_id]:
            del self.resting[order.order_id]
            self.closed[order.order_id] = replace(order, status="canceled", remaining=0)

    async def queue_positions(self, tickers: Sequence[Ticker]) -> Mapping[str, Quantity]:
        _raise_next(self.queue_answers)
        wanted = {o.order_id for o in self.resting.values() if o.ticker in set(tickers)}
        return {order_id: ahead for order_id, ahead in self.queue.items() if order_id in wanted}

    async def exchange_status(self) -> VenueStatus:
        _raise_next(self.status_answers)
        return self.status

    async def open_orders(self) -> Sequence[VenueOrder]:
        return list(self.resting.values())

    async def orders(self, *, min_ts_s: int | None = None) -> Sequence[VenueOrder]:
        return [*self.resting.values(), *self.closed.values()]

    async def order_by_client_id(self, client_order_id: str, ticker: Ticker) -> VenueOrder | None:
        return next((o for o in await self.orders() if o.client_order_id == client_order_id), None)

    async def fills(self, *, min_ts_s: int | None = None) -> Sequence[Fill]:
        return list(self.fill_rows)

    async def positions(self) -> Sequence[VenuePosition]:
        return list(self.position_rows)

    async def settlements(self, *, min_ts_s: int | None = None) -> Sequence[VenueSettlement]:
        return list(self.settlement_rows)

    async def balance(self) -> VenueBalance:
        return VenueBalance(self.cash, None)


def _raise_next(answers: list[Answer]) -> None:
    answer = answers.pop(0) if answers else None
    if answer is not None:
        raise answer
