"""The markets of a recording: when they open and close here, how they are named, and what they settle at.

A recorded 15-minute crypto market settles at the price that is the next one's strike. With `loop` every pass lists
fresh markets, since closing is for good: named after their close here where the recorded name has the exchange's
`-26MAY131630-30` (New York time), else with the pass in the event, `-P7`. What a pass leaves open closes early with
it and settles at its last middle, as does everything whose result the recording does not tell.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apps.engine.grid import LINEAR_CENT, PriceRange, price_grid
from apps.engine.matching import MatchingBook
from apps.engine.types import ONE_DOLLAR, Price, Ticker

from .candles import Candles
from .clock import MICROS, parse_rfc3339
from .lifecycle import announce_open, finish, looks_like_yes
from .listing import list_event, list_market
from .markets import GRIDS, Market, MarketStatus, Series
from .state import State

log = logging.getLogger(__name__)

TRADING = (MarketStatus.ACTIVE, MarketStatus.INACTIVE)
# Grids known per series; for others the coarsest that holds every price of the first snapshot.
_SERIES_GRIDS = {"KXBTC15M": "tapered_deci_cent"}
_FINEST = ("center_centi_edge_centi_cent", (PriceRange(0, ONE_DOLLAR, 1),))
_DAY_US = 86_400 * MICROS
_KEPT_PASSES = 4
_TIMED = re.compile(r"([A-Z0-9]+)-\d\d[A-Z]{3}\d{4}(\d\d)-(\d\d)")


class RecordedMarkets:
    """One recording's markets by their recorded ticker; with `loop` those of the running pass."""

    def __init__(self, state: State, *, loop: bool) -> None:
        self._state = state
        self._loop = loop
        self._known: dict[Ticker, dict[str, Any]] = {}
        self._markets: dict[Ticker, Market] = {}
        self._finished: deque[list[Market]] = deque()
        self._used: set[Ticker] = set()
        self._pass = 0

    @property
    def all(self) -> list[Market]:
        return list(self._markets.values())

    def trading(self, recorded: Ticker) -> Market | None:
        """The market if its book is known and it trades."""
        market = self._markets.get(recorded)
        return market if market is not None and market.status in TRADING else None

    def begin_pass(self) -> None:
        if self._loop:
            self._pass = self._state.next_pass()

    def end_pass(self) -> None:
        """Finish everything of the pass; what is some passes old and was never traded here is forgotten."""
        self.settle_closed()
        for recorded, market in self._markets.items():
            if market.status in (*TRADING, MarketStatus.INITIALIZED, MarketStatus.CLOSED):
                told = self._is_yes(recorded)
                finish(self._state, market, is_yes=looks_like_yes(market) if told is None else told)
        self._finished.append(self.all)
        self._markets.clear()
        self._known.clear()
        if len(self._finished) > _KEPT_PASSES:
            for market in self._finished.popleft():
                self._retire(market)

    def _retire(self, market: Market) -> None:
        if not market.has_orders:
            self._state.catalogue.forget(market)
            return
        market.trades.clear()
        market.candles = Candles()
        market.book = MatchingBook(recorded=True)

    def watch(self, info: dict[str, Any]) -> None:
        """The recorder began to follow a market and wrote what it knew of it."""
        ticker = info.get("market_ticker")
        if isinstance(ticker, str):
            self._known[ticker] = info
            self.settle_closed()

    # results

    def settle_closed(self) -> None:
        """Settle what has closed and whose result the recording has told by now."""
        now_us = self._state.clock.now_us()
        for recorded, market in self._markets.items():
            is_over = market.status is MarketStatus.CLOSED or (market.status in TRADING and market.close_us <= now_us)
            if is_over and (told := self._is_yes(recorded)) is not None:
                finish(self._state, market, is_yes=told)

    def _is_yes(self, recorded: Ticker) -> bool | None:
        """Whether the strike of the series' next market is at or above this one's; None while it is unknown."""
        strike, close_us = self._strike(recorded), self._recorded_close_us(recorded)
        if strike is None or close_us is None:
            return None
        later = []
        for other in self._known:
            other_us, other_strike = self._recorded_close_us(other), self._strike(other)
            same_series = series_of(other) == series_of(recorded)
            if same_series and other_us is not None and other_us > close_us and other_strike is not None:
                later.append((other_us, other_strike))
        return min(later)[1] >= strike if later else None

    def _strike(self, recorded: Ticker) -> float | None:
        strike = self._known.get(recorded, {}).get("strike")
        return float(strike) if isinstance(strike, int | float) and not isinstance(strike, bool) else None

    def _recorded_close_us(self, recorded: Ticker) -> int | None:
        text = self._known.get(recorded, {}).get("close_time")
        try:
            return parse_rfc3339(text) if isinstance(text, str) else None
        except ValueError:
            log.warning("close time of %s cannot be read: %r", recorded, text)
            return None

    # listing

    def market(self, recorded: Ticker, prices: Iterable[Price], here_us: Callable[[int], int | None]) -> Market:
        """The market, listed when its first book comes; `here_us` shifts a recorded time to the one it has here."""
        known = self._markets.get(recorded)
        if known is not None:
            return known
        now_us = self._state.clock.now_us()
        recorded_us = self._recorded_close_us(recorded)
        close_us = None if recorded_us is None else here_us(recorded_us)
        event_ticker, ticker = self._names(recorded, close_us)
        name = series_of(recorded)
        series = Series(name, f"Recorded {name}", "Crypto" if "BTC" in name else "Recorded")
        structure, ranges = _grid_for(name, prices)
        market = list_market(
            self._state,
            ticker,
            list_event(self._state, event_ticker, series, f"Recorded {ticker}"),
            f"Recorded {ticker}",
            open_us=now_us if self._loop else now_us - _DAY_US,
            close_us=now_us + 365 * _DAY_US if close_us is None else close_us,
            structure=structure,
            ranges=ranges,
            floor_strike=self._strike(recorded),
            recorded=True,
        )
        if self._loop:
            announce_open(self._state, market)
        self._markets[recorded] = market
        return market

    def _names(self, recorded: Ticker, close_us: int | None) -> tuple[str, Ticker]:
        """Event and market ticker; with `loop` one that was never used."""
        event, _, last = recorded.rpartition("-")
        if not self._loop:
            return event or recorded, recorded
        event, number = event or recorded, self._pass
        timed = None if close_us is None else _timed(recorded, close_us)
        if timed is not None:
            event, last = timed
            if self._take(f"{event}-{last}"):
                return event, f"{event}-{last}"
        while not self._take(f"{event}-P{number}-{last}"):
            number += 1
        return f"{event}-P{number}", f"{event}-P{number}-{last}"

    def _take(self, ticker: Ticker) -> bool:
        is_free = ticker not in self._used and ticker not in self._state.catalogue.markets
        self._used.add(ticker)
        return is_free


def series_of(ticker: Ticker) -> str:
    return ticker.partition("-")[0]


def _timed(recorded: Ticker, close_us: int) -> tuple[str, str] | None:
    """Event and suffix that say when the market closes, for a ticker that does so."""
    found = _TIMED.fullmatch(recorded)
    if found is None or found[2] != found[3]:
        return None
    try:
        zone = ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return None
    at = datetime.fromtimestamp(close_us // MICROS, UTC).astimezone(zone)
    return f"{found[1]}-{at:%y%b%d%H%M}".upper(), f"{at:%M}"


def _grid_for(series_ticker: str, prices: Iterable[Price]) -> tuple[str, tuple[PriceRange, ...]]:
    known = _SERIES_GRIDS.get(series_ticker)
    if known is not None:
        return known, GRIDS[known]
    shown = set(prices)
    for name, ranges in {"linear_cent": LINEAR_CENT, **GRIDS}.items():
        if all(p in price_grid(ranges) for p in shown):
            return name, ranges
    return _FINEST
