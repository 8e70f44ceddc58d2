"""Plans of several legs: asked for by a person or a strategy, carried out by the session, told how they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.engine.decimals import (
    format_price,
    parse_price,
    price_from_decimal,
    quantity_from_decimal,
    quantity_to_decimal,
)
from apps.engine.errors import EngineError
from apps.engine.intent_ids import request_id
from apps.engine.legs import Leg, OrderKey, Plan, Sending, unwind_prices
from apps.engine.orders import TERMINAL_STATUSES, OrderStatus
from apps.engine.types import Quantity, Side, TimeInForce
from apps.governance.services import audit_record
from apps.marketdata.exceptions import GridInvalid
from apps.marketdata.mapping import market_grid
from apps.marketdata.models import Market
from apps.trading.choices import Permission, PlanState
from apps.trading.models import Account, LegPlan, Order, PlanLeg

REQUEST, STOP = "trading.plan.request", "trading.plan.stop"
KIND = "p"
_OPEN = (PlanState.PENDING, PlanState.WORKING, PlanState.UNWINDING)


class BadPlanRequest(Refused):
    """The plan cannot be carried out as asked for."""

    code = "bad_plan"


@dataclass(frozen=True, slots=True)
class WantedLeg:
    """Price in dollars (the worst it may fill at), quantity in contracts."""

    market: Market
    side: str
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class WantedRule:
    """How a plan is carried out. `unwind_slippage`: dollars beyond a leg's price at which it is given back, reached
    in `unwind_steps` equal steps; no steps means that what filled is held and reported."""

    sending: str = Sending.TOGETHER.value
    time_in_force: str = TimeInForce.IMMEDIATE_OR_CANCEL.value
    complete_ms: int = 2_000
    step_ms: int = 500
    unwind_slippage: Decimal = Decimal(0)
    unwind_steps: int = 0


@dataclass(frozen=True, slots=True)
class SentOrder:
    """An order of a plan that an earlier session stored; `is_over` once its row says how it ended."""

    client_order_id: str
    quantity: Quantity
    filled: Quantity
    is_over: bool


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """An open plan in engine units. `leg_keys` and `market_keys`: primary keys by number of the leg."""

    pk: int
    state: PlanState
    plan: Plan
    leg_keys: tuple[int, ...]
    market_keys: tuple[int, ...]
    reason: str
    is_stop_asked: bool
    sent: Mapping[OrderKey, SentOrder] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LegProgress:
    """Where one leg stands."""

    pk: int
    state: str
    filled: Quantity
    unwound: Quantity
    client_order_ids: tuple[str, ...]


def plan_request(
    *, account: Account, legs: Sequence[WantedLeg], rule: WantedRule, reason: str, actor: User, now: datetime
) -> LegPlan:
    """Stores a plan; the session starts it within about a second. Legs are sent in the order given.

    Raises `NotPermitted`, `BadPlanRequest`, and `Refused` without a reason.
    """
    require(actor, Permission.PLACE_ORDER.full)
    reason = reason.strip()
    if not reason:
        raise Refused("A plan says why", code="no_reason", extra={"field": "reason"})
    try:
        plan = _plan(legs, rule)
    except (EngineError, GridInvalid, ValueError) as error:
        raise BadPlanRequest(str(error)) from error
    stored = _rule_json(rule, plan)
    with transaction.atomic():
        row = LegPlan.objects.create(
            account=account, reason=reason, rule=stored, requested_by=actor.get_username(), created_at=now
        )
        PlanLeg.objects.bulk_create(
            PlanLeg(plan=row, ordinal=i, market=leg.market, side=leg.side, price=leg.price, quantity=leg.quantity)
            for i, leg in enumerate(legs)
        )
        wanted = [f"{leg.side} {leg.quantity} {leg.market.ticker} @ {leg.price}" for leg in legs]
        audit_record(
            actor=actor, action=REQUEST, obj_type=LegPlan._meta.label, obj_id=row.pk,
            after={"account": account.name, "legs": wanted, "rule": stored}, reason=reason, now=now,
        )  # fmt: skip
    return row


def plan_stop(*, plan_id: int, reason: str, actor: User, now: datetime) -> LegPlan:
    """Nothing more is entered; what filled is unwound by the plan's rule. Raises `NotPermitted`, `Refused`."""
    require(actor, Permission.PLACE_ORDER.full)
    with transaction.atomic():
        row = LegPlan.objects.select_for_update().get(pk=plan_id)
        if row.state not in _OPEN:
            raise Refused(f"Plan {row.pk} has ended: {row.state}", code="has_ended")
        row.stop_requested_at = row.stop_requested_at or now
        if row.state == PlanState.PENDING:
            row.state, row.ended_at = PlanState.CANCELED, now
            row.outcome = f"stopped by {actor.get_username()} before it began"
        row.save(update_fields=["stop_requested_at", "state", "ended_at", "outcome"])
        audit_record(
            actor=actor, action=STOP, obj_type=LegPlan._meta.label, obj_id=row.pk,
            after={"state": row.state}, reason=reason, now=now,
        )  # fmt: skip
    return row


def _plan(legs: Sequence[WantedLeg], rule: WantedRule) -> Plan:
    slippage = price_from_decimal(rule.unwind_slippage)
    made: list[Leg] = []
    for leg in legs:
        side, bound, grid = Side(leg.side), price_from_decimal(leg.price), market_grid(leg.market)
        back = unwind_prices(grid, side, bound, slippage, rule.unwind_steps)
        made.append(Leg(leg.market.ticker, side, bound, quantity_from_decimal(leg.quantity), back))
    return Plan(
        tuple(made), Sending(rule.sending), rule.complete_ms, rule.step_ms, TimeInForce(rule.time_in_force)
    )  # fmt: skip


def _rule_json(rule: WantedRule, plan: Plan) -> dict[str, Any]:
    return {
        "sending": rule.sending,
        "time_in_force": rule.time_in_force,
        "complete_ms": rule.complete_ms,
        "step_ms": rule.step_ms,
        "unwind_slippage": str(rule.unwind_slippage),
        "unwind_prices": [[format_price(price) for price in leg.unwind_prices] for leg in plan.legs],
    }


def plans_open(*, account_id: int, order_key: str, known: frozenset[int]) -> list[StoredPlan]:
    """For the session: plans that have not ended, the oldest first; of those `known` their orders are not read."""
    rows = LegPlan.objects.filter(account_id=account_id, state__in=_OPEN).order_by("id")
    return [_stored(row, order_key, with_orders=row.pk not in known) for row in rows]


def _stored(row: LegPlan, order_key: str, *, with_orders: bool) -> StoredPlan:
    legs = list(row.legs.select_related("market").order_by("ordinal"))
    rule = row.rule
    plan = Plan(
        tuple(_leg(leg, prices) for leg, prices in zip(legs, rule["unwind_prices"], strict=True)),
        Sending(rule["sending"]),
        rule["complete_ms"],
        rule["step_ms"],
        TimeInForce(rule["time_in_force"]),
    )
    keys = tuple(leg.pk for leg in legs)
    return StoredPlan(
        pk=row.pk,
        state=PlanState(row.state),
        plan=plan,
        leg_keys=keys,
        market_keys=tuple(leg.market_id for leg in legs),
        reason=row.reason,
        is_stop_asked=row.stop_requested_at is not None,
        sent=_sent(plan, keys, order_key) if with_orders and row.state != PlanState.PENDING else {},
    )


def _leg(leg: PlanLeg, prices: Sequence[str]) -> Leg:
    back = tuple(parse_price(text) for text in prices)
    price, quantity = price_from_decimal(leg.price), quantity_from_decimal(leg.quantity)
    return Leg(leg.market.ticker, Side(leg.side), price, quantity, back)


def leg_order_id(order_key: str, leg_key: int, attempt: int) -> str:
    """Id of the order that enters a leg (attempt 0) or gives it back (1 and up)."""
    return request_id(order_key, KIND, leg_key, attempt)


def _sent(plan: Plan, leg_keys: Sequence[int], order_key: str) -> dict[OrderKey, SentOrder]:
    """Which of all the orders the plan may ever send are stored: their ids follow from the legs."""
    ids = {
        leg_order_id(order_key, leg_key, attempt): (i, attempt)
        for i, (leg, leg_key) in enumerate(zip(plan.legs, leg_keys, strict=True))
        for attempt in range(len(leg.unwind_prices) + 1)
    }
    return {
        ids[row.client_order_id]: SentOrder(
            row.client_order_id,
            quantity_from_decimal(row.quantity),
            quantity_from_decimal(row.filled),
            OrderStatus(row.status) in TERMINAL_STATUSES,
        )
        for row in Order.objects.filter(client_order_id__in=ids)
    }


def plan_claim(*, pk: int, now: datetime) -> bool:
    """For the session: begins a waiting plan, once."""
    waiting = LegPlan.objects.filter(pk=pk, state=PlanState.PENDING)
    return bool(waiting.update(state=PlanState.WORKING, started_at=now))


def plan_progress_store(
    *, pk: int, state: PlanState, outcome: str, legs: Sequence[LegProgress], is_over: bool, now: datetime
) -> None:
    """Where a plan stands. Safe to repeat."""
    with transaction.atomic():
        LegPlan.objects.filter(pk=pk).update(state=state, outcome=outcome, ended_at=now if is_over else None)
        for leg in legs:
            PlanLeg.objects.filter(pk=leg.pk).update(
                state=leg.state,
                filled=quantity_to_decimal(leg.filled),
                unwound=quantity_to_decimal(leg.unwound),
                client_order_ids=list(leg.client_order_ids),
            )
