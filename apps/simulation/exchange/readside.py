"""What portfolio reads show: the engine's state of a while ago (Kalshi docs: user data timestamp)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from apps.engine.types import Money, Ticker

from .accounts import Holding
from .orders import ExchangeFill, Order, OrderStatus, Settlement


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one event changed for one account; orders and holdings are copies."""

    order: Order | None = None
    holding: Holding | None = None
    fill: ExchangeFill | None = None
    settlement: Settlement | None = None
    cash: Money | None = None
    bound: Money | None = None


@dataclass(slots=True)
class AccountView:
    """Copies as of the last applied change; `bound` is the cash its resting orders bind."""

    cash: Money = 0
    bound: Money = 0
    cash_us: int = 0
    orders: dict[str, Order] = field(default_factory=dict)
    resting: dict[str, Order] = field(default_factory=dict)
    holdings: dict[Ticker, Holding] = field(default_factory=dict)
    fills: list[ExchangeFill] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)


class ReadSide:
    """Applies changes `lag_us` after they happened; with no lag at once."""

    def __init__(self, lag_us: int) -> None:
        self.lag_us = lag_us
        self._views: dict[str, AccountView] = {}
        self._pending: deque[tuple[int, str, Change]] = deque()

    def record(self, at_us: int, account_id: str, change: Change) -> None:
        self._pending.append((at_us, account_id, change))

    def view(self, account_id: str, now_us: int) -> AccountView:
        self._advance(now_us)
        return self._views.setdefault(account_id, AccountView())

    def forget_closed(self, account_id: str, now_us: int) -> None:
        """Show only resting orders from now on, and no fill or settlement of before."""
        view = self.view(account_id, now_us)
        view.orders = dict(view.resting)
        view.fills.clear()
        view.settlements.clear()

    def _advance(self, now_us: int) -> None:
        while self._pending and self._pending[0][0] <= now_us - self.lag_us:
            at_us, account_id, change = self._pending.popleft()
            _apply(self._views.setdefault(account_id, AccountView()), at_us, change)


def _apply(view: AccountView, at_us: int, change: Change) -> None:
    if change.order is not None:
        view.orders[change.order.order_id] = change.order
        if change.order.status is OrderStatus.RESTING:
            view.resting[change.order.order_id] = change.order
        else:
            view.resting.pop(change.order.order_id, None)
    if change.holding is not None:
        view.holdings[change.holding.position.ticker] = change.holding
    if change.fill is not None:
        view.fills.append(change.fill)
    if change.settlement is not None:
        view.settlements.append(change.settlement)
    if change.cash is not None:
        view.cash, view.cash_us = change.cash, at_us
    if change.bound is not None:
        view.bound = change.bound
