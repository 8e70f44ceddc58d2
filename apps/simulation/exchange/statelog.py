"""Gathers what is to be written down and writes it at the end of each step; without a journal it forgets it."""

from __future__ import annotations

from collections.abc import Iterable

from apps.engine.types import Price, Ticker

from .groups import OrderGroup
from .journal import Journal
from .markets import Market, MarketStatus
from .readside import Change
from .rows import AccountRow, ChangeRow, PassRow, PriceRow, Row, group_row, market_row

CROWD = ""


class StateLog:
    """`commit` makes durable what happened since the last one. A market is written before its first change."""

    def __init__(self) -> None:
        self._journal: Journal | None = None
        self._rows: list[Row] = []
        self._markets: dict[Ticker, Market] = {}
        self._prices: dict[Ticker, Price] = {}

    def start(self, journal: Journal, known: Iterable[Market]) -> None:
        """From now on everything is written; `known` markets are in the file already."""
        self._journal = journal
        for market in known:
            self._know(market)

    def account(self, account_id: str, user_id: str, put_in: int) -> None:
        self._add(AccountRow(account_id, user_id, put_in))

    def change(self, at_us: int, account_id: str, change: Change, market: Market) -> None:
        if self._journal is not None and market.ticker not in self._markets:
            self._know(market)
            self._add(market_row(market))
        self._add(ChangeRow(account_id, at_us, change))

    def market(self, market: Market) -> None:
        """A market's status or times changed."""
        if market.ticker in self._markets:
            self._know(market)
            self._add(market_row(market))

    def group(self, group: OrderGroup, *, deleted: bool = False) -> None:
        self._add(group_row(group, deleted=deleted))

    def new_pass(self, number: int) -> None:
        self._add(PassRow(number))

    def commit(self) -> None:
        """Raises `StateFileError`; what was to be written then stays to be written."""
        if self._journal is None:
            return
        for ticker, written in self._prices.items():
            price = self._markets[ticker].last_price
            if price != written:
                self._rows.append(PriceRow(ticker, price))
        if self._rows:
            self._journal.append(self._rows)
            self._prices |= {row.ticker: row.last_price for row in self._rows if isinstance(row, PriceRow)}
            self._rows = []

    def close(self) -> None:
        self.commit()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _add(self, row: Row) -> None:
        if self._journal is not None:
            self._rows.append(row)

    def _know(self, market: Market) -> None:
        self._markets[market.ticker] = market
        if market.status is MarketStatus.FINALIZED:
            self._prices.pop(market.ticker, None)
        else:
            self._prices[market.ticker] = market.last_price
