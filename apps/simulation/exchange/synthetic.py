"""Seeded flow for made-up markets: ladders around a wandering fair price, cancels, and crowd takers.

The crowd never crosses its own quotes; a crowd order that reaches one of ours trades with it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from apps.engine.types import Price, Quantity, Side

from .clock import MICROS
from .feed import book_replaced, crowd_takes, level_changed
from .listing import list_event, list_market
from .markets import SHARDS, Market, Series
from .orders import Trade
from .state import State

SERIES = (
    Series("KXSIMECON", "Simulated economics", "Economics", "quadratic", "1"),
    Series("KXSIMCRYPTO", "Simulated crypto", "Crypto", "quadratic_with_maker_fees", "1"),
    Series("KXSIMINDEX", "Simulated index", "Financials", "quadratic", "0.5"),
)
_STRUCTURES = ("linear_cent", "tapered_deci_cent", "deci_cent")
_MARKETS_PER_EVENT = 4
_DEPTH = 10
_DAY_US = 86_400 * MICROS
_HISTORY_MINUTES = 180
_TAKE, _MOVE = 0.10, 0.16


@dataclass(slots=True)
class Walk:
    """A market's hidden fair price as a tick number, and half its usual spread in ticks."""

    market: Market
    fair: int
    half: int


class SyntheticFlow:
    """`rate` book events per second over all markets; `run` does those due by now.

    The events, of up to four markets each, go to `shards` shards in turn.
    """

    def __init__(self, state: State, markets: int, rate: float, seed: int, *, shards: int = 1) -> None:
        if not 1 <= shards <= len(SHARDS):
            raise ValueError(f"the exchange has 1 to {len(SHARDS)} shards, not {shards}")
        self._state = state
        self._shards = shards
        self._rate = rate
        self._random = random.Random(seed)
        self._start_us = state.clock.now_us()
        self._done = 0
        self._walks = [self._list(i) for i in range(markets)]

    def run(self, limit: int = 2_000) -> int:
        """Make the events due, at most `limit` at once; returns how many."""
        due = int((self._state.clock.now_us() - self._start_us) * self._rate / MICROS) - self._done
        if not self._walks or due <= 0:
            return 0
        for _ in range(min(due, limit)):
            self.step()
        self._done += due
        return min(due, limit)

    def step(self) -> None:
        """One event somewhere."""
        walk = self._random.choice(self._walks)
        kind = self._random.random()
        if kind < _TAKE:
            self._take(walk)
        elif kind < _MOVE:
            self._move(walk)
        else:
            self._quote(walk)

    # one event

    def _take(self, walk: Walk) -> None:
        side = self._random.choice((Side.BID, Side.ASK))
        best = walk.market.book.best(side.opposite)
        if best is not None:
            crowd_takes(self._state, walk.market, side, best[0], min(self._size() // 4 + 1, best[1]))

    def _move(self, walk: Walk) -> None:
        """The fair price steps a tick; the crowd pulls what would now be behind it."""
        prices = walk.market.grid.prices
        margin = walk.half + _DEPTH + 1
        walk.fair += self._random.choice((-1, 1))
        walk.fair = max(margin, min(len(prices) - 1 - margin, walk.fair))
        for side in Side:
            edge = prices[walk.fair - side.sign * walk.half]
            for price, size in walk.market.book.levels(side):
                if (price - edge) * side.sign <= 0:
                    break
                external = min(size, walk.market.book.available(side, price))
                if external:
                    level_changed(self._state, walk.market, side, price, -external)

    def _quote(self, walk: Walk) -> None:
        """A level near the best gets a new size, or is pulled."""
        side = self._random.choice((Side.BID, Side.ASK))
        depth = min(int(self._random.expovariate(0.5)), _DEPTH - 1)
        price = self._price(walk, side, depth)
        best = walk.market.book.best(side.opposite)
        if best is not None and (price - best[0]) * side.sign >= 0:
            crowd_takes(self._state, walk.market, side, price, self._size())
            return
        wanted = 0 if depth and self._random.random() < 0.15 else self._size()
        delta = wanted - walk.market.book.available(side, price)
        if delta:
            level_changed(self._state, walk.market, side, price, delta)

    def _price(self, walk: Walk, side: Side, depth: int) -> Price:
        return walk.market.grid.prices[walk.fair - side.sign * (walk.half + depth)]

    def _size(self) -> Quantity:
        """Mostly whole lots, now and then a fraction of a contract."""
        size = self._random.choice((1, 5, 10, 25, 50, 100, 250, 500)) * self._random.randint(100, 300)
        return size if self._random.random() < 0.15 else -(-size // 100) * 100

    # start

    def _list(self, index: int) -> Walk:
        state, now_us = self._state, self._state.clock.now_us()
        series = SERIES[index % len(SERIES)]
        number = index // len(SERIES)
        event_ticker = f"{series.ticker}-E{number // _MARKETS_PER_EVENT + 1:03d}"
        title = f"{series.title} {number // _MARKETS_PER_EVENT + 1}"
        shard = (index % len(SERIES) + number // _MARKETS_PER_EVENT * len(SERIES)) % self._shards
        event = list_event(state, event_ticker, series, title, exchange_index=shard)
        ticker = f"{event_ticker}-T{number % _MARKETS_PER_EVENT + 1}"
        market = list_market(
            state,
            ticker,
            event,
            f"{event.title}: outcome {number % _MARKETS_PER_EVENT + 1}",
            open_us=now_us - _DAY_US,
            close_us=now_us + 30 * _DAY_US,
            structure=_STRUCTURES[number % len(_STRUCTURES)],
        )
        ticks = len(market.grid)
        walk = Walk(market, self._random.randint(ticks // 4, 3 * ticks // 4), self._random.randint(2, 4))
        bids, asks = ([(self._price(walk, side, d), self._size()) for d in range(_DEPTH)] for side in Side)
        self._past(walk, now_us)
        book_replaced(state, market, bids, asks)
        return walk

    def _past(self, walk: Walk, now_us: int) -> None:
        """Some trades of the last three hours, so that candles and the tape are not empty."""
        market = walk.market
        for minutes in range(_HISTORY_MINUTES, 0, -20):
            at_us = now_us - minutes * 60 * MICROS
            side = self._random.choice((Side.BID, Side.ASK))
            price = self._price(walk, side.opposite, 0)
            quantity = self._size()
            trade = Trade(self._state.next_number(), self._state.new_id(), market.ticker, price, quantity, side, at_us)
            market.trades.appendleft(trade)
            market.last_price, market.last_size = price, quantity
            market.volume += quantity
            market.interest += quantity // 2
            market.candles.quote(at_us // MICROS, self._price(walk, Side.BID, 0), self._price(walk, Side.ASK, 0))
            market.candles.trade(at_us // MICROS, price, quantity, market.interest)
