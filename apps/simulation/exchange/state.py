"""The exchange's state, shared by the modules that change it."""

from __future__ import annotations

import copy
import random
import uuid
from dataclasses import dataclass, field

from .accounts import Account, Holding
from .clock import Clock
from .config import ExchangeConfig
from .groups import OrderGroup
from .markets import Catalogue, Market
from .orders import ExchangeFill, Order, Settlement
from .publisher import LevelNews, Publisher
from .readside import Change, ReadSide
from .throttle import TokenBucket


@dataclass(slots=True, eq=False)
class State:
    """`crowd` is the counterparty of all external trades, so that money can be added up to zero.

    `due_us` is the next time something happens by itself; 0 makes the next `advance` look again.
    """

    config: ExchangeConfig
    clock: Clock
    ids: random.Random
    publisher: Publisher = field(default_factory=Publisher)
    catalogue: Catalogue = field(default_factory=Catalogue)
    accounts: dict[str, Account] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    groups: dict[str, OrderGroup] = field(default_factory=dict)
    reads: ReadSide = field(init=False)
    crowd: Account = field(init=False)
    exchange_active: bool = True
    trading_active: bool = True
    numbers: int = 0
    due_us: int = 0

    def __post_init__(self) -> None:
        self.reads = ReadSide(self.config.read_lag_us)
        self.crowd = self._account("crowd", 0)
        for credential in self.config.credentials:
            account = self._account(credential.key_id, self.config.cash)
            self.accounts[credential.key_id] = account
            now_us = self.clock.now_us()
            self.reads.record(now_us - self.config.read_lag_us, account.account_id, Change(cash=account.cash))

    def _account(self, account_id: str, cash: int) -> Account:
        now_us, burst = self.clock.now_us(), self.config.burst_seconds
        read, write = (TokenBucket(rate, rate * burst, now_us) for rate in self.config.rates)
        return Account(account_id, self.new_id(), cash, read, write)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.ids.getrandbits(128), version=4))

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def note_order(self, order: Order) -> None:
        """Tell the reads and the private channel that an order changed."""
        account = self.accounts[order.account_id]
        change = Change(order=copy.copy(order), bound=account.bound())
        self.reads.record(order.updated_us, account.account_id, change)
        self.publisher.order_changed(account, order)

    def note_holding(
        self,
        account: Account,
        holding: Holding,
        now_us: int,
        fill: ExchangeFill | None = None,
        settlement: Settlement | None = None,
    ) -> None:
        """Tell the reads and the private channels about a fill or a settlement and the position it left."""
        kept = Holding(copy.copy(holding.position), holding.traded, holding.volume, holding.updated_us)
        change = Change(holding=kept, fill=fill, settlement=settlement, cash=account.cash)
        self.reads.record(now_us, account.account_id, change)
        if fill is not None:
            self.publisher.filled(fill)
        self.publisher.position_changed(account, holding)

    def publish_book(self, market: Market) -> None:
        """Send the level changes that gathered in a market's book."""
        changes = market.book.drain()
        if not changes:
            return
        now_us = self.clock.now_us()
        news = [LevelNews(c.side, c.price, c.delta, self._causes(c.order_ids)) for c in changes]
        self.publisher.book_changed(market, news, now_us)
        bid, _, ask, _ = market.top
        market.candles.quote(now_us // 1_000_000, bid, ask)

    def _causes(self, order_ids: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        orders = (self.orders[i] for i in order_ids if i in self.orders)
        return tuple((o.account_id, o.client_order_id) for o in orders)
