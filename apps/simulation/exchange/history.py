"""A past for new accounts: one market they held to settlement, and an open position with an order at rest."""

from __future__ import annotations

from apps.engine.types import OrderIntent, Side, TimeInForce

from .accounts import Account
from .clock import MICROS
from .entry import create_order
from .exchange import Exchange
from .feed import book_replaced
from .lifecycle import determine, settle
from .listing import list_event, list_market
from .markets import Market, Series

_HOUR_US = 3600 * MICROS
_SERIES = "KXSIMPAST"
_PRICE, _LOW, _CONTRACTS = 6000, 100, 500


def seed_history(exchange: Exchange) -> None:
    """Lists two markets of their own for it, so that no flow is touched; the cash changes accordingly.

    Does nothing where a former run has left it.
    """
    if f"{_SERIES}-OVER-T1" in exchange.state.catalogue.markets:
        return
    over, running = _list(exchange, "OVER"), _list(exchange, "OPEN")
    for account in exchange.state.accounts.values():
        _buy(exchange, account, over)
        _buy(exchange, account, running)
        create_order(exchange.state, account, _intent(account, running, _LOW, post_only=True))
    determine(exchange.state, over, "yes", 10_000)
    settle(exchange.state, over)


def _list(exchange: Exchange, name: str) -> Market:
    state, now_us = exchange.state, exchange.clock.now_us()
    series = Series(_SERIES, "Simulated past", "Economics")
    event = list_event(state, f"{_SERIES}-{name}", series, f"Simulated past {name.lower()}")
    market = list_market(
        state,
        f"{_SERIES}-{name}-T1",
        event,
        event.title,
        open_us=now_us - _HOUR_US,
        close_us=now_us + 24 * _HOUR_US,
    )
    size = _CONTRACTS * (1 + len(state.accounts))
    book_replaced(state, market, [(_PRICE - 500, size)], [(_PRICE, size)])
    return market


def _buy(exchange: Exchange, account: Account, market: Market) -> None:
    create_order(exchange.state, account, _intent(account, market, _PRICE, post_only=False))


def _intent(account: Account, market: Market, price: int, *, post_only: bool) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"past-{market.ticker}-{price}-{account.account_id}".replace(".", "-"),
        ticker=market.ticker,
        side=Side.BID,
        price=price,
        quantity=_CONTRACTS,
        time_in_force=(TimeInForce.GOOD_TILL_CANCELED if post_only else TimeInForce.IMMEDIATE_OR_CANCEL),
        post_only=post_only,
    )
