"""Public reads: catalogue, books, tape, candles, incentives, exchange state. Units: see `models`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import structs

from apps.engine.types import BookSnapshot, Ticker
from apps.gateway.errors import BadMessage, ReadFailed
from apps.gateway.kalshi import bodies as b
from apps.gateway.kalshi import models as m
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.bodies import parse
from apps.gateway.kalshi.transport import Call, RestTransport

MARKETS_LIMIT = 1000
EVENTS_LIMIT = 200
MILESTONES_LIMIT = 500
INCENTIVES_LIMIT = 10_000
TARGETS_LIMIT = 2000


class MarketEndpoints(RestTransport):
    """Filters are passed on as the venue names them; None means "not sent".

    Lists of markets, events and series leave out rows that cannot be read and count them in `refused_rows`; an
    event in a list is given without those of its markets that cannot be read.
    """

    async def market(self, ticker: Ticker) -> m.Market:
        call = Call("GET", "/markets/:ticker", {"ticker": ticker})
        return (await self.call(b.MarketBody, call)).market

    async def markets(self, **filters: Any) -> AsyncIterator[m.Market]:
        """All pages. Combos flood this list; ask with `mve_filter="exclude"` unless they are wanted."""
        call = Call("GET", "/markets", params={"limit": MARKETS_LIMIT, **filters})
        async for page in self.pages(b.MarketRows, call):
            for market in self.readable(m.Market, page.markets):
                yield market

    async def event(self, event_ticker: str, *, with_nested_markets: bool = True) -> m.Event:
        call = Call("GET", "/events/:event", {"event": event_ticker}, {"with_nested_markets": with_nested_markets})
        return (await self.call(b.EventBody, call)).event

    async def events(self, **filters: Any) -> AsyncIterator[m.Event]:
        call = Call("GET", "/events", params={"limit": EVENTS_LIMIT, **filters})
        async for page in self.pages(b.EventRows, call):
            for row in page.events:
                for event in self._readable_event(row):
                    yield event

    def _readable_event(self, row: msgspec.Raw) -> Iterator[m.Event]:
        try:
            yield parse(m.Event, bytes(row))
            return
        except BadMessage:
            heads = self.readable(m.EventHead, [row])
        for head in heads:
            nested = [one.markets or () for one in self.readable(b.NestedMarketRows, [row])]
            markets = tuple(market for rows in nested for market in self.readable(m.Market, rows))
            yield m.Event(**structs.asdict(head), markets=markets)

    async def series(self, series_ticker: str) -> m.Series:
        call = Call("GET", "/series/:series", {"series": series_ticker})
        return (await self.call(b.SeriesBody, call)).series

    async def series_list(self, **filters: Any) -> Sequence[m.Series]:
        rows = (await self.call(b.SeriesRows, Call("GET", "/series", params=filters))).series
        return list(self.readable(m.Series, rows))

    async def series_fee_changes(self, **filters: Any) -> Sequence[m.SeriesFeeChange]:
        call = Call("GET", "/series/fee_changes", params=filters)
        return (await self.call(b.SeriesFeeChanges, call)).series_fee_change_arr

    async def event_fee_changes(self, **filters: Any) -> AsyncIterator[m.EventFeeChange]:
        call = Call("GET", "/events/fee_changes", params={"limit": 1000, **filters})
        async for page in self.pages(b.EventFeeChangePage, call):
            for change in page.event_fee_changes:
                yield change

    async def orderbook(self, ticker: Ticker, *, depth: int = 0) -> BookSnapshot:
        """Whole book in YES coordinates; `depth` 0 is all levels."""
        call = Call("GET", "/markets/:ticker/orderbook", {"ticker": ticker}, {"depth": depth})
        return (await self.call(b.OrderbookBody, call)).orderbook_fp.to_engine(ticker)

    async def orderbooks(self, tickers: Sequence[Ticker]) -> Sequence[BookSnapshot]:
        """Up to 100 books at once."""
        call = Call("GET", "/markets/orderbooks", params={"tickers": list(tickers)})
        books = (await self.call(b.OrderbooksBody, call)).orderbooks
        return [one.orderbook_fp.to_engine(one.ticker) for one in books]

    async def trades(self, **filters: Any) -> AsyncIterator[m.PublicTrade]:
        """The tape, newest first, block trades included unless filtered out."""
        call = Call("GET", "/markets/trades", params={"limit": MARKETS_LIMIT, **filters})
        async for page in self.pages(b.TradePage, call):
            for trade in page.trades:
                yield trade.to_engine()

    async def candles(
        self, series_ticker: str, ticker: Ticker, *, start_ts: int, end_ts: int, period_minutes: int
    ) -> Sequence[m.Candle]:
        """`period_minutes` is 1, 60 or 1440; times are Unix seconds."""
        call = Call(
            "GET",
            "/series/:series/markets/:ticker/candlesticks",
            {"series": series_ticker, "ticker": ticker},
            {"start_ts": start_ts, "end_ts": end_ts, "period_interval": period_minutes},
        )
        return (await self.call(b.CandleBody, call)).candlesticks

    async def incentive_programs(self, **filters: Any) -> AsyncIterator[m.IncentiveProgram]:
        call = Call("GET", "/incentive_programs", params={"limit": INCENTIVES_LIMIT, **filters})
        async for page in self.pages(b.IncentivePage, call):
            for program in page.incentive_programs:
                yield program

    async def milestones(self, **filters: Any) -> AsyncIterator[m.Milestone]:
        call = Call("GET", "/milestones", params={"limit": MILESTONES_LIMIT, **filters})
        async for page in self.pages(b.MilestonePage, call):
            for milestone in page.milestones:
                yield milestone

    async def structured_targets(self, **filters: Any) -> AsyncIterator[m.StructuredTarget]:
        call = Call("GET", "/structured_targets", params={"page_size": TARGETS_LIMIT, **filters})
        async for page in self.pages(b.StructuredTargetPage, call):
            for target in page.structured_targets:
                yield target

    async def exchange_status(self) -> p.ExchangeStatus:
        """Read with a 5xx as well, because an outage is when it matters."""
        call = Call("GET", "/exchange/status", reads_5xx=True)
        try:
            return await self.call(p.ExchangeStatus, call)
        except BadMessage as e:
            raise ReadFailed(f"exchange status: {e}") from e

    async def exchange_schedule(self) -> p.ExchangeSchedule:
        return (await self.call(b.ScheduleBody, Call("GET", "/exchange/schedule"))).schedule

    async def user_data_timestamp(self) -> p.UserDataTimestamp:
        return await self.call(p.UserDataTimestamp, Call("GET", "/exchange/user_data_timestamp"))

    async def historical_cutoff(self) -> p.HistoricalCutoff:
        return await self.call(p.HistoricalCutoff, Call("GET", "/historical/cutoff"))
