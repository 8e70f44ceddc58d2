"""Brings an exchange back to where its journal ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from .accounts import Account
from .canceling import close_orders
from .groups import OrderGroup
from .journal import Journal
from .markets import Event, Market
from .orders import Order, OrderStatus, Reason
from .readside import Change
from .rows import AccountRow, ChangeRow, GroupRow, MarketRow, PriceRow, Row
from .state import State
from .statelog import CROWD

_CHANGEABLE = (
    "open_us",
    "close_us",
    "structure",
    "ranges",
    "status",
    "updated_us",
    "result",
    "settlement_value",
    "settled_us",
)


def restore(state: State, path: Path) -> None:
    """Take over what the file holds, cancel what rested, and write to it from now on.

    Accounts stay though their key is no longer given; keys without an account keep their new one. The markets
    have no books: a flow takes them up again or they are `left_over`. Raises `StateFileError`.
    """
    journal = Journal(path)
    try:
        rows = list(journal.read())
        known = _apply(state, rows)
    except BaseException:
        journal.close()
        raise
    state.log.start(journal, state.catalogue.markets.values())
    for account in state.accounts.values():
        if account.account_id not in known:
            state.log.account(account.account_id, account.user_id, account.put_in)
        resting = [o for o in account.orders.values() if o.status is OrderStatus.RESTING]
        close_orders(state, resting, Reason.HALT_CANCEL)
    state.log.commit()


def _apply(state: State, rows: list[Row]) -> set[str]:
    """Apply every row; returns the accounts that the file knew."""
    orders = _last_orders(rows)
    for row in rows:
        if isinstance(row, ChangeRow):
            _change(state, row, orders)
        elif isinstance(row, MarketRow):
            _market(state, row)
        elif isinstance(row, PriceRow):
            state.catalogue.markets[row.ticker].last_price = row.last_price
        elif isinstance(row, AccountRow):
            _account(state, row)
        elif isinstance(row, GroupRow):
            _group(state, row)
        else:
            state.passes = row.number
    state.spent_ids |= {*_ids(rows), *orders, *state.groups}
    state.numbers = max(state.numbers, *_numbers(rows), 0)
    return {row.account_id for row in rows if isinstance(row, AccountRow)}


def _last_orders(rows: Iterable[Row]) -> dict[str, Order]:
    """Each order as it was last, the one object that its fills refer to."""
    found: dict[str, Order] = {}
    for row in rows:
        if isinstance(row, ChangeRow):
            order = row.change.order or (row.change.fill.order if row.change.fill else None)
            if order is not None:
                found[order.order_id] = order.copied()
    return found


def _ids(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        if isinstance(row, AccountRow):
            yield row.user_id
        elif isinstance(row, MarketRow):
            yield row.market_id
        elif isinstance(row, ChangeRow) and row.change.fill is not None:
            yield row.change.fill.trade_id


def _numbers(rows: Iterable[Row]) -> Iterable[int]:
    for row in rows:
        if isinstance(row, MarketRow):
            yield row.number
        elif isinstance(row, ChangeRow):
            numbered = (row.change.order, row.change.fill, row.change.settlement)
            yield from (entry.number for entry in numbered if entry is not None)


def _account(state: State, row: AccountRow) -> None:
    account = state.open_account(row.account_id, row.put_in)
    account.user_id = row.user_id


def _market(state: State, row: MarketRow) -> None:
    known = state.catalogue.markets.get(row.ticker)
    if known is None:
        series = state.catalogue.add_series(row.series)
        event = state.catalogue.add_event(
            Event(row.event_ticker, series, row.event_title, exchange_index=row.exchange_index)
        )
        fields = msgspec.structs.asdict(row)
        for name in ("series", "event_ticker", "event_title"):
            del fields[name]
        market = Market(event=event, yes_sub_title=row.title, has_orders=True, **fields)
        state.catalogue.add_market(market)
    else:
        for name in _CHANGEABLE:
            setattr(known, name, getattr(row, name))
    state.left_over.add(row.ticker)


def _group(state: State, row: GroupRow) -> None:
    if row.deleted:
        state.groups.pop(row.group_id, None)
        return
    group = OrderGroup(row.group_id, row.account_id, row.limit, row.triggered, row.exchange_index)
    for at_us, quantity in row.matched:
        group.count(quantity, at_us, state.config.group_window_us)
    state.groups[row.group_id] = group


def _change(state: State, row: ChangeRow, orders: dict[str, Order]) -> None:
    change = row.change
    if change.fill is not None:
        fill = replace(change.fill, order=orders[change.fill.order.order_id])
        change = msgspec.structs.replace(change, fill=fill)
    if row.account_id == CROWD:
        _fill_in(state.crowd, change)
        return
    account = state.accounts[row.account_id]
    _fill_in(account, change)
    for order in (change.order, change.fill.order if change.fill else None):
        if order is not None:
            state.orders[order.order_id] = account.orders[order.order_id] = orders[order.order_id]
            account.client_order_ids |= {order.client_order_id, order.intent.client_order_id} - {""}
    state.reads.record(row.at_us, row.account_id, change)


def _fill_in(account: Account, change: Change) -> None:
    if change.cash is not None:
        account.cash = change.cash
    if change.holding is not None:
        account.holdings[change.holding.position.ticker] = change.holding.copied()
    if change.fill is not None:
        account.fills.append(change.fill)
    if change.settlement is not None:
        account.settlements.append(change.settlement)
