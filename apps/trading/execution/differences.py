"""What does not agree between our records and the venue's, in words, and what would explain it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.engine.decimals import format_money, format_quantity

from .blotter import WorkingOrder


@dataclass(slots=True)
class Difference:
    """What did not agree. Empty lists and a drift of zero are a clean comparison."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    drift: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.orders and not self.positions and self.drift == 0


def describe(found: Difference) -> str:
    parts = []
    if found.drift:
        parts.append(f"cash differs by {format_money(found.drift)}")
    parts += [f"position in {p['ticker']} is {p['own']}, at the exchange {p['venue']}" for p in found.positions]
    parts += [f"order {o['order_id']}: {o['problem']}" for o in found.orders]
    return "our records and the exchange's differ: " + "; ".join(parts)


def missing(found: Difference, orders: Iterable[WorkingOrder]) -> list[dict[str, Any]]:
    """What is missing from our records if the venue is right; the last resort is an amount nobody can name yet."""
    if found.is_clean:
        return []
    rows: list[dict[str, Any]] = [
        {
            "kind": "fill",
            "client_order_id": order.client_order_id,
            "ticker": order.tracked.ticker,
            "contracts": format_quantity(order.tracked.missing_fills),
            "text": f"{format_quantity(order.tracked.missing_fills)} contracts of order {order.client_order_id} "
            "filled at the exchange, the fill itself has not been seen",
        }
        for order in orders
        if order.tracked.missing_fills
    ]
    rows += [
        {
            "kind": "position",
            "ticker": p["ticker"],
            "text": f"a fill or settlement in {p['ticker']} that takes {p['own']} contracts to {p['venue']}",
        }
        for p in found.positions
    ]
    if found.drift and not rows:
        rows.append(
            {
                "kind": "cash",
                "amount": format_money(found.drift),
                "text": f"{format_money(found.drift)} that no order, position or settlement explains: a deposit, a "
                "withdrawal, or a fee charged otherwise than by the fill",
            }
        )
    return rows
