"""Checks at every step: each change of an order at the exchange is judged against what was allowed then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from apps.engine.portfolio import worst_case_cost
from apps.engine.types import Money, Price, Quantity
from apps.simulation.exchange.accounts import Account, Holding
from apps.simulation.exchange.markets import Market
from apps.simulation.exchange.orders import ExchangeFill, Order, OrderStatus, Trade
from apps.simulation.exchange.publisher import LevelNews, Publisher

from .clocks import WorldClock
from .limits import Rules

HALT_GRACE_S = 1.25
"""A quarter of a second to poll, and the second after which silence of the database counts as a halt."""
RELOAD_GRACE_S = 3.0
"""Limits are read anew each second, and the gate shuts when none were read for 2.5 s."""
ORDERS_PATH = "/trade-api/v2/portfolio/events/orders"


class Watch(Publisher):
    """Stands before the exchange's hub, passes everything on and notes what must never happen."""

    def __init__(self, inner: Publisher, clock: WorldClock, rules: Rules) -> None:
        self._inner = inner
        self._clock = clock
        self._rules = rules
        self._seen: dict[str, tuple[Price, Quantity]] = {}
        self._amended_s: dict[str, float] = {}
        self.sent_s: dict[str, float] = {}
        self.problems: list[str] = []

    def problem(self, text: str) -> None:
        line = f"{self._clock.seconds():.3f} s: {text}"
        if len(self.problems) < 20:
            self.problems.append(line)

    def on_send(self, method: str, path: str, body: bytes) -> None:
        """A request leaves one of our processes."""
        if method != "POST" or not path.startswith(ORDERS_PATH) or path.endswith("/decrease"):
            return
        now_s, content = self._clock.seconds(), msgspec.json.decode(body)
        if path.endswith("/amend"):
            self._on_amend(path.split("/")[-2], now_s)
            return
        for item in content.get("orders", [content]):
            name = item["client_order_id"]
            if name in self.sent_s:
                self.problem(f"order {name} was sent twice")
            self.sent_s[name] = now_s
            halted_s = self._rules.halted_for(now_s)
            if halted_s is not None and halted_s > HALT_GRACE_S:
                self.problem(f"order {name} left {halted_s:.3f} s after a halt")

    def _on_amend(self, order_id: str, now_s: float) -> None:
        self._amended_s[order_id] = now_s
        halted_s = self._rules.halted_for(now_s)
        if halted_s is not None and halted_s > HALT_GRACE_S:
            self.problem(f"an amend of {order_id} left {halted_s:.3f} s after a halt")

    # what the exchange says

    def order_changed(self, account: Account, order: Order) -> None:
        self._inner.order_changed(account, order)
        before, now = self._seen.get(order.order_id), (order.price, order.initial)
        self._seen[order.order_id] = now
        if before is None:
            self._judge(account, order)
        elif before != now:
            self._judge_amend(order, before)

    def _judge_amend(self, order: Order, before: tuple[Price, Quantity]) -> None:
        """An amend never adds risk: no price closer to the other side, no larger total, none outside the band."""
        name, (price, total) = order.client_order_id, before
        if (order.price - price) * order.side.sign > 0 or order.initial > total:
            self.problem(f"amend of {name} from {total} at {price} to {order.initial} at {order.price} adds risk")
        sent_s = self._amended_s.get(order.order_id)
        if sent_s is None:
            self.problem(f"order {name} was amended by nobody")
            return
        allowed = self._rules.loosest(sent_s - RELOAD_GRACE_S, sent_s)
        if not allowed.min_price <= order.price <= allowed.max_price:
            self.problem(f"order {name} was amended to {order.price}, outside the price band")

    def _judge(self, account: Account, order: Order) -> None:
        """A new order of ours at the exchange."""
        sent_s = self.sent_s.get(order.client_order_id)
        if sent_s is None:
            self.problem(f"order {order.client_order_id or order.order_id} was never sent by us")
            return
        if order.status is not OrderStatus.RESTING and not order.filled:
            return
        allowed = self._rules.loosest(sent_s - RELOAD_GRACE_S, sent_s)
        if not allowed.min_price <= order.price <= allowed.max_price:
            self.problem(f"order {order.client_order_id} at {order.price} is outside the price band")
        cost = worst_case_cost(order.side, order.price, order.initial, 0)
        if cost > allowed.order_dollars:
            self.problem(f"order {order.client_order_id} risks {cost}, allowed are {allowed.order_dollars}")
        self._judge_position(account, order, allowed.contracts)
        exposure = _exposure(account)
        adds = account.bound() > account.bound(without=order)
        if adds and exposure > allowed.exposure:
            self.problem(f"order {order.client_order_id} takes exposure to {exposure} of {allowed.exposure}")

    def _judge_position(self, account: Account, order: Order, most: int) -> None:
        beside = [o for o in account.resting.values() if o.ticker == order.ticker and o.side is order.side]
        resting = sum(o.remaining for o in beside)
        worst = account.held(order.ticker) + order.side.sign * resting
        if worst * order.side.sign > most:
            self.problem(f"order {order.client_order_id} may take the position in {order.ticker} to {worst} of {most}")
        others = [o.client_order_id for o in beside if o is not order and not _is_by_hand(o)]
        if others and not _is_by_hand(order):
            self.problem(
                f"order {order.client_order_id} rests beside {', '.join(others)} on {order.side} of {order.ticker}"
            )

    def book_changed(self, market: Market, changes: Sequence[LevelNews], ts_us: int) -> None:
        self._inner.book_changed(market, changes, ts_us)

    def ticker(self, market: Market, ts_us: int) -> None:
        self._inner.ticker(market, ts_us)

    def traded(self, trade: Trade) -> None:
        self._inner.traded(trade)

    def filled(self, fill: ExchangeFill) -> None:
        self._inner.filled(fill)

    def position_changed(self, account: Account, holding: Holding) -> None:
        self._inner.position_changed(account, holding)

    def group_changed(self, account_id: str, msg: dict[str, Any]) -> None:
        self._inner.group_changed(account_id, msg)

    def lifecycle(self, msg: dict[str, Any]) -> None:
        self._inner.lifecycle(msg)


def _is_by_hand(order: Order) -> bool:
    """People may have orders beside the strategy's: ids of requests and plans name their kind and their row."""
    return order.client_order_id.split("-")[1] in ("m", "p")


def _exposure(account: Account) -> Money:
    """Dollars at risk: what open positions cost, and what resting orders would bind."""
    return sum(abs(h.position.cost) for h in account.holdings.values()) + account.bound()
