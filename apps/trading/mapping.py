"""The one place where rows become engine values and back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from apps.engine.decimals import (
    money_from_decimal,
    money_to_decimal,
    price_from_decimal,
    price_to_decimal,
    quantity_from_decimal,
    quantity_to_decimal,
)
from apps.engine.orders import OrderStatus, TrackedOrder
from apps.engine.portfolio import Position as EnginePosition
from apps.engine.types import Price, Quantity, Side
from apps.trading.models import Order, Position


def position_from_row(row: Position) -> EnginePosition:
    """`row.market` must be loaded."""
    return EnginePosition(
        ticker=row.market.ticker,
        quantity=quantity_from_decimal(row.quantity),
        cost=money_from_decimal(row.cost),
        realized_pnl=money_from_decimal(row.realized_pnl),
        fees=money_from_decimal(row.fees),
    )


def position_fields(position: EnginePosition) -> dict[str, Decimal]:
    return {
        "quantity": quantity_to_decimal(position.quantity),
        "cost": money_to_decimal(position.cost),
        "realized_pnl": money_to_decimal(position.realized_pnl),
        "fees": money_to_decimal(position.fees),
    }


def order_from_row(row: Order) -> TrackedOrder:
    """An order as the database knows it. Its fills are counted from their own rows: the order's row is written a
    moment later, and the process may have ended between the two.
    """
    fills = dict(row.fills.values_list("trade_id", "quantity"))
    filled = quantity_from_decimal(sum(fills.values(), Decimal(0)))
    return TrackedOrder(
        client_order_id=row.client_order_id,
        ticker=row.market.ticker,
        side=Side(row.side),
        price=price_from_decimal(row.price),
        quantity=quantity_from_decimal(row.quantity),
        status=OrderStatus(row.status),
        order_id=row.venue_order_id,
        filled=filled,
        reported_filled=filled,
        trade_ids=set(fills),
        expires_at_s=None if row.expires_at is None else int(row.expires_at.timestamp()),
    )


def optional_price(price: Price | None) -> Decimal | None:
    return None if price is None else price_to_decimal(price)


def optional_quantity(quantity: Quantity | None) -> Decimal | None:
    return None if quantity is None else quantity_to_decimal(quantity)


def from_ms(ts_ms: int) -> datetime:
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC)
