"""Orders and plans that people ask for by hand, while the strategy trades the same markets."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.engine.decimals import price_to_decimal
from apps.engine.types import Price, Side, TimeInForce
from apps.marketdata.models import Market as CatalogueMarket
from apps.simulation.exchange.markets import Market, MarketStatus
from apps.trading.choices import PlanState, RequestState
from apps.trading.models import LegPlan, OrderRequest
from apps.trading.services.manual_orders import Wanted, order_request_cancel, order_request_place
from apps.trading.services.plans import WantedLeg, WantedRule, plan_request

from .database import outside_loop
from .faults import FaultKind
from .ground import DESK, START
from .world import World

_BACK = WantedRule(unwind_slippage=Decimal("0.06"), unwind_steps=2)
_IN_ORDER = WantedRule(sending="one_by_one", time_in_force=TimeInForce.FILL_OR_KILL.value)


class DeskActs:
    kinds = (FaultKind.ORDER_BY_HAND, FaultKind.PLAN_STARTED)

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng

    @property
    def _now(self) -> datetime:
        return START + timedelta(seconds=self._world.loop.time())

    def act(self, kind: FaultKind) -> None:
        """What the catalogue does not allow now is refused at the desk and counts as nothing."""
        try:
            outside_loop(self._order if kind is FaultKind.ORDER_BY_HAND else self._plan)
        except Refused:
            return
        self._world.faults.count(kind)

    def calm(self) -> None:
        """What was asked for goes on."""

    def _markets(self) -> list[Market]:
        found = self._world.exchange.state.catalogue.markets.values()
        return [market for market in found if market.status is MarketStatus.ACTIVE]

    def _order(self) -> None:
        rng, markets = self._rng, self._markets()
        if not markets:
            return
        market, side, takes = rng.choice(markets), rng.choice(tuple(Side)), rng.random() < 0.4
        immediate = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
        wanted = Wanted(
            market=CatalogueMarket.objects.get(ticker=market.ticker),
            side=side.value,
            price=price_to_decimal(self._price(market, side, takes=takes)),
            quantity=Decimal(rng.choice((1, 3))),
            time_in_force=(rng.choice(immediate) if takes else TimeInForce.GOOD_TILL_CANCELED).value,
            post_only=not takes and rng.random() < 0.5,
        )
        row = order_request_place(
            account=self._world.trading_account, wanted=wanted, reason="simulated", no_inside_information=True,
            actor=_person(), now=self._now,
        )  # fmt: skip
        if not takes:
            self._world.loop.call_later(rng.uniform(0.2, 5.0), outside_loop, self._take_back, row.pk)

    def _plan(self) -> None:
        rng, markets = self._rng, self._markets()
        legs = []
        for market in rng.sample(markets, min(2, len(markets))):
            side = rng.choice(tuple(Side))
            price = price_to_decimal(self._price(market, side, takes=True))
            found = CatalogueMarket.objects.get(ticker=market.ticker)
            legs.append(WantedLeg(found, side.value, price, Decimal(rng.choice((1, 2)))))
        plan_request(
            account=self._world.trading_account, legs=legs, rule=rng.choice((_BACK, _IN_ORDER, WantedRule())),
            reason="simulated", actor=_person(), now=self._now,
        )  # fmt: skip

    def _price(self, market: Market, side: Side, *, takes: bool) -> Price:
        """The best price of the other side, or one that rests behind the best of its own."""
        prices = market.grid.prices
        best = market.book.best(side.opposite if takes else side)
        if best is None:
            return prices[len(prices) // 2]
        if takes:
            return best[0]
        behind = prices.index(best[0]) - side.sign * self._rng.randint(0, 3) if best[0] in prices else 0
        return prices[max(0, min(len(prices) - 1, behind))]

    def _take_back(self, key: int) -> None:
        try:
            order_request_cancel(request_id=key, actor=_person(), now=self._now)
        except Refused:
            return


def _person() -> User:
    return User.objects.get(username=DESK)


def still_waiting() -> list[str]:
    """Requests that no session has taken up or ended though their order has, and plans that have not ended."""
    rows = OrderRequest.objects.exclude(state__in=(RequestState.DENIED, RequestState.DONE)).select_related("order")
    requests = [
        f"request {row.pk} is still {row.state}"
        for row in rows
        if row.state != RequestState.SENT or row.order is None or row.order.closed_at is not None
    ]
    plans = LegPlan.objects.filter(state__in=(PlanState.PENDING, PlanState.WORKING, PlanState.UNWINDING))
    return [*requests, *(f"plan {plan.pk} is still {plan.state}" for plan in plans)]
