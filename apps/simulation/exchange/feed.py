"""What happens outside our accounts: recorded or synthetic levels, trades and tickers."""

from __future__ import annotations

from collections.abc import Sequence

from apps.engine.matching import Match, Taker
from apps.engine.types import Level, Price, Quantity, Side

from .executions import apply_matches, print_trade
from .markets import Market
from .state import State


def level_changed(state: State, market: Market, side: Side, price: Price, delta: Quantity) -> None:
    """A level's size changed. Raises `NegativeLevel`, changing nothing, when it would fall below zero."""
    matches = market.book.change_external(side, price, delta)
    market.inference.level_changed(side, price, delta)
    apply_matches(state, market, matches)


def book_replaced(state: State, market: Market, bids: Sequence[Level], asks: Sequence[Level]) -> None:
    """A whole book came; what happened since the last message is unknown, so no trade is inferred from it."""
    matches = market.book.replace_external(bids, asks)
    market.book.close_window()
    market.inference.reset()
    apply_matches(state, market, matches)


def ticker_came(
    state: State, market: Market, last_price: Price, last_size: Quantity, volume: Quantity, interest: Quantity
) -> None:
    """A recorded ticker: close the inference window, fill what the proven trade reached, pass the totals on."""
    trade = market.inference.ticker(last_price, volume)
    if trade is not None:
        crowd_traded(state, market, trade.side, trade.price, trade.quantity)
    market.book.close_window()
    market.last_price, market.last_size = last_price, last_size
    market.volume, market.interest = volume, interest
    state.publisher.ticker(market, state.clock.now_us())


def crowd_traded(state: State, market: Market, side: Side, price: Price, quantity: Quantity) -> None:
    """`quantity` traded at `price` against the resting `side`; ours in its way fill, the rest is the crowd's."""
    matches = market.book.recorded_trade(side, price, quantity)
    rest = quantity - sum(m.quantity for m in matches)
    if rest:
        print_trade(state, market, price, rest, side.opposite)
    apply_matches(state, market, matches)


def crowd_takes(state: State, market: Market, taker_side: Side, limit: Price, quantity: Quantity) -> Quantity:
    """A synthetic taker runs through the book, our orders included; returns what it took."""
    taken = market.book.take(Taker(taker_side, limit, quantity))
    outside: list[Match] = [m for m in taken.matches if m.maker is None]
    for match in outside:
        print_trade(state, market, match.price, match.quantity, taker_side)
        market.interest += match.quantity // 2
    apply_matches(state, market, [m for m in taken.matches if m.maker is not None])
    if taken.matches:
        state.publisher.ticker(market, state.clock.now_us())
    return quantity - taken.remaining
