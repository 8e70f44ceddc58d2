"""The figures of a run, from our own rows, and whether they tie out with the exchange."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async

from apps.engine.decimals import format_money
from apps.engine.orders import OPEN_STATUSES, OrderStatus
from apps.engine.types import Money
from apps.gateway.clock import SystemClock
from apps.trading.choices import CashKind, SessionState
from apps.trading.models import Account, CashEntry, Fill, Order
from apps.trading.services.ledger import ledger_cash
from apps.trading.venues import venue_open


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in figures. Money and contracts are decimal strings; a missing opening balance is null."""

    markets: int
    frames: int
    seq_gaps: int
    decisions: int
    orders: int
    denied: int
    rejected: int
    fills: int
    contracts_filled: str
    fees: str
    cash_start: str | None
    cash_end: str
    cash_drift: str
    resting_at_end: int
    open_unknown: int
    errors: int

    @property
    def is_clean(self) -> bool:
        is_tied_out = Decimal(self.cash_drift) == 0 and self.cash_start is not None
        return is_tied_out and not self.resting_at_end and not self.open_unknown and not self.errors

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def summary_make(*, account: Account) -> Summary:
    """Reads our rows, then the exchange's cash and resting orders. Raises `GatewayError` when it cannot."""
    venue, rest = venue_open(account, SystemClock())
    try:
        balance = await venue.balance()
        resting = len(await venue.open_orders())
    finally:
        await rest.aclose()
    return await sync_to_async(_from_rows)(account, balance.cash, resting)


def _from_rows(account: Account, venue_cash: Money, resting: int) -> Summary:
    sessions = list(account.sessions.order_by("id"))
    counters = [session.counters for session in sessions]
    failed = sum(session.state == SessionState.FAILED for session in sessions)
    orders = Order.objects.filter(account=account)
    fills = Fill.objects.filter(account=account)
    opening = CashEntry.objects.filter(account=account, kind=CashKind.OPENING).first()
    cash_end = ledger_cash(account_id=account.pk)
    return Summary(
        markets=max((int(c.get("markets", 0)) for c in counters), default=0),
        frames=_total(counters, "frames"),
        seq_gaps=_total(counters, "seq_gaps"),
        decisions=_total(counters, "decisions"),
        orders=orders.exclude(status=OrderStatus.DENIED).count(),
        denied=orders.filter(status=OrderStatus.DENIED).count(),
        rejected=orders.filter(status=OrderStatus.REJECTED).count(),
        fills=fills.count(),
        contracts_filled=str(sum(fills.values_list("quantity", flat=True), Decimal("0.00"))),
        fees=str(sum(fills.values_list("fee", flat=True), Decimal("0.000000"))),
        cash_start=None if opening is None else str(opening.amount),
        cash_end=format_money(cash_end),
        cash_drift=format_money(venue_cash - cash_end),
        resting_at_end=resting,
        open_unknown=orders.filter(status__in=OPEN_STATUSES).count(),
        errors=_total(counters, "errors") + failed,
    )


def _total(counters: list[dict[str, Any]], name: str) -> int:
    return sum(int(c.get(name, 0)) for c in counters)
