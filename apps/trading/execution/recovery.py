"""Starting is recovering: what the database knows of the account, brought back into memory."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q

from apps.engine.decimals import money_to_decimal, price_from_decimal, quantity_to_decimal
from apps.engine.orders import OPEN_STATUSES, OrderEventKind, OrderStatus, TrackedOrder
from apps.engine.portfolio import Portfolio
from apps.engine.ports import VenueBalance
from apps.engine.types import Money
from apps.marketdata.models import Market
from apps.trading.choices import EventSource
from apps.trading.mapping import from_ms, order_from_row, position_from_row
from apps.trading.models import CashEntry, Fill, Order, Position, Settlement, TradingSession
from apps.trading.services.ledger import ledger_cash, opening_balance_record
from apps.trading.services.orders import OrderUpdate, order_updates_store

from .blotter import WorkingOrder
from .context import SessionContext

REMEMBER_FILLS = timedelta(days=30)
MARGIN_S = 120


def venue_opening(*, context: SessionContext, balance: VenueBalance) -> Money:
    """Own cash as the session finds it. An account without a ledger gets its first entry from the venue's figure."""
    entries = CashEntry.objects.filter(account=context.account)
    if not entries.exists():
        opening_balance_record(
            account_id=context.account.pk,
            cash=balance.cash,
            reference=f"session {context.session.pk}",
            now=context.now(),
        )
    own = ledger_cash(account_id=context.account.pk)
    TradingSession.objects.filter(pk=context.session.pk).update(opening_cash=money_to_decimal(own))
    return own


def load_portfolio(*, context: SessionContext) -> None:
    """Own cash is the ledger's sum; positions, counted fills and settled markets come from their rows."""
    account = context.account
    since = context.now() - REMEMBER_FILLS
    settled = Settlement.objects.filter(account=account).values_list("market__ticker", "value")
    context.portfolio = Portfolio(
        ledger_cash(account_id=account.pk),
        [position_from_row(row) for row in Position.objects.filter(account=account).select_related("market")],
        Fill.objects.filter(account=account, filled_at__gte=since).values_list("trade_id", flat=True),
        {ticker: price_from_decimal(value) for ticker, value in settled},
    )


def unseen_since_s(*, context: SessionContext) -> int:
    """Unix seconds from which fills and settlements may have happened that no session of ours has seen."""
    before = context.account.sessions.exclude(pk=context.session.pk).order_by("-id").first()
    last_seen = context.session.started_at if before is None else before.heartbeat_at
    return max(0, int(last_seen.timestamp()) - MARGIN_S)


def recover_orders(*, context: SessionContext) -> None:
    """Orders an earlier session left open, and those it closed since it was last seen: a fill of them may still come.

    The outcome of an open one is not known until the venue's records tell. One whose fills were stored when it died,
    but not what they made of the order, is put right here.
    """
    since = from_ms(context.unseen_since_s * 1000)
    wanted = Q(status__in=OPEN_STATUSES) | Q(closed_at__gte=since)
    updates: list[OrderUpdate] = []
    for row in Order.objects.filter(wanted, account=context.account).select_related("market"):
        tracked = order_from_row(row)
        if tracked.filled >= tracked.quantity:
            tracked.status = OrderStatus.FILLED
        if (tracked.status, quantity_to_decimal(tracked.filled)) != (row.status, row.filled):
            updates.append(_put_right(context, row.pk, tracked))
        if tracked.is_open and tracked.status is not OrderStatus.UNKNOWN:
            tracked.apply(OrderEventKind.LOSE, "its session ended")
        created_ms = int(row.created_at.timestamp() * 1000)
        context.blotter.add(WorkingOrder(tracked, row.pk, None, created_ms, row.reason, is_recovered=True))
    if updates:
        order_updates_store(updates)


def _put_right(context: SessionContext, order_pk: int, tracked: TrackedOrder) -> OrderUpdate:
    return OrderUpdate(
        client_order_id=tracked.client_order_id,
        order_pk=order_pk,
        at=context.now(),
        kind=OrderEventKind.FILL,
        source=EventSource.OWN,
        status=tracked.status,
        filled=tracked.filled,
        remaining=tracked.remaining,
        outcome="from its stored fills",
    )


def market_keys() -> dict[str, int]:
    """Primary key of every market, so that a fill can always be stored."""
    return dict(Market.objects.values_list("ticker", "pk"))
