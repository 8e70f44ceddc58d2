"""Reads of trading for screens and exports: plain rows, newest first, each with the times its numbers are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from .choices import ExecutionMode, OrderStatus
from .models import Account, CashEntry, Decision, Fill, Order, Position, Reconciliation, StrategyConfig, TradingSession

OPEN_STATUSES = (
    OrderStatus.SUBMITTED,
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class OrderRow:
    client_order_id: str
    venue_order_id: str
    ticker: str
    side: str
    price: Decimal
    quantity: Decimal
    filled: Decimal
    remaining: Decimal
    status: str
    created_at: datetime
    reason: str
    outcome: str = ""
    closed_at: datetime | None = None
    mode: str = ""
    expires_at: datetime | None = None
    group: str = ""
    queue_ahead: Decimal | None = None

    @property
    def mode_label(self) -> str:
        return dict(ExecutionMode.choices).get(self.mode, self.mode)

    @property
    def status_label(self) -> str:
        return dict(OrderStatus.choices).get(self.status, self.status)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class FillRow:
    trade_id: str
    ticker: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    is_taker: bool
    filled_at: datetime
    client_order_id: str = ""
    predicted_fee: Decimal | None = None
    key: int | None = None


@dataclass(frozen=True, slots=True)
class PositionRow:
    ticker: str
    title: str
    quantity: Decimal
    cost: Decimal
    realized: Decimal
    fees: Decimal
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CashRow:
    kind: str
    reference: str
    amount: Decimal
    balance: Decimal
    at: datetime
    key: int


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """What the strategy saw and wanted; prices of the book are those without our own orders."""

    ticker: str
    at: datetime
    trigger: str
    reason: str
    bid_reason: str
    ask_reason: str
    best_bid: Decimal | None
    best_ask: Decimal | None
    bid_price: Decimal | None
    bid_quantity: Decimal | None
    ask_price: Decimal | None
    ask_quantity: Decimal | None
    position: Decimal
    parameters_number: int
    parameters_hash: str


@dataclass(frozen=True, slots=True)
class OrderEventRow:
    at: datetime
    kind: str
    source: str
    status: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderDetail:
    order: OrderRow
    account: str
    strategy: str
    time_in_force: str
    post_only: bool
    expires_at: datetime | None
    accepted_at: datetime | None
    decision: DecisionRow | None
    events: tuple[OrderEventRow, ...]
    fills: tuple[FillRow, ...]


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What a blotter may be narrowed to; an empty text means any."""

    market: str = ""
    status: str = ""
    side: str = ""
    is_open: bool = False


ANY_ORDER = OrderFilter()


@dataclass(frozen=True, slots=True)
class Page:
    """Rows and the key to ask for older ones with, None on the last page."""

    rows: tuple[Any, ...]
    older: int | None = None


@dataclass(frozen=True, slots=True)
class CashState:
    """Own cash from the ledger and the exchange's from the newest comparison; None where there is none yet."""

    own: Decimal | None = None
    own_at: datetime | None = None
    venue: Decimal | None = None
    drift: Decimal | None = None
    compared_at: datetime | None = None
    opening: Decimal | None = None


def account_default() -> Account | None:
    """The account the console shows: the first active one by name."""
    return Account.objects.filter(is_active=True).first()


def session_latest(*, account: Account) -> TradingSession | None:
    return TradingSession.objects.filter(account=account).first()


def order_list(
    *, account: Account, narrowed: OrderFilter = ANY_ORDER, before: int | None = None, limit: int = 100
) -> Page:
    orders = Order.objects.filter(account=account).select_related("market")
    if narrowed.market:
        orders = orders.filter(market__ticker__icontains=narrowed.market)
    if narrowed.status:
        orders = orders.filter(status=narrowed.status)
    if narrowed.side:
        orders = orders.filter(side=narrowed.side)
    if narrowed.is_open:
        orders = orders.filter(status__in=OPEN_STATUSES)
    return _page(orders, _order_row, before, limit)


def orders_open(*, account: Account, ticker: str = "", limit: int = 200) -> tuple[OrderRow, ...]:
    orders = Order.objects.filter(account=account, status__in=OPEN_STATUSES).select_related("market")
    if ticker:
        orders = orders.filter(market__ticker=ticker)
    return tuple(_order_row(order) for order in orders[:limit])


def order_get(*, client_order_id: str) -> OrderDetail:
    """One order with everything that happened to it; raises `Order.DoesNotExist`."""
    order = Order.objects.select_related(
        "market",
        "account",
        "config__version__strategy",
        "decision__market",
        "decision__parameters",
    ).get(client_order_id=client_order_id)
    fills = order.fills.select_related("market", "order")
    return OrderDetail(
        order=_order_row(order),
        account=order.account.name,
        strategy=order.config.version.strategy.name if order.config else "",
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        expires_at=order.expires_at,
        accepted_at=order.accepted_at,
        decision=None if order.decision is None else _decision_row(order.decision),
        events=tuple(
            OrderEventRow(e.at, e.kind, e.get_source_display(), e.get_status_display(), e.detail)
            for e in order.events.all()
        ),
        fills=tuple(_fill_row(fill) for fill in fills),
    )


def fill_list(*, account: Account, ticker: str = "", before: int | None = None, limit: int = 100) -> Page:
    fills = Fill.objects.filter(account=account).select_related("market", "order")
    if ticker:
        fills = fills.filter(market__ticker=ticker)
    return _page(fills, _fill_row, before, limit)


def position_list(*, account: Account, include_flat: bool = False) -> tuple[PositionRow, ...]:
    positions = Position.objects.filter(account=account).select_related("market")
    if not include_flat:
        positions = positions.exclude(quantity=0)
    return tuple(
        PositionRow(p.market.ticker, p.market.title, p.quantity, p.cost, p.realized_pnl, p.fees, p.updated_at)
        for p in positions
    )


def cash_list(*, account: Account, before: int | None = None, limit: int = 100) -> Page:
    return _page(CashEntry.objects.filter(account=account), _cash_row, before, limit)


def cash_state(*, account: Account) -> CashState:
    newest = CashEntry.objects.filter(account=account).first()
    compared = Reconciliation.objects.filter(account=account).first()
    session = session_latest(account=account)
    return CashState(
        own=newest.balance if newest else None,
        own_at=newest.at if newest else None,
        venue=compared.venue_cash if compared else None,
        drift=compared.cash_drift if compared else None,
        compared_at=compared.at if compared else None,
        opening=session.opening_cash if session else None,
    )


def decision_list(*, account: Account, ticker: str = "", limit: int = 12) -> tuple[DecisionRow, ...]:
    decisions = Decision.objects.filter(config__account=account).select_related("market", "parameters")
    if ticker:
        decisions = decisions.filter(market__ticker=ticker)
    return tuple(_decision_row(decision) for decision in decisions[:limit])


def config_list() -> tuple[StrategyConfig, ...]:
    return tuple(StrategyConfig.objects.select_related("account", "version__strategy"))


def _page(rows: Any, make: Any, before: int | None, limit: int) -> Page:
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    return Page(tuple(make(row) for row in found[:limit]), found[limit - 1].pk if len(found) > limit else None)


def _order_row(order: Order) -> OrderRow:
    return OrderRow(
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id or "",
        ticker=order.market.ticker,
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        filled=order.filled,
        remaining=order.remaining,
        status=order.status,
        created_at=order.created_at,
        reason=order.reason,
        outcome=order.outcome,
        closed_at=order.closed_at,
        mode=order.mode,
        expires_at=order.expires_at,
        group=order.order_group,
        queue_ahead=order.queue_ahead,
    )


def _fill_row(fill: Fill) -> FillRow:
    return FillRow(
        trade_id=fill.trade_id,
        ticker=fill.market.ticker,
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        fee=fill.fee,
        is_taker=fill.is_taker,
        filled_at=fill.filled_at,
        client_order_id=fill.order.client_order_id if fill.order else "",
        predicted_fee=fill.predicted_fee,
        key=fill.pk,
    )


def _cash_row(entry: CashEntry) -> CashRow:
    return CashRow(entry.get_kind_display(), entry.reference, entry.amount, entry.balance, entry.at, entry.pk)


def _decision_row(decision: Decision) -> DecisionRow:
    return DecisionRow(
        ticker=decision.market.ticker,
        at=decision.at,
        trigger=decision.trigger,
        reason=decision.reason,
        bid_reason=decision.bid_reason,
        ask_reason=decision.ask_reason,
        best_bid=decision.best_bid,
        best_ask=decision.best_ask,
        bid_price=decision.bid_price,
        bid_quantity=decision.bid_quantity,
        ask_price=decision.ask_price,
        ask_quantity=decision.ask_quantity,
        position=decision.position,
        parameters_number=decision.parameters.number,
        parameters_hash=decision.parameters.params_hash,
    )
