"""Writing what moves cash and positions, each cause once. Called by the session's journal, in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from apps.core.rows import Values, insert_row, insert_rows
from apps.engine.decimals import money_from_decimal, money_to_decimal, price_to_decimal, quantity_to_decimal
from apps.engine.portfolio import Position as EnginePosition
from apps.engine.ports import VenueSettlement
from apps.engine.types import Fill as EngineFill
from apps.engine.types import Money, Quantity
from apps.trading.choices import CashKind, EventSource
from apps.trading.mapping import from_ms, position_fields
from apps.trading.models import CashEntry, Fill, Position, Settlement

_SEEN = f"SELECT 1 FROM {Fill._meta.db_table} WHERE account_id = %s AND trade_id = %s"  # noqa: S608


@dataclass(frozen=True, slots=True)
class FillRecord:
    """A fill with what it did: the trade's own cash (fee apart), the balance and the position after it."""

    fill: EngineFill
    market_id: int
    order_pk: int | None
    trade_cash: Money
    cash_after: Money
    position: EnginePosition
    predicted_fee: Money | None
    source: EventSource
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    settlement: VenueSettlement
    market_id: int
    value: Decimal
    quantity: Quantity
    cash_after: Money
    position: EnginePosition


def ledger_cash(*, account_id: int) -> Money:
    """Own cash: the sum of the account's ledger, exact. (SQLite would add decimals up as floats.)"""
    amounts = CashEntry.objects.filter(account_id=account_id).values_list("amount", flat=True)
    return sum(money_from_decimal(amount) for amount in amounts.iterator())


def opening_balance_record(*, account_id: int, cash: Money, reference: str, now: datetime) -> None:
    """The first entry of an account's ledger; a second is refused by the database."""
    amount = money_to_decimal(cash)
    CashEntry.objects.create(
        account_id=account_id, kind=CashKind.OPENING, reference=reference, amount=amount, balance=amount, at=now
    )


def fill_record(*, account_id: int, record: FillRecord) -> bool:
    """Stores a fill, its cash and the position it leaves; False when the trade_id is already stored."""
    fill = record.fill
    filled_at = from_ms(fill.ts_ms)
    with transaction.atomic():
        if _is_stored(account_id, fill.trade_id):
            return False
        insert_row(
            Fill,
            {
                "account_id": account_id,
                "trade_id": fill.trade_id,
                "order_id": record.order_pk,
                "market_id": record.market_id,
                "side": fill.side.value,
                "price": price_to_decimal(fill.price),
                "quantity": quantity_to_decimal(fill.quantity),
                "fee": money_to_decimal(fill.fee),
                "predicted_fee": None if record.predicted_fee is None else money_to_decimal(record.predicted_fee),
                "is_taker": fill.is_taker,
                "source": record.source.value,
                "filled_at": filled_at,
                "received_at": record.received_at,
            },
        )
        insert_rows(CashEntry, _cash_rows(account_id, record, filled_at))
        _position_store(account_id, record.market_id, record.position, filled_at)
    return True


def _is_stored(account_id: int, trade_id: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, [account_id, trade_id])
        return cursor.fetchone() is not None


def settlement_record(*, account_id: int, record: SettlementRecord) -> bool:
    """Stores a settlement and its cash; False when this market's is already stored."""
    settlement = record.settlement
    settled_at = from_ms(settlement.settled_ms)
    with transaction.atomic():
        _, created = Settlement.objects.get_or_create(
            account_id=account_id,
            market_id=record.market_id,
            defaults={
                "result": settlement.result,
                "value": record.value,
                "quantity": quantity_to_decimal(record.quantity),
                "revenue": money_to_decimal(settlement.revenue),
                "fee": money_to_decimal(settlement.fee),
                "settled_at": settled_at,
            },
        )
        if not created:
            return False
        CashEntry.objects.create(
            account_id=account_id,
            kind=CashKind.SETTLEMENT,
            reference=settlement.ticker,
            amount=money_to_decimal(settlement.revenue - settlement.fee),
            balance=money_to_decimal(record.cash_after),
            at=settled_at,
        )
        _position_store(account_id, record.market_id, record.position, settled_at)
    return True


def _cash_rows(account_id: int, record: FillRecord, at: datetime) -> list[Values]:
    entries = [(CashKind.TRADE, record.trade_cash, record.cash_after + record.fill.fee)]
    if record.fill.fee:
        entries.append((CashKind.FEE, -record.fill.fee, record.cash_after))
    return [
        {
            "account_id": account_id,
            "kind": kind.value,
            "reference": record.fill.trade_id,
            "amount": money_to_decimal(amount),
            "balance": money_to_decimal(balance),
            "at": at,
        }
        for kind, amount, balance in entries
    ]


def _position_store(account_id: int, market_id: int, position: EnginePosition, at: datetime) -> None:
    """One writer per account, the holder of its lease: what is not there to update is not there at all."""
    values = {**position_fields(position), "updated_at": at}
    if not Position.objects.filter(account_id=account_id, market_id=market_id).update(**values):
        insert_row(Position, {"account_id": account_id, "market_id": market_id, **values})
