"""Reads the exchange's catalogue over REST and has it stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from apps.gateway.errors import BadMessage, NotFound
from apps.gateway.kalshi import models as wire
from apps.gateway.kalshi.rest import KalshiRest
from apps.marketdata.connection import kalshi_rest
from apps.marketdata.selectors import markets_unfinished
from apps.marketdata.services import CatalogueBatch, CatalogueReport, catalogue_sync

_TICKERS_PER_CALL = 100
# The whole list is one answer of about 14,000 rows; below this many it is cheaper to ask one by one.
_SERIES_ONE_BY_ONE = 40
_REASON_LENGTH = 200


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

    Raises the gateway's errors; then nothing is returned. A row or a series that cannot be read is left out, the
    series' events with it, and named in `unreadable`.
    """
    refused = Counter(rest.refused_rows)
    events: dict[str, wire.Event] = {}
    markets: dict[str, wire.Market] = {}
    async with aclosing(_open_events(rest, scope)) as found:
        async for event in found:
            events[event.event_ticker] = event
            markets.update({m.ticker: m for m in event.markets or ()})
            if sum(m.status == "active" for m in markets.values()) >= scope.market_cap:
                break
    named, gone = await _by_name(rest, sorted(set(known).difference(markets)))
    markets.update(named)
    series, unreadable = await _series(rest, sorted({e.series_ticker for e in events.values()}))
    usable = [e for e in events.values() if e.series_ticker not in unreadable]
    for reason, count in (Counter(rest.refused_rows) - refused).items():
        unreadable[reason] = f"{count} rows left out"
    return CatalogueBatch(asked_at, series, usable, list(markets.values()), gone, unreadable)


async def _by_name(rest: KalshiRest, tickers: Sequence[str]) -> tuple[dict[str, wire.Market], list[str]]:
    """These markets as far as the exchange still knows them, and those that are gone."""
    markets: dict[str, wire.Market] = {}
    gone: list[str] = []
    for start in range(0, len(tickers), _TICKERS_PER_CALL):
        part = tickers[start : start + _TICKERS_PER_CALL]
        refused = rest.refused_rows.total()
        found = {market.ticker: market async for market in rest.markets(tickers=",".join(part))}
        markets.update(found)
        if rest.refused_rows.total() == refused:
            gone += [ticker for ticker in part if ticker not in found]
        # Else the exchange knows one of those that are missing here, and nobody can say which.
    return markets, gone


async def _open_events(rest: KalshiRest, scope: CatalogueScope) -> AsyncGenerator[wire.Event]:
    for series in scope.series or (None,):
        async for event in rest.events(status="open", with_nested_markets=True, series_ticker=series):
            yield event


async def _series(rest: KalshiRest, tickers: Sequence[str]) -> tuple[Sequence[wire.Series], dict[str, str]]:
    """What is known of these series, and why some of them cannot be read."""
    if len(tickers) > _SERIES_ONE_BY_ONE:
        wanted = set(tickers)
        return [s for s in await rest.series_list() if s.ticker in wanted], {}
    found: list[wire.Series] = []
    unreadable: dict[str, str] = {}
    for ticker in tickers:
        try:
            found.append(await rest.series(ticker))
        except NotFound:
            # Its events are then refused by name when the batch is stored.
            continue
        except BadMessage as e:
            unreadable[ticker] = f"the series cannot be read: {e}"[:_REASON_LENGTH]
    return found, unreadable


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
