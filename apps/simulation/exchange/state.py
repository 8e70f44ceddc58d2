"""The exchange's state, shared by the modules that change it."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field

from apps.engine.types import Money, Ticker

from .accounts import Account, Holding
from .clock import Clock
from .config import ExchangeConfig
from .groups import OrderGroup
from .markets import Catalogue, FeeChange, Market
from .orders import ExchangeFill, Order, Settlement
from .publisher import LevelNews, Publisher
from .readside import Change, ReadSide
from .statelog import CROWD, StateLog
from .throttle import TokenBucket


@dataclass(slots=True, eq=False)
class State:
    """`crowd` is the counterparty of all external trades, so that money can be added up to zero.

    `spent_ids` are those of former runs, `left_over` their markets that nothing has taken up again yet.
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
    log: StateLog = field(default_factory=StateLog)
    spent_ids: set[str] = field(default_factory=set)
    left_over: set[Ticker] = field(default_factory=set)
    numbers: int = 0
    passes: int = 0
    fee_changes: list[FeeChange] = field(default_factory=list)
    due_us: int = 0

    def __post_init__(self) -> None:
        self.reads = ReadSide(self.config.read_lag_us)
        self.crowd = self._account(CROWD, 0)
        for credential in self.config.credentials:
            self.open_account(credential.key_id, self.config.cash)

    def open_account(self, account_id: str, cash: Money) -> Account:
        """A new account, in place of any of the same id."""
        account = self.accounts[account_id] = self._account(account_id, cash)
        at_us = self.clock.now_us() - self.config.read_lag_us
        self.reads.record(at_us, account_id, Change(cash=cash))
        return account

    def _account(self, account_id: str, cash: Money) -> Account:
        now_us, burst = self.clock.now_us(), self.config.burst_seconds
        read, write = (TokenBucket(rate, rate * burst, now_us) for rate in self.config.rates)
        return Account(account_id, self.new_id(), cash, cash, self.config.tier, read, write)

    def write_bucket(self, account: Account, shard: int) -> TokenBucket:
        """The account's own bucket, or for a shard above 0 that shard's, of the same size."""
        if not shard:
            return account.write_bucket
        if shard not in account.shard_buckets:
            size = account.write_bucket
            account.shard_buckets[shard] = TokenBucket(size.rate, size.capacity, self.clock.now_us())
        return account.shard_buckets[shard]

    def due_by(self, at_s: int | None) -> None:
        """Something will be due at this time, Unix seconds; None is never."""
        if at_s:
            self.due_us = min(self.due_us, at_s * 1_000_000)

    def new_id(self) -> str:
        """An id that no former run used either."""
        while True:
            found = str(uuid.UUID(int=self.ids.getrandbits(128), version=4))
            if found not in self.spent_ids:
                return found

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def next_pass(self) -> int:
        self.passes += 1
        self.log.new_pass(self.passes)
        return self.passes

    def _record(self, at_us: int, account: Account, change: Change, ticker: Ticker) -> None:
        self.log.change(at_us, account.account_id, change, self.catalogue.markets[ticker])
        if account is not self.crowd:
            self.reads.record(at_us, account.account_id, change)

    def note_crowd(self, holding: Holding, now_us: int) -> None:
        """The crowd's cash and one of its positions changed; nobody reads it, but it is written down."""
        self._record(
            now_us, self.crowd, Change(holding=holding.copied(), cash=self.crowd.cash), holding.position.ticker
        )

    def note_order(self, order: Order) -> None:
        """Tell the reads and the private channel that an order changed."""
        account = self.accounts[order.account_id]
        account.resting.touch(order.ticker)
        self._record(order.updated_us, account, Change(order=order.copied(), bound=account.bound()), order.ticker)
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
        account.resting.touch(holding.position.ticker)
        change = Change(holding=holding.copied(), fill=fill, settlement=settlement, cash=account.cash)
        self._record(now_us, account, change, holding.position.ticker)
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
