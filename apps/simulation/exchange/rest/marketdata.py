"""Markets, books, trades and candles: open to everybody (Kalshi docs: market data)."""

from __future__ import annotations

from typing import Any

from apps.simulation.exchange import render
from apps.simulation.exchange.candles import Candle
from apps.simulation.exchange.markets import STATUS_FILTER, Market
from apps.simulation.exchange.refusals import bad_query, not_found, refused

from .call import Call, Query, Reply
from .paging import page

_MAX_CANDLES = 10_000
_MAX_TICKERS = 100


def find_market(call: Call, ticker: str) -> Market:
    market = call.state.catalogue.markets.get(ticker)
    if market is None:
        raise not_found()
    return market


def _time_filter(query: Query) -> list[tuple[str, int, int]]:
    """(attribute, sign, microseconds): sign 1 wants at least, -1 at most."""
    found = []
    for family, attribute in (("created", "created_us"), ("close", "close_us"), ("settled", "settled_us")):
        for bound, sign in (("min", 1), ("max", -1)):
            value = query.integer(f"{bound}_{family}_ts")
            if value is not None:
                found.append((attribute, sign, value * 1_000_000))
    return found


def markets(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 0, 1000, 100) or 100
    status = query.one_of("status", STATUS_FILTER)
    event, series = query.text("event_ticker"), query.text("series_ticker")
    tickers = set(query.all("tickers"))
    times = _time_filter(query)
    only_combos = query.one_of("mve_filter", ("only", "exclude")) == "only"

    def wanted(m: Market) -> bool:
        return (
            not only_combos
            and (status is None or m.status in STATUS_FILTER[status])
            and (event is None or m.event.event_ticker == event)
            and (series is None or m.event.series.ticker == series)
            and (not tickers or m.ticker in tickers)
            and all(_within(getattr(m, name), sign, limit_us) for name, sign, limit_us in times)
        )

    rows = [m for m in call.state.catalogue.markets.values() if wanted(m)]
    found, cursor = page(rows, lambda m: m.number, limit, query.text("cursor"))
    return 200, {"cursor": cursor, "markets": [render.market(m) for m in found]}


def _within(value: int | None, sign: int, limit_us: int) -> bool:
    return value is not None and value * sign >= limit_us * sign


def market(call: Call) -> Reply:
    return 200, {"market": render.market(find_market(call, call.parts["ticker"]))}


def orderbook(call: Call) -> Reply:
    depth = call.query.limited("depth", 0, 100, 0)
    return 200, {"orderbook_fp": render.orderbook(find_market(call, call.parts["ticker"]), depth)}


def orderbooks(call: Call) -> Reply:
    tickers = call.query.all("tickers")
    if not 1 <= len(tickers) <= _MAX_TICKERS:
        raise bad_query("GetMarketOrderbooks", "Tickers", "max" if tickers else "required")
    found = [m for t in tickers if (m := call.state.catalogue.markets.get(t)) is not None]
    return 200, {"orderbooks": [{"ticker": m.ticker, "orderbook_fp": render.orderbook(m, 0)} for m in found]}


def trades(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 0, 1000, 100) or 100
    ticker, low, high = query.text("ticker"), query.integer("min_ts"), query.integer("max_ts")
    catalogue = call.state.catalogue.markets
    sources = catalogue.values() if ticker is None else [m for m in (catalogue.get(ticker),) if m]
    rows = [
        t
        for m in sources
        for t in m.trades
        if (low is None or t.ts_us >= low * 1_000_000) and (high is None or t.ts_us <= high * 1_000_000)
    ]
    if query.flag("is_block_trade"):
        rows = []
    found, cursor = page(rows, lambda t: t.number, limit, query.text("cursor"))
    return 200, {"cursor": cursor, "trades": [render.trade(t) for t in found]}


def _window(query: Query) -> tuple[int, int, int]:
    start, end, minutes = (
        query.required("start_ts"),
        query.required("end_ts"),
        query.required("period_interval"),
    )
    if minutes not in (1, 60, 1440):
        raise refused(400, "invalid_parameters", "period_interval")
    if end < start or (end - start) // (minutes * 60) > _MAX_CANDLES:
        raise refused(400, "invalid_parameters", "end_ts")
    return start, end, minutes


def _candles(call: Call, m: Market) -> list[dict[str, Any]]:
    start, end, minutes = _window(call.query)
    found = m.candles.between(start, end, minutes)
    if call.query.flag("include_latest_before_start"):
        last = m.candles.before(start)
        if last is not None:
            previous = last.price.close if last.price.close is not None else last.previous
            found.insert(0, Candle(start, previous=previous, open_interest=last.open_interest))
    return [render.candle(c) for c in found]


def candlesticks(call: Call) -> Reply:
    m = find_market(call, call.parts["ticker"])
    if m.event.series.ticker != call.parts["series"]:
        raise not_found()
    return 200, {"ticker": m.ticker, "candlesticks": _candles(call, m)}


def candlesticks_batch(call: Call) -> Reply:
    tickers = call.query.all("market_tickers")
    if not 1 <= len(tickers) <= _MAX_TICKERS:
        raise bad_query("BatchGetMarketCandlesticks", "MarketTickers", "max" if tickers else "required")
    found = [m for t in tickers if (m := call.state.catalogue.markets.get(t)) is not None]
    rows = [{"market_ticker": m.ticker, "candlesticks": _candles(call, m)} for m in found]
    return 200, {"markets": rows}


def event_candlesticks(call: Call) -> Reply:
    event = call.state.catalogue.events.get(call.parts["ticker"])
    if event is None or event.series.ticker != call.parts["series"]:
        raise not_found()
    rows = [_candles(call, m) for m in event.markets]
    return 200, {
        "market_tickers": [m.ticker for m in event.markets],
        "market_candlesticks": rows,
        "adjusted_end_ts": _window(call.query)[1],
    }
