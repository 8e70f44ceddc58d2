"""Reads the exchange's catalogue over REST and has it stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from apps.gateway.errors import NotFound
from apps.gateway.kalshi import models as wire
from apps.gateway.kalshi.rest import KalshiRest
from apps.marketdata.connection import kalshi_rest
from apps.marketdata.selectors import markets_unfinished
from apps.marketdata.services import CatalogueBatch, CatalogueReport, catalogue_sync

_TICKERS_PER_CALL = 100
# The whole list is one answer of about 14,000 rows; below this many it is cheaper to ask one by one.
_SERIES_ONE_BY_ONE = 40


@dataclass(frozen=True, slots=True)
class CatalogueScope:
    """Which part of the exchange we follow: these series (none: all of them), at most `market_cap` open markets."""

    series: tuple[str, ...] = ()
    market_cap: int = 1_000

    @classmethod
    def from_settings(cls) -> CatalogueScope:
        return cls(
            series=tuple(settings.MARKETDATA_SERIES),
            market_cap=settings.MARKETDATA_MARKET_CAP,
        )


async def catalogue_fetch(
    rest: KalshiRest, scope: CatalogueScope, *, known: Collection[str], asked_at: datetime
) -> CatalogueBatch:
    """Open events with their markets, their series, and what became of `known` markets no longer among them.

    Raises the gateway's errors; nothing partial is returned.
    """
    events: dict[str, wire.Event] = {}
    markets: dict[str, wire.Market] = {}
    async with aclosing(_open_events(rest, scope)) as found:
        async for event in found:
            events[event.event_ticker] = event
            markets.update({m.ticker: m for m in event.markets or ()})
            if sum(m.status == "active" for m in markets.values()) >= scope.market_cap:
                break
    missing = sorted(set(known).difference(markets))
    for start in range(0, len(missing), _TICKERS_PER_CALL):
        part = ",".join(missing[start : start + _TICKERS_PER_CALL])
        async for market in rest.markets(tickers=part):
            markets[market.ticker] = market
    series = await _series(rest, sorted({e.series_ticker for e in events.values()}))
    gone = [ticker for ticker in missing if ticker not in markets]
    return CatalogueBatch(asked_at, series, list(events.values()), list(markets.values()), gone)


async def _open_events(rest: KalshiRest, scope: CatalogueScope) -> AsyncGenerator[wire.Event]:
    for series in scope.series or (None,):
        async for event in rest.events(status="open", with_nested_markets=True, series_ticker=series):
            yield event


async def _series(rest: KalshiRest, tickers: Sequence[str]) -> Sequence[wire.Series]:
    if len(tickers) > _SERIES_ONE_BY_ONE:
        wanted = set(tickers)
        return [s for s in await rest.series_list() if s.ticker in wanted]
    found = []
    for ticker in tickers:
        try:
            found.append(await rest.series(ticker))
        except NotFound:
            # Its events are then refused by name when the batch is stored.
            continue
    return found


def catalogue_refresh(*, make_rest: Callable[[], KalshiRest] = kalshi_rest) -> CatalogueReport:
    """Read and store the catalogue now; for callers outside an event loop."""
    known = markets_unfinished()
    asked_at = timezone.now()

    async def fetch() -> CatalogueBatch:
        rest = make_rest()
        try:
            return await catalogue_fetch(rest, CatalogueScope.from_settings(), known=known, asked_at=asked_at)
        finally:
            await rest.aclose()

    return catalogue_sync(batch=asyncio.run(fetch()), now=timezone.now())
