"""The exchange in one object: its state, and the controls that only tests and the flow may use."""

from __future__ import annotations

import random
from pathlib import Path

from apps.engine.types import ONE_DOLLAR, Price, Ticker

from . import lifecycle, rules
from .clock import Clock
from .config import TIERS, ExchangeConfig
from .faults import Faults, Latency
from .markets import Market
from .restoring import restore
from .socket_faults import SocketFaults
from .state import State


class Exchange:
    """Kalshi as far as a client can tell. `advance()` does what time made due; requests call it themselves."""

    def __init__(self, config: ExchangeConfig, clock: Clock, ids: random.Random) -> None:
        self.config = config
        self.clock = clock
        self.state = State(config, clock, ids)
        self.faults = Faults()
        self.socket_faults = SocketFaults()
        self.latency: Latency | None = None
        self.clock_skew_us = 0
        self.public_keys = {c.key_id: c.public_key for c in config.credentials}

    def shown_us(self) -> int:
        """The time the exchange shows and checks signatures by; wrong by `clock_skew_us`."""
        return self.clock.now_us() + self.clock_skew_us

    def advance(self) -> None:
        lifecycle.advance(self.state)

    def commit(self) -> None:
        """Write down what changed; comes before anybody outside hears of it. Raises `StateFileError`."""
        self.state.log.commit()

    def shut_down(self) -> None:
        """Write down the last and let go of the state file."""
        self.state.log.close()

    def market(self, ticker: Ticker) -> Market:
        return self.state.catalogue.markets[ticker]

    def pause_trading(self) -> None:
        lifecycle.pause(self.state, exchange=False)

    def pause_exchange(self) -> None:
        lifecycle.pause(self.state, exchange=True)

    def resume(self) -> None:
        lifecycle.resume(self.state)

    def halt(self, ticker: Ticker) -> None:
        lifecycle.halt_market(self.state, self.market(ticker))

    def reopen(self, ticker: Ticker) -> None:
        lifecycle.resume_market(self.state, self.market(ticker))

    def close(self, ticker: Ticker) -> None:
        lifecycle.close_market(self.state, self.market(ticker))

    def determine(self, ticker: Ticker, result: str, value: Price | None = None) -> None:
        """`result` is yes, no or scalar; `value` is what YES is worth, needed for scalar only."""
        value = {"yes": ONE_DOLLAR, "no": 0}.get(result, value)
        if value is None:
            raise ValueError(f"result {result!r} needs a value")
        lifecycle.determine(self.state, self.market(ticker), result, value)

    def dispute(self, ticker: Ticker) -> None:
        lifecycle.dispute(self.state, self.market(ticker))

    def void(self, ticker: Ticker) -> None:
        lifecycle.void(self.state, self.market(ticker))

    def settle(self, ticker: Ticker) -> None:
        lifecycle.settle(self.state, self.market(ticker))

    def change_grid(self, ticker: Ticker, structure: str) -> None:
        """Raises `KeyError` for a structure this exchange does not know."""
        rules.change_grid(self.state, self.market(ticker), structure)

    def plan_fees(
        self,
        series: str,
        fee_type: str | None,
        fee_multiplier: str | None,
        *,
        at_us: int | None = None,
        event: str | None = None,
    ) -> None:
        """Other fees of a series, or of one of its events, from `at_us` on; at once without."""
        when = self.clock.now_us() if at_us is None else at_us
        rules.plan_fees(self.state, series, fee_type, fee_multiplier, at_us=when, event_ticker=event)

    def set_tier(self, key_id: str, tier: str) -> None:
        """Another tier's rates for an account, and buckets no fuller than it allows."""
        account, now_us = self.state.accounts[key_id], self.clock.now_us()
        read, write = TIERS[tier]
        account.tier = tier
        account.read_bucket.resize(read, read * self.config.burst_seconds, now_us)
        for bucket in (account.write_bucket, *account.shard_buckets.values()):
            bucket.resize(write, write * self.config.burst_seconds, now_us)

    def revoke(self, key_id: str) -> None:
        """The key is unknown from now on; sockets it opened stay open."""
        del self.public_keys[key_id]

    def drain(self, key_id: str) -> None:
        """Empty the account's write buckets, the shards' own included."""
        account, now_us = self.state.accounts[key_id], self.clock.now_us()
        for bucket in (account.write_bucket, *account.shard_buckets.values()):
            bucket.drain(now_us)

    def forget_closed(self) -> None:
        """Drop every order that no longer rests, and all fills and settlements, as if archived.

        For long benches: nothing else makes the exchange forget. Their client order ids stay spent.
        """
        state = self.state
        state.orders = {}
        for account in state.accounts.values():
            account.orders = {o.order_id: o for o in account.resting.values()}
            account.fills.clear()
            account.settlements.clear()
            state.orders |= account.orders
            state.reads.forget_closed(account.account_id, self.clock.now_us())

    def money_put_in(self) -> int:
        """Cash, fees and open contracts of everybody, less what they started with: zero, always."""
        everybody = [*self.state.accounts.values(), self.state.crowd]
        cash = sum(a.cash for a in everybody)
        fees = sum(h.position.fees for a in everybody for h in a.holdings.values())
        pairs = sum(max(0, h.position.quantity) for a in everybody for h in a.holdings.values())
        return cash + fees + pairs * ONE_DOLLAR - sum(a.put_in for a in everybody)


def create_exchange(
    config: ExchangeConfig, clock: Clock, ids: random.Random, state_file: Path | None = None
) -> Exchange:
    """An exchange, empty or as `state_file` left it; raises `StateFileError` for a file it cannot use.

    `ids` makes order and trade ids: seeded in tests, the system's own in a server.
    """
    exchange = Exchange(config, clock, ids)
    if state_file is not None:
        restore(exchange.state, state_file)
    return exchange
