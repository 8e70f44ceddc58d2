"""What the exchange writes down: rows that together say what every account read returns."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from apps.engine.grid import PriceRange
from apps.engine.types import Money, Price, Quantity, Ticker

from .groups import OrderGroup
from .markets import Market, MarketStatus, Series
from .readside import Change


class AccountRow(msgspec.Struct, frozen=True, tag="account"):
    """A new account and the cash it started with."""

    account_id: str
    user_id: str
    put_in: Money


class ChangeRow(msgspec.Struct, frozen=True, tag="change"):
    """What happened to an account; an empty `account_id` is the crowd."""

    account_id: str
    at_us: int
    change: Change


class GroupRow(msgspec.Struct, frozen=True, tag="group"):
    """An order group as it is now; `matched` are times and contracts of the running window."""

    group_id: str
    account_id: str
    limit: Quantity
    triggered: bool
    matched: list[tuple[int, Quantity]]
    deleted: bool = False
    exchange_index: int = 0


class MarketRow(msgspec.Struct, frozen=True, tag="market"):
    """A market in which an account has or had something."""

    ticker: Ticker
    number: int
    market_id: str
    series: Series
    event_ticker: str
    event_title: str
    title: str
    created_us: int
    open_us: int
    close_us: int
    structure: str
    ranges: tuple[PriceRange, ...]
    floor_strike: float | None
    recorded: bool
    status: MarketStatus
    updated_us: int
    result: str
    settlement_value: Price | None
    settled_us: int | None
    last_price: Price
    exchange_index: int = 0


class PriceRow(msgspec.Struct, frozen=True, tag="price"):
    """The last price of such a market."""

    ticker: Ticker
    last_price: Price


class PassRow(msgspec.Struct, frozen=True, tag="pass"):
    """A pass of a recording began."""

    number: int


Row: TypeAlias = AccountRow | ChangeRow | GroupRow | MarketRow | PriceRow | PassRow


def market_row(m: Market) -> MarketRow:
    return MarketRow(
        ticker=m.ticker,
        number=m.number,
        market_id=m.market_id,
        series=m.event.series,
        event_ticker=m.event.event_ticker,
        event_title=m.event.title,
        title=m.title,
        created_us=m.created_us,
        open_us=m.open_us,
        close_us=m.close_us,
        structure=m.structure,
        ranges=m.ranges,
        floor_strike=m.floor_strike,
        recorded=m.recorded,
        status=m.status,
        updated_us=m.updated_us,
        result=m.result,
        settlement_value=m.settlement_value,
        settled_us=m.settled_us,
        last_price=m.last_price,
        exchange_index=m.exchange_index,
    )


def group_row(group: OrderGroup, *, deleted: bool) -> GroupRow:
    matched = list(group.window)
    return GroupRow(
        group.group_id, group.account_id, group.limit, group.triggered, matched, deleted, group.exchange_index
    )
