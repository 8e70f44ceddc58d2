"""The exchange in one object: its state, and the controls that only tests and the flow may use."""

from __future__ import annotations

import random
from pathlib import Path

from apps.engine.types import ONE_DOLLAR, Price, Ticker

from . import lifecycle
from .clock import Clock
from .config import ExchangeConfig
from .faults import Faults
from .markets import Market
from .restoring import restore
from .state import State


class Exchange:
    """Kalshi as far as a client can tell. `advance()` does what time made due; requests call it themselves."""

    def __init__(self, config: ExchangeConfig, clock: Clock, ids: random.Random) -> None:
        self.config = config
        self.clock = clock
        self.state = State(config, clock, ids)
        self.faults = Faults()
        self.public_keys = {c.key_id: c.public_key for c in config.credentials}

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

    def settle(self, ticker: Ticker) -> None:
        lifecycle.settle(self.state, self.market(ticker))

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
