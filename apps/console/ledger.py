"""Positions, settlements and the cash walk, with what stands behind each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.marketdata.choices import GONE
from apps.marketdata.models import Market
from apps.trading.models import Account, Fill, Settlement
from apps.trading.selectors import CashRow, PositionRow, position_list

OVER = ("determined", "disputed", "amended", "finalized", "settled", GONE)
"""Market statuses in which nothing can be traded any more; a status nobody knows is not one of them."""
SETTLEMENTS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Positions:
    """`hidden` counts the flat ones in markets that are over; the sums are over all, shown or not."""

    shown: tuple[PositionRow, ...]
    hidden: int
    realized: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class CashLine:
    row: CashRow
    fill: Fill | None


def positions_of(*, account: Account, with_over: bool) -> Positions:
    """A position that is not flat is never hidden, whatever its market says."""
    rows = position_list(account=account, include_flat=True)
    over = Market.objects.filter(positions__account=account, positions__quantity=0, status__in=OVER)
    hidden = frozenset() if with_over else frozenset(over.values_list("ticker", flat=True))
    shown = tuple(row for row in rows if row.quantity or row.ticker not in hidden)
    return Positions(
        shown=shown,
        hidden=len(rows) - len(shown),
        realized=sum((row.realized for row in rows), Decimal(0)),
        fees=sum((row.fees for row in rows), Decimal(0)),
    )


def settlements_of(*, account: Account) -> list[Settlement]:
    return list(Settlement.objects.filter(account=account).select_related("market")[:SETTLEMENTS_SHOWN])


def cash_lines(*, account: Account, rows: tuple[CashRow, ...]) -> tuple[CashLine, ...]:
    """Each movement with the fill it came from, where it came from one."""
    named = [row.reference for row in rows]
    fills = Fill.objects.filter(account=account, trade_id__in=named).select_related("market")
    by_trade = {fill.trade_id: fill for fill in fills}
    return tuple(CashLine(row, by_trade.get(row.reference)) for row in rows)
