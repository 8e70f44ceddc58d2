"""Putting new markets on the exchange and telling the lifecycle channel about them."""

from __future__ import annotations

from typing import Any

from apps.engine.grid import PriceRange
from apps.engine.types import Ticker

from . import render
from .markets import Event, Market, MarketStatus, Series
from .state import State


def list_event(state: State, event_ticker: str, series: Series, title: str, *, exchange_index: int = 0) -> Event:
    """The event, created and announced when it is new. All its markets are on its shard."""
    known = state.catalogue.events.get(event_ticker)
    if known is not None:
        return known
    event = state.catalogue.add_event(
        Event(event_ticker, state.catalogue.add_series(series), title, exchange_index=exchange_index)
    )
    state.publisher.lifecycle(
        {
            "event_ticker": event_ticker,
            "exchange_index": exchange_index,
            "title": title,
            "subtitle": "",
            "collateral_return_type": "",
            "series_ticker": series.ticker,
        }
    )
    return event


def list_market(
    state: State,
    ticker: Ticker,
    event: Event,
    title: str,
    *,
    open_us: int,
    close_us: int,
    structure: str = "linear_cent",
    ranges: tuple[PriceRange, ...] = (),
    floor_strike: float | None = None,
    recorded: bool = False,
) -> Market:
    """Create a market; it opens by itself when `open_us` is still to come.

    One that a former run left goes on with the new times, unless its result is known: then it stays as it is.
    """
    now_us = state.clock.now_us()
    if ticker in state.left_over:
        return _taken_up(state, state.catalogue.markets[ticker], open_us, close_us)
    market = Market(
        ticker=ticker,
        number=state.next_number(),
        market_id=state.new_id(),
        event=event,
        title=title,
        created_us=min(now_us, open_us),
        open_us=open_us,
        close_us=close_us,
        structure=structure,
        ranges=ranges,
        yes_sub_title=title,
        floor_strike=floor_strike,
        recorded=recorded,
        exchange_index=event.exchange_index,
        status=MarketStatus.INITIALIZED if open_us > now_us else MarketStatus.ACTIVE,
    )
    state.catalogue.add_market(market)
    state.due_us = 0
    state.publisher.lifecycle(_created(market))
    return market


def _taken_up(state: State, market: Market, open_us: int, close_us: int) -> Market:
    if market.status in (MarketStatus.DETERMINED, MarketStatus.FINALIZED):
        return market
    state.left_over.discard(market.ticker)
    market.open_us, market.close_us = open_us, close_us
    market.status = MarketStatus.INITIALIZED if open_us > state.clock.now_us() else MarketStatus.ACTIVE
    state.due_us = 0
    state.log.market(market)
    return market


def _created(m: Market) -> dict[str, Any]:
    return {
        "event_type": "created",
        "market_ticker": m.ticker,
        "open_ts": m.open_us // 1_000_000,
        "close_ts": m.close_us // 1_000_000,
        "exchange_index": m.exchange_index,
        "price_level_structure": m.structure,
        "price_ranges": render.price_ranges(m),
        "additional_metadata": {
            "name": m.title,
            "title": m.title,
            "yes_sub_title": m.yes_sub_title,
            "no_sub_title": m.yes_sub_title,
            "rules_primary": m.title,
            "rules_secondary": "",
            "can_close_early": True,
            "event_ticker": m.event.event_ticker,
            "expected_expiration_ts": m.close_us // 1_000_000,
        },
    }
