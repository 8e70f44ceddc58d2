"""Writing intents and what becomes of them. Called by the session's journal, in order, on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Field

from apps.core.leases import lease_check
from apps.core.rows import Values, insert_row, insert_rows
from apps.engine.decimals import price_to_decimal, quantity_to_decimal
from apps.engine.orders import OrderEventKind, OrderStatus, Terms
from apps.engine.types import OrderIntent, Price, Quantity
from apps.risk import selectors as risk
from apps.trading.choices import EventSource, ExecutionMode
from apps.trading.exceptions import TradingBlocked
from apps.trading.mapping import optional_price, optional_quantity
from apps.trading.models import Decision, Order, OrderEvent, TradingSession


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One decision in engine units; `config_id`, `parameters_id` and `market_id` are primary keys."""

    config_id: int
    parameters_id: int
    market_id: int
    at: datetime
    trigger: str
    best_bid: Price | None
    best_ask: Price | None
    best_bid_size: Quantity | None
    best_ask_size: Quantity | None
    position: Quantity
    reason: str
    bid_reason: str
    ask_reason: str
    bid: tuple[Price, Quantity] | None
    ask: tuple[Price, Quantity] | None
    evaluations: int = 1


@dataclass(frozen=True, slots=True)
class IntentRecord:
    """An order about to be sent (or refused: `denial` says why) with the decision it comes from.

    An order that no strategy decided (a person's, a plan's leg) has no decision and names its market itself.
    """

    intent: OrderIntent
    decision: DecisionRecord | None
    reason: str
    denial: str | None = None
    denial_detail: dict[str, Any] = field(default_factory=dict)
    mode: ExecutionMode = ExecutionMode.MAKER
    market_id: int | None = None

    @property
    def market_key(self) -> int:
        """Primary key of the market; raises `ValueError` for a record that names none."""
        if self.decision is not None:
            return self.decision.market_id
        if self.market_id is None:
            raise ValueError(f"intent {self.intent.client_order_id} names no market")
        return self.market_id


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """One event of one order and where it leaves the order, in engine units; `terms` where an amend changed them."""

    client_order_id: str
    order_pk: int
    at: datetime
    kind: OrderEventKind
    source: EventSource
    status: OrderStatus
    filled: Quantity
    remaining: Quantity
    venue_order_id: str | None = None
    outcome: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    terms: Terms | None = None


# Plain SQL: it runs for every event of every order, and an intent may wait behind it.
_UPDATE = (
    f"UPDATE {Order._meta.db_table} SET status = %s, filled = %s, remaining = %s, "  # noqa: S608
    "venue_order_id = COALESCE(%s, venue_order_id), outcome = COALESCE(%s, outcome), "
    "accepted_at = COALESCE(accepted_at, %s), closed_at = COALESCE(closed_at, %s), price = COALESCE(%s, price), "
    "quantity = COALESCE(%s, quantity), expires_at = COALESCE(%s, expires_at) WHERE id = %s"
)

_QUEUE = f"UPDATE {Order._meta.db_table} SET queue_ahead = %s WHERE id = %s"  # noqa: S608


def lease_name(account_id: int) -> str:
    return f"trading.account.{account_id}"


def decisions_store(records: Sequence[tuple[int, DecisionRecord]]) -> None:
    """Decisions that led to no order, each with its session's key, many at a time."""
    insert_rows(Decision, [_decision_row(session_id, record) for session_id, record in records])


def orders_commit(*, session: TradingSession, records: Sequence[IntentRecord], now: datetime) -> dict[str, int]:
    """Stores intents and commits before anything is sent; primary key by client_order_id.

    In the same transaction it asks once more whether the session still holds its lease and whether the database
    allows trading. Raises `LeaseLost` or `TradingBlocked`, and then nothing is stored.
    """
    keys: dict[str, int] = {}
    with transaction.atomic(durable=True):
        lease_check(name=lease_name(session.account_id), token=session.fencing_token, now=now)
        if any(r.denial is None for r in records):
            _require_tradable(session)
        for record in records:
            decision_id = None
            if record.decision is not None:
                decision_id = insert_row(Decision, _decision_row(session.pk, record.decision))
            order_pk = insert_row(Order, _order_row(session, record, decision_id, now))
            insert_row(OrderEvent, _first_event(order_pk, record, now))
            keys[record.intent.client_order_id] = order_pk
    return keys


def orders_abandon(*, client_order_ids: Sequence[str], now: datetime) -> None:
    """Ends intents that were stored although their commit seemed to fail: nothing was sent for them."""
    with transaction.atomic():
        for order in Order.objects.filter(client_order_id__in=client_order_ids, status=OrderStatus.SUBMITTED):
            order.status, order.remaining, order.closed_at = OrderStatus.CANCELED, Decimal(0), now
            order.outcome = "not sent: the database did not answer when it was stored"
            order.save(update_fields=["status", "remaining", "closed_at", "outcome"])
            OrderEvent.objects.create(
                order=order,
                at=now,
                kind=OrderEventKind.CANCEL.value,
                source=EventSource.OWN.value,
                status=OrderStatus.CANCELED.value,
                detail={"outcome": order.outcome},
            )


def order_updates_store(updates: Sequence[OrderUpdate]) -> None:
    """Appends the events and moves each order to where its last one left it. Safe to repeat after a failure."""
    with transaction.atomic():
        insert_rows(OrderEvent, [_event_row(u) for u in updates])
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE, [_update_values(u) for u in updates])


def queue_positions_store(places: Sequence[tuple[int, Quantity | None]]) -> None:
    """Contracts ahead of each order by its row's key, as the exchange last said; None where it did not say."""
    rows = [(_prepared("queue_ahead", optional_quantity(ahead)), order_pk) for order_pk, ahead in places]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_QUEUE, rows)


def _require_tradable(session: TradingSession) -> None:
    if halted := risk.halted_scopes(account=session.account.name, environment=session.account.environment):
        raise TradingBlocked(f"trading is halted for account {session.account.name} ({', '.join(halted)})")


def _decision_row(session_id: int, r: DecisionRecord) -> Values:
    return {
        "session_id": session_id,
        "config_id": r.config_id,
        "parameters_id": r.parameters_id,
        "market_id": r.market_id,
        "at": r.at,
        "trigger": r.trigger,
        "evaluations": r.evaluations,
        "best_bid": optional_price(r.best_bid),
        "best_ask": optional_price(r.best_ask),
        "best_bid_size": optional_quantity(r.best_bid_size),
        "best_ask_size": optional_quantity(r.best_ask_size),
        "position": quantity_to_decimal(r.position),
        "reason": r.reason,
        "bid_reason": r.bid_reason,
        "ask_reason": r.ask_reason,
        "bid_price": optional_price(r.bid[0]) if r.bid else None,
        "bid_quantity": optional_quantity(r.bid[1]) if r.bid else None,
        "ask_price": optional_price(r.ask[0]) if r.ask else None,
        "ask_quantity": optional_quantity(r.ask[1]) if r.ask else None,
    }


def _order_row(session: TradingSession, r: IntentRecord, decision_id: int | None, now: datetime) -> Values:
    intent, denied, decision = r.intent, r.denial is not None, r.decision
    return {
        "client_order_id": intent.client_order_id,
        "venue_order_id": None,
        "account_id": session.account_id,
        "session_id": session.pk,
        "config_id": None if decision is None else decision.config_id,
        "parameters_id": None if decision is None else decision.parameters_id,
        "decision_id": decision_id,
        "market_id": r.market_key,
        "side": intent.side.value,
        "price": price_to_decimal(intent.price),
        "quantity": quantity_to_decimal(intent.quantity),
        "filled": Decimal(0),
        "remaining": Decimal(0) if denied else quantity_to_decimal(intent.quantity),
        "status": (OrderStatus.DENIED if denied else OrderStatus.SUBMITTED).value,
        "time_in_force": intent.time_in_force.value,
        "post_only": intent.post_only,
        "expires_at": _at(intent.expires_at_s),
        "order_group": intent.order_group_id or "",
        "mode": r.mode.value,
        "queue_ahead": None,
        "reason": r.reason,
        "best_bid": optional_price(decision.best_bid) if decision else None,
        "best_ask": optional_price(decision.best_ask) if decision else None,
        "outcome": r.denial or "",
        "created_at": now,
        "accepted_at": None,
        "closed_at": now if denied else None,
    }


def _first_event(order_pk: int, r: IntentRecord, now: datetime) -> Values:
    denied = r.denial is not None
    return {
        "order_id": order_pk,
        "at": now,
        "kind": (OrderEventKind.DENY if denied else OrderEventKind.SUBMIT).value,
        "source": EventSource.OWN.value,
        "status": (OrderStatus.DENIED if denied else OrderStatus.SUBMITTED).value,
        "detail": r.denial_detail,
    }


def _event_row(u: OrderUpdate) -> Values:
    detail = {
        "filled": str(quantity_to_decimal(u.filled)),
        "remaining": str(quantity_to_decimal(u.remaining)),
        **u.detail,
    }
    if u.outcome:
        detail["outcome"] = u.outcome
    return {
        "order_id": u.order_pk,
        "at": u.at,
        "kind": u.kind.value,
        "source": u.source.value,
        "status": u.status.value,
        "detail": detail,
    }


def _update_values(u: OrderUpdate) -> list[Any]:
    """One event's effect on its order's row; events come in order, so the last one stands."""
    at = _prepared("created_at", u.at)
    return [
        str(u.status),
        _prepared("filled", quantity_to_decimal(u.filled)),
        _prepared("remaining", quantity_to_decimal(u.remaining)),
        u.venue_order_id,
        None if u.outcome is None else u.outcome[:200],
        at if u.kind is OrderEventKind.ACCEPT else None,
        at if u.remaining == 0 else None,
        _prepared("price", optional_price(u.terms.price)) if u.terms else None,
        _prepared("quantity", optional_quantity(u.terms.quantity)) if u.terms else None,
        _prepared("expires_at", _at(u.terms.expires_at_s)) if u.terms else None,
        u.order_pk,
    ]


def _at(expires_at_s: int | None) -> datetime | None:
    return None if expires_at_s is None else datetime.fromtimestamp(expires_at_s, tz=UTC)


def _prepared(name: str, value: Any) -> Any:
    field = Order._meta.get_field(name)
    assert isinstance(field, Field)
    return field.get_db_prep_value(value, connection)
