"""Orders by hand: the session takes a person's request over and sends it through the same gate as every other order.

The id of such an order follows from its request, so that however often a request is seen, one order can come of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from django.db import DatabaseError

from apps.engine.intent_ids import request_id
from apps.engine.limits import RiskDecision
from apps.engine.orders import Terms
from apps.engine.types import OrderIntent, TimeInForce
from apps.trading.choices import ExecutionMode, RequestState
from apps.trading.services.manual_orders import AskedOrder, Claim, request_claim, request_settle, requests_open
from apps.trading.services.orders import IntentRecord

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext
from .groups import OrderGroups
from .maker import ORDER_LIFETIME_S, RENEW_BELOW_S, RESTING
from .placing import Judge, Placement, Placing, denial_detail
from .requests import OrderRequests

KIND = "m"
REASON = "placed by hand"
# A request that waited this long was about another market than today's.
MAX_AGE = timedelta(seconds=30)


class ManualOrders:
    """`poll` about once a second: takes new requests, takes orders off as asked, keeps the wanted ones alive."""

    def __init__(
        self, context: SessionContext, requests: OrderRequests, placing: Placing, groups: OrderGroups, judge: Judge
    ) -> None:
        self._context = context
        self._requests = requests
        self._placing = placing
        self._groups = groups
        self._judge = judge
        self._busy: set[int] = set()
        self._looking = asyncio.Lock()

    async def poll(self) -> None:
        """One look at the open requests; none while the database is away."""
        context = self._context
        async with self._looking:
            try:
                for request in await context.journal.read(requests_open, account_id=context.account.pk):
                    if request.pk not in self._busy:
                        await self._look(request)
            except DatabaseError:
                return
        self._renew()

    async def _look(self, request: AskedOrder) -> None:
        if request.state is RequestState.PENDING:
            await self.take(request)
        elif request.client_order_id is None:
            # Taken by a session that is no more: its order is stored, or was never sent.
            await self._settle(request, "the session ended before it was sent")
        elif request.order_status is not None and not self._is_open(request.client_order_id):
            await self._settle(request, "")
        elif request.wants_cancel:
            order = self._context.blotter.find(client_order_id=request.client_order_id)
            if order is not None:
                self._requests.cancel(order, f"canceled by {request.username}")

    async def take(self, request: AskedOrder) -> None:
        """Denies it with the reason, or claims it and starts sending. Does nothing for one that was claimed before."""
        desk = self._context.desks.get(request.ticker)
        problem = self._problem(request, desk)
        if desk is None or problem:
            await self._settle(request, problem)
            return
        claim: Claim = await self._context.journal.commit(
            request_claim, pk=request.pk, client_order_id=self._id(request), path=desk.armed.path,
            now=self._context.now(),
        )  # fmt: skip
        if claim.may_send and request.pk not in self._busy:
            self._busy.add(request.pk)
            self._requests.spawn(self._place(request, desk, claim))

    def _problem(self, request: AskedOrder, desk: MarketDesk | None) -> str:
        """Why it cannot even be judged, or nothing."""
        context = self._context
        if context.now() - request.requested_at > MAX_AGE:
            return f"it waited longer than {MAX_AGE.seconds} s"
        if desk is None or desk.is_retired:
            return "no armed strategy of this account covers the market"
        if desk.armed.grid is None or request.price not in desk.armed.grid:
            return "the price is not on the market's grid"
        if self._groups.group_for(desk.ticker, desk.armed.shard) is None:
            return "the market has no order group yet"
        closed = context.gate.closed_because()
        return f"not sent: {closed}" if closed is not None else ""

    async def _place(self, request: AskedOrder, desk: MarketDesk, claim: Claim) -> None:
        """Judge, store, send, and tie the request to what became of it."""
        intent = self._intent(request, desk)
        # The market as this person may trade it.
        desk = replace(desk, armed=replace(desk.armed, restrictions=claim.restrictions))
        verdict = self._judge(desk, intent)
        order: WorkingOrder | None = None
        if verdict.allowed:
            order = self._placing.reserve(intent, desk.armed.fee_rule, REASON, ExecutionMode.MANUAL)
        try:
            await self._placing.send([Placement(_record(intent, request, verdict), order)])
            await self._settle(request, "it could not be stored")
        except DatabaseError:
            return
        finally:
            self._busy.discard(request.pk)

    def _intent(self, request: AskedOrder, desk: MarketDesk) -> OrderIntent:
        rests = request.time_in_force is TimeInForce.GOOD_TILL_CANCELED
        return OrderIntent(
            client_order_id=self._id(request),
            ticker=request.ticker,
            side=request.side,
            price=request.price,
            quantity=request.quantity,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            expires_at_s=self._context.clock.now_ms() // 1000 + ORDER_LIFETIME_S if rests else None,
            order_group_id=self._groups.group_for(desk.ticker, desk.armed.shard),
        )

    def _id(self, request: AskedOrder) -> str:
        return request_id(self._context.account.order_key, KIND, request.pk)

    def _is_open(self, client_order_id: str) -> bool:
        order = self._context.blotter.find(client_order_id=client_order_id)
        return order is not None and order.tracked.is_open

    async def _settle(self, request: AskedOrder, denial: str) -> None:
        await self._context.journal.commit(
            request_settle, pk=request.pk, client_order_id=self._id(request), denial=denial, now=self._context.now()
        )

    def _renew(self) -> None:
        """As the maker does for its own: what rests stays for as long as the session lives and the gate is open."""
        context = self._context
        if context.gate.closed_because() is not None:
            return
        now_s = context.clock.now_ms() // 1000
        for order in context.blotter.open_orders():
            if order.mode is ExecutionMode.MANUAL and _is_due(order, now_s):
                tracked = order.tracked
                self._requests.amend(order, Terms(tracked.price, tracked.quantity, now_s + ORDER_LIFETIME_S), "renewed")


def _is_due(order: WorkingOrder, now_s: int) -> bool:
    tracked = order.tracked
    if tracked.status not in RESTING or tracked.amending is not None or tracked.expires_at_s is None:
        return False
    return 0 < tracked.expires_at_s - now_s <= RENEW_BELOW_S


def _record(intent: OrderIntent, request: AskedOrder, verdict: RiskDecision) -> IntentRecord:
    denial = None if verdict.allowed else verdict.reason
    detail = {} if verdict.allowed else denial_detail(verdict)
    return IntentRecord(
        intent, None, REASON, denial=denial, denial_detail={**detail, "request": request.pk},
        mode=ExecutionMode.MANUAL, market_id=request.market_id,
    )  # fmt: skip
