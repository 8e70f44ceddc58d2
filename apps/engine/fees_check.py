"""Predicted against charged fee for recorded fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .fees import FeeRule, Rounding, charge_fill, rounding_at
from .types import Money, Price, Quantity, Side, Ticker


@dataclass(frozen=True, slots=True)
class RecordedFill:
    """A fill as the venue recorded it, with its market's fee rule; `at` is aware, `charged` in $0.000001."""

    trade_id: str
    order_id: str
    ticker: Ticker
    side: Side
    price: Price
    quantity: Quantity
    is_taker: bool
    charged: Money
    at: datetime
    rule: FeeRule


@dataclass(frozen=True, slots=True)
class FeeComparison:
    """One fill's predicted and charged fee; `difference` = charged - predicted, `rounding` the rule used."""

    fill: RecordedFill
    predicted: Money
    charged: Money
    difference: Money
    rounding: str


def compare(
    fills: Iterable[RecordedFill], *, rounding: Rounding | None = None, direct: bool = True
) -> list[FeeComparison]:
    """One row per fill, in time order; each order's fills share an accumulator.

    Without `rounding` every fill uses the rule in force at its own time, for a direct member or (`direct`
    False) one cleared through an FCM. Raises `UnknownFeeType` and `BadNumber`.
    """
    accumulators: dict[str, Money] = {}
    rows: list[FeeComparison] = []
    for fill in sorted(fills, key=lambda f: f.at):
        rule = rounding or rounding_at(fill.at, direct=direct)
        charge = charge_fill(
            fill.rule,
            side=fill.side,
            price=fill.price,
            quantity=fill.quantity,
            is_taker=fill.is_taker,
            accumulator=accumulators.get(fill.order_id, 0),
            rounding=rule,
        )
        accumulators[fill.order_id] = charge.accumulator
        rows.append(FeeComparison(fill, charge.fee, fill.charged, fill.charged - charge.fee, rule.name))
    return rows
