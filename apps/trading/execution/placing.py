"""The one way to the exchange: judge, reserve, commit, send. Every order of the platform takes it.

An allowed order counts against the limits from the moment it was judged; its intent is committed before anything is
sent; and a shut gate stops it even then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.db import DatabaseError

from apps.core.exceptions import Refused
from apps.core.leases import LeaseLost
from apps.engine.fees import FeeRule
from apps.engine.limits import RiskDecision, limit_text
from apps.engine.orders import OrderEventKind, TrackedOrder
from apps.engine.types import OrderIntent
from apps.trading.choices import ExecutionMode
from apps.trading.services.orders import IntentRecord, orders_abandon, orders_commit

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext
from .requests import REJECTION_PAUSE_MS, OrderRequests

Judge: TypeAlias = Callable[[MarketDesk, OrderIntent], RiskDecision]


@dataclass(slots=True)
class Placement:
    """One judged order on its way: `order` is None where it was denied."""

    record: IntentRecord
    order: WorkingOrder | None


class Placing:
    """Reserves judged orders, stores their intents together, and hands the stored ones on for sending."""

    def __init__(self, context: SessionContext, requests: OrderRequests) -> None:
        self._context = context
        self._requests = requests

    def reserve(self, intent: OrderIntent, fee_rule: FeeRule | None, reason: str, mode: ExecutionMode) -> WorkingOrder:
        """An allowed order: from now on it counts as resting."""
        tracked = TrackedOrder.of(intent)
        tracked.apply(OrderEventKind.SUBMIT)
        now_ms = self._context.clock.now_ms()
        order = WorkingOrder(tracked, 0, fee_rule, now_ms, reason, changed_ms=now_ms, mode=mode)
        self._context.blotter.add(order)
        return order

    async def send(self, placements: Sequence[Placement], frame_s: float | None = None) -> None:
        """Commits the intents together, then sends those allowed, several in one request."""
        context = self._context
        keys = await self._commit(placements)
        stored: list[tuple[WorkingOrder, OrderIntent]] = []
        for placement in placements:
            order, intent = placement.order, placement.record.intent
            if order is None:
                context.counters.denied += bool(keys)
            elif not keys:
                context.blotter.discard(order)
                self._requests.free(order)
            else:
                order.pk = keys[intent.client_order_id]
                stored.append((order, intent))
        if stored:
            await self._requests.submit(stored, frame_s)

    async def _commit(self, placements: Sequence[Placement]) -> dict[str, int]:
        """Keys of the stored orders; none when the database or the lease refused, and then nothing may be sent."""
        context = self._context
        try:
            return await context.journal.commit(
                orders_commit, session=context.session, records=[p.record for p in placements], now=context.now()
            )
        except LeaseLost as refusal:
            context.gate.block("lease", refusal.message)
        except Refused:
            self._pause(p.record.intent.ticker for p in placements)
        except DatabaseError:
            # The commit may have happened and only its answer be lost: such a row must not look sent for ever.
            ids = tuple(p.record.intent.client_order_id for p in placements)
            context.journal.post(orders_abandon, client_order_ids=ids, now=context.now())
            self._pause(p.record.intent.ticker for p in placements)
        return {}

    def _pause(self, tickers: Iterable[str]) -> None:
        until_ms = self._context.clock.now_ms() + REJECTION_PAUSE_MS
        for ticker in tickers:
            if (desk := self._context.desks.get(ticker)) is not None:
                desk.not_before_ms = until_ms


def denial_detail(verdict: RiskDecision) -> dict[str, str | None]:
    """The rule that refused with its numbers in people's units."""
    return {
        "rule": str(verdict.rule),
        "node": None if verdict.node is None else str(verdict.node),
        "observed": shown(verdict, verdict.observed),
        "limit": shown(verdict, verdict.limit),
    }


def shown(verdict: RiskDecision, value: int | None) -> str | None:
    """A number of a verdict in the unit of its rule."""
    return None if value is None else limit_text(verdict.rule, value)
