"""What the exchange tells the outside as it happens; the WebSocket hub listens, tests may too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.engine.types import Price, Quantity, Side

from .accounts import Account, Holding
from .markets import Market
from .orders import ExchangeFill, Order, Trade


@dataclass(frozen=True, slots=True)
class LevelNews:
    """Signed change of a shown level, with the client order id per account that caused it."""

    side: Side
    price: Price
    delta: Quantity
    causes: tuple[tuple[str, str], ...] = ()


class Publisher:
    """Hears everything and passes nothing on; the hub overrides what it sends."""

    def book_changed(self, market: Market, changes: Sequence[LevelNews], ts_us: int) -> None: ...

    def ticker(self, market: Market, ts_us: int) -> None: ...

    def traded(self, trade: Trade) -> None: ...

    def filled(self, fill: ExchangeFill) -> None: ...

    def order_changed(self, account: Account, order: Order) -> None: ...

    def position_changed(self, account: Account, holding: Holding) -> None: ...

    def group_changed(self, account_id: str, msg: dict[str, Any]) -> None: ...

    def lifecycle(self, msg: dict[str, Any]) -> None: ...
