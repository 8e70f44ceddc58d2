"""Time and the exchange's own acts: opening, closing, expiry, pauses, halts, determination and settlement."""

from __future__ import annotations

from collections.abc import Iterable

from apps.engine.decimals import format_price
from apps.engine.types import ONE_DOLLAR, Price

from .accounts import Account
from .canceling import close_orders
from .markets import Market, MarketStatus
from .orders import Order, Reason, Settlement
from .rules import apply_due_fees
from .state import State

CENT_IN_MONEY = 10_000
NEVER_US = 1 << 62
_DETERMINED = (MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED)


def advance(state: State) -> None:
    """Do what is due by now: open and close markets, expire orders. Cheap while nothing is due."""
    now_us = state.clock.now_us()
    if now_us < state.due_us:
        return
    apply_due_fees(state)
    for market in state.catalogue.markets.values():
        if market.status is MarketStatus.INITIALIZED and market.open_us <= now_us:
            market.status = MarketStatus.ACTIVE
            announce_open(state, market)
        if market.close_us <= now_us and market.status in (MarketStatus.ACTIVE, MarketStatus.INACTIVE):
            close_market(state, market)
    for account in state.accounts.values():
        due = [o for o in account.resting.values() if o.expires_at_s and o.expires_at_s * 1_000_000 <= now_us]
        if due:
            close_orders(state, due, Reason.EXPIRY_CANCEL)
    state.due_us = _next_due(state)


def _next_due(state: State) -> int:
    due = [NEVER_US, *(c.at_us for c in state.fee_changes)]
    for market in state.catalogue.markets.values():
        if market.status is MarketStatus.INITIALIZED:
            due.append(market.open_us)
        elif market.status in (MarketStatus.ACTIVE, MarketStatus.INACTIVE):
            due.append(market.close_us)
    for account in state.accounts.values():
        due += [o.expires_at_s * 1_000_000 for o in account.resting.values() if o.expires_at_s]
    return min(due)


def resting_in(state: State, market: Market) -> list[Order]:
    return [state.orders[rest.order_id] for rest in market.book.orders()]


def close_market(state: State, market: Market) -> None:
    """The end of trading: no WebSocket event, resting orders canceled."""
    market.status = MarketStatus.CLOSED
    state.log.market(market)
    close_orders(state, resting_in(state, market), Reason.CLOSE_CANCEL)


def close_early(state: State, market: Market) -> None:
    """Close a market before its time and say so."""
    market.close_us = state.clock.now_us()
    close_ts = market.close_us // 1_000_000
    msg = {"event_type": "close_date_updated", "market_ticker": market.ticker, "close_ts": close_ts}
    state.publisher.lifecycle(msg)
    close_market(state, market)


def announce_open(state: State, market: Market) -> None:
    """Say that a market trades, for the first time or again."""
    state.publisher.lifecycle({"event_type": "activated", "market_ticker": market.ticker, "is_deactivated": False})


def halt_market(state: State, market: Market) -> None:
    """Stop one market; its orders stay until it resumes."""
    market.status = MarketStatus.INACTIVE
    _touch(state, market)
    state.publisher.lifecycle({"event_type": "deactivated", "market_ticker": market.ticker, "is_deactivated": True})


def resume_market(state: State, market: Market) -> None:
    """Reopen a halted market, which cancels everything resting in it."""
    close_orders(state, resting_in(state, market), Reason.HALT_CANCEL)
    market.status = MarketStatus.ACTIVE
    _touch(state, market)
    announce_open(state, market)


def pause(state: State, *, exchange: bool) -> None:
    """Pause trading, or the whole exchange; orders that asked for it are canceled."""
    state.trading_active = False
    if exchange:
        state.exchange_active = False
    orders: Iterable[Order] = [o for a in state.accounts.values() for o in a.resting.values()]
    close_orders(state, [o for o in orders if o.intent.cancel_on_pause])


def resume(state: State) -> None:
    state.trading_active = state.exchange_active = True


def determine(state: State, market: Market, result: str, value: Price) -> None:
    """Set the result; cash follows at settlement. Closes the market first when it still trades.

    Once more on a determined or disputed market amends its result; after the payment it raises `ValueError`.
    """
    if market.status is MarketStatus.FINALIZED:
        raise ValueError(f"{market.ticker} is settled already")
    if market.status in (MarketStatus.ACTIVE, MarketStatus.INACTIVE, MarketStatus.INITIALIZED):
        close_market(state, market)
    again = market.status is not MarketStatus.CLOSED
    market.status = MarketStatus.AMENDED if again else MarketStatus.DETERMINED
    market.result, market.settlement_value = result, value
    _touch(state, market)
    state.publisher.lifecycle(
        {
            "event_type": "determined",
            "market_ticker": market.ticker,
            "result": result,
            "determination_ts": state.clock.now_us() // 1_000_000,
            "settlement_value": format_price(value),
        }
    )


def dispute(state: State, market: Market) -> None:
    """Somebody challenges the result; it is determined anew or settled as it is."""
    if market.status not in _DETERMINED:
        raise ValueError(f"{market.ticker} is {market.status}, not determined")
    market.status = MarketStatus.DISPUTED
    _touch(state, market)


def void(state: State, market: Market) -> None:
    """Determine that nobody wins: a contract is worth its last price, half a dollar without one."""
    determine(state, market, "void", market.last_price or ONE_DOLLAR // 2)


def settle(state: State, market: Market) -> None:
    """Pay out a determined market to everybody who holds it."""
    now_us = state.clock.now_us()
    value = market.settlement_value
    if market.status not in _DETERMINED or value is None:
        raise ValueError(f"{market.ticker} is {market.status}, not determined")
    market.status, market.settled_us = MarketStatus.FINALIZED, now_us
    _touch(state, market)
    for account in state.accounts.values():
        _settle_account(state, account, market, value)
    held = state.crowd.holdings.get(market.ticker)
    if held is not None:
        state.crowd.cash += held.position.settle(value)
        state.note_crowd(held, now_us)
    msg = {"event_type": "settled", "market_ticker": market.ticker, "settled_ts": now_us // 1_000_000}
    state.publisher.lifecycle(msg)


def _settle_account(state: State, account: Account, market: Market, value: Price) -> None:
    holding = account.holdings.get(market.ticker)
    if holding is None or not holding.position.quantity:
        return
    now_us = state.clock.now_us()
    position, cost = holding.position.quantity, holding.position.cost
    revenue = holding.position.settle(value)
    # Yes/no outcomes cost nothing; a scalar settlement is rounded down to the cent and the rest is the fee.
    fee = revenue % CENT_IN_MONEY if value not in (0, ONE_DOLLAR) else 0
    account.cash += revenue - fee
    holding.position.fees += fee
    holding.updated_us = now_us
    number = state.next_number()
    settlement = Settlement(
        number,
        market.ticker,
        market.event.event_ticker,
        market.result,
        position,
        cost,
        revenue,
        fee,
        value,
        now_us,
        market.exchange_index,
    )
    account.settlements.append(settlement)
    state.note_holding(account, holding, now_us, settlement=settlement)


def finish(state: State, market: Market, *, is_yes: bool) -> None:
    """Determine and settle at once, closing early what still trades."""
    if market.status in (MarketStatus.INITIALIZED, MarketStatus.ACTIVE, MarketStatus.INACTIVE):
        close_early(state, market)
    determine(state, market, "yes" if is_yes else "no", ONE_DOLLAR if is_yes else 0)
    settle(state, market)


def finish_left_over(state: State) -> None:
    """Settle what a former run left and nothing took up again: at its result, else at its last price."""
    for ticker in sorted(state.left_over):
        market = state.catalogue.markets[ticker]
        if market.status in _DETERMINED:
            settle(state, market)
        elif market.status is not MarketStatus.FINALIZED:
            finish(state, market, is_yes=looks_like_yes(market))
    state.left_over.clear()


def looks_like_yes(market: Market) -> bool:
    """Whether the middle of the last book, or without one the last price, is half a dollar or more."""
    bid, bid_size, ask, ask_size = market.top
    twice = bid + ask if bid_size or ask_size else 2 * market.last_price
    return twice >= ONE_DOLLAR


def _touch(state: State, market: Market) -> None:
    market.updated_us = state.clock.now_us()
    state.log.market(market)
