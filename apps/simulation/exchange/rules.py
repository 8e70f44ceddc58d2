"""What the exchange may change under a trading market: its price grid and its fees (Kalshi docs: fee changes)."""

from __future__ import annotations

from apps.engine.fees import FeeRule

from . import render
from .markets import GRIDS, FeeChange, Market
from .state import State


def change_grid(state: State, market: Market, structure: str) -> None:
    """Another price grid at once. Orders off the new grid stay; they cannot be amended at their price."""
    market.ranges = GRIDS[structure]
    market.structure = structure
    market.updated_us = state.clock.now_us()
    state.log.market(market)
    state.publisher.lifecycle(
        {
            "event_type": "price_level_structure_updated",
            "market_ticker": market.ticker,
            "price_level_structure": structure,
            "price_ranges": render.price_ranges(market),
        }
    )


def plan_fees(
    state: State,
    series_ticker: str,
    fee_type: str | None,
    fee_multiplier: str | None,
    *,
    at_us: int,
    event_ticker: str | None = None,
) -> FeeChange:
    """Announce other fees from a time on; now or earlier makes them hold at once.

    Raises `KeyError` for an unknown series or event, `ValueError` or `EngineError` for fees nobody
    could compute.
    """
    series = state.catalogue.series[series_ticker]
    if event_ticker is not None:
        event = state.catalogue.events[event_ticker]
        if event.series is not series:
            raise ValueError(f"{event_ticker} is no event of {series_ticker}")
    elif fee_type is None or fee_multiplier is None:
        raise ValueError("a series needs a fee type and a multiplier")
    FeeRule.of(fee_type or series.fee_type, fee_multiplier or series.fee_multiplier).formula(is_taker=True)
    change = FeeChange(state.new_id(), series_ticker, event_ticker, fee_type, fee_multiplier, at_us)
    state.fee_changes.append(change)
    state.due_us = min(state.due_us, at_us)
    apply_due_fees(state)
    return change


def apply_due_fees(state: State) -> None:
    """Make hold what is due, in the order of its times. Only an event's change is told on the WebSocket."""
    now_us = state.clock.now_us()
    due = sorted((c for c in state.fee_changes if c.at_us <= now_us), key=lambda c: c.at_us)
    for change in due:
        state.fee_changes.remove(change)
        _apply(state, change)


def _apply(state: State, change: FeeChange) -> None:
    if change.event_ticker is None:
        series = state.catalogue.series[change.series_ticker]
        series.fee_type = change.fee_type or series.fee_type
        series.fee_multiplier = change.fee_multiplier or series.fee_multiplier
        return
    event = state.catalogue.events.get(change.event_ticker)
    if event is None:
        return
    event.fee_type, event.fee_multiplier = change.fee_type, change.fee_multiplier
    multiplier = None if change.fee_multiplier is None else float(change.fee_multiplier)
    state.publisher.lifecycle(
        {
            "event_ticker": event.event_ticker,
            "fee_type_override": change.fee_type,
            "fee_multiplier_override": multiplier,
        }
    )
