"""What the exchange does that we did not ask for. The catalogue learns of it some seconds later, as by its sync."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from apps.engine.decimals import price_to_decimal
from apps.engine.fees import FeeRule
from apps.engine.types import ONE_DOLLAR, Side
from apps.marketdata.mapping import ranges_to_json
from apps.marketdata.models import BookSnapshot, Event
from apps.marketdata.models import Market as CatalogueMarket
from apps.simulation.exchange.canceling import close_orders, trigger_group
from apps.simulation.exchange.lifecycle import close_early
from apps.simulation.exchange.markets import GRIDS, Market, MarketStatus
from apps.simulation.exchange.render import price_ranges

from .database import outside_loop
from .faults import FaultKind
from .ground import START
from .world import World

_TRADED = (MarketStatus.ACTIVE, MarketStatus.INACTIVE)


class ExchangeActs:
    kinds = (
        FaultKind.TRADING_PAUSED,
        FaultKind.EXCHANGE_PAUSED,
        FaultKind.MARKET_HALTED,
        FaultKind.MARKET_CLOSED,
        FaultKind.MARKET_SETTLED,
        FaultKind.MARKET_VOIDED,
        FaultKind.GRID_CHANGED,
        FaultKind.FEE_CHANGED,
        FaultKind.GROUP_TRIGGERED,
        FaultKind.CANCELED_OUTSIDE,
    )

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._exchange = world.exchange
        self._is_changed = False

    def act(self, kind: FaultKind) -> None:
        markets = [m for m in self._exchange.state.catalogue.markets.values() if m.status in _TRADED]
        if kind in (FaultKind.TRADING_PAUSED, FaultKind.EXCHANGE_PAUSED):
            self._pause(kind)
        elif kind is FaultKind.GROUP_TRIGGERED:
            self._trigger()
        elif kind is FaultKind.CANCELED_OUTSIDE:
            self._cancel()
        elif markets:
            self._in_market(kind, self._rng.choice(markets))

    def calm(self) -> None:
        """Pauses and halts end."""
        self._exchange.resume()
        for market in self._exchange.state.catalogue.markets.values():
            self._reopen(market)
        if self._is_changed:
            self._sync()

    def _later(self, low_s: float, high_s: float, call: Callable[..., None], *args: Any) -> None:
        wait_s = self._rng.uniform(low_s, high_s)
        self._world.quiet_from_s = max(self._world.quiet_from_s, self._world.loop.time() + wait_s)
        self._world.loop.call_later(wait_s, call, *args)

    def _pause(self, kind: FaultKind) -> None:
        self._world.faults.count(kind)
        if kind is FaultKind.TRADING_PAUSED:
            self._exchange.pause_trading()
        else:
            self._exchange.pause_exchange()
        self._later(0.5, 6.0, self._exchange.resume)

    def _trigger(self) -> None:
        for group in self._exchange.state.groups.values():
            if not group.triggered:
                self._world.faults.count(FaultKind.GROUP_TRIGGERED)
                trigger_group(self._exchange.state, group)
                return

    def _cancel(self) -> None:
        resting = list(self._world.account.resting.values())
        if resting:
            self._world.faults.count(FaultKind.CANCELED_OUTSIDE)
            close_orders(self._exchange.state, [self._rng.choice(resting)])

    def _in_market(self, kind: FaultKind, market: Market) -> None:
        self._world.faults.count(kind)
        self._is_changed = True
        outside_loop(self._record, market)
        if kind is FaultKind.MARKET_HALTED:
            self._exchange.halt(market.ticker)
            self._later(0.5, 5.0, self._reopen, market)
        elif kind is FaultKind.GRID_CHANGED:
            self._regrid(market)
        elif kind is FaultKind.FEE_CHANGED:
            market.rule = FeeRule.of("quadratic_with_maker_fees", self._rng.choice(("0.5", "1", "2")))
        else:
            self._end(kind, market)
        self._later(0.5, 4.0, self._sync)

    def _reopen(self, market: Market) -> None:
        if market.status is MarketStatus.INACTIVE:
            self._exchange.reopen(market.ticker)

    def _regrid(self, market: Market) -> None:
        fair = self._world.crowd.fair(market.ticker)
        market.structure = self._rng.choice(("linear_cent", "deci_cent", "tapered_deci_cent"))
        market.ranges = GRIDS[market.structure]
        self._world.crowd.regrid(market.ticker, fair)
        self._exchange.state.publisher.lifecycle(
            {
                "event_type": "price_level_structure_updated",
                "market_ticker": market.ticker,
                "price_level_structure": market.structure,
                "price_ranges": price_ranges(market),
            }
        )

    def _record(self, market: Market) -> None:
        """The newest sampled book, as the market-data session would have stored it."""
        bid, ask = market.book.best(Side.BID), market.book.best(Side.ASK)
        BookSnapshot.objects.create(
            market_id=CatalogueMarket.objects.values_list("pk", flat=True).get(ticker=market.ticker),
            received_at=START + timedelta(seconds=self._world.loop.time()),
            best_bid=None if bid is None else price_to_decimal(bid[0]),
            best_ask=None if ask is None else price_to_decimal(ask[0]),
            bids=[],
            asks=[],
        )

    def _end(self, kind: FaultKind, market: Market) -> None:
        if self._rng.random() < 0.5:
            close_early(self._exchange.state, market)
        else:
            self._exchange.close(market.ticker)
        if kind is FaultKind.MARKET_CLOSED:
            return
        result, value = ("yes", ONE_DOLLAR) if self._rng.random() < 0.5 else ("no", 0)
        if kind is FaultKind.MARKET_VOIDED:
            result, value = "scalar", self._rng.choice((5_000, 3_300, 1_200))
        self._later(0.1, 2.0, self._determine, market, result, value)

    def _determine(self, market: Market, result: str, value: int) -> None:
        self._exchange.determine(market.ticker, result, value)
        self._later(0.1, 3.0, self._exchange.settle, market.ticker)

    def _sync(self) -> None:
        """The catalogue as the market-data session would write it."""
        outside_loop(self._write_catalogue)

    def _write_catalogue(self) -> None:
        now = START + timedelta(seconds=self._world.loop.time())
        for market in self._exchange.state.catalogue.markets.values():
            status = "finalized" if market.status is MarketStatus.FINALIZED else str(market.status)
            CatalogueMarket.objects.filter(ticker=market.ticker).update(
                status=status,
                price_level_structure=market.structure,
                price_ranges=ranges_to_json(market.ranges),
                updated_at=now,
            )
            if market.rule is not None:
                Event.objects.filter(ticker=market.event.event_ticker).update(
                    fee_type_override=market.rule.fee_type,
                    fee_multiplier_override=Decimal(market.rule.multiplier_micro).scaleb(-6),
                    updated_at=now,
                )
