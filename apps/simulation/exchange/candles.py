"""One-minute candles of a market, added up to hours and days on request (Kalshi docs: candlesticks)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.engine.types import Price, Quantity

MINUTE = 60


@dataclass(slots=True)
class Ohlc:
    """Open, low, high and close; None until something was seen."""

    open: Price | None = None
    low: Price | None = None
    high: Price | None = None
    close: Price | None = None

    def add(self, price: Price) -> None:
        if self.open is None or self.low is None or self.high is None:
            self.open = self.low = self.high = price
        self.low, self.high, self.close = min(self.low, price), max(self.high, price), price

    def merge(self, later: Ohlc) -> None:
        for price in (later.open, later.low, later.high, later.close):
            if price is not None:
                self.add(price)


@dataclass(slots=True)
class Candle:
    """`end_s` is the inclusive end of the period in Unix seconds; `notional` is price x quantity."""

    end_s: int
    bid: Ohlc = field(default_factory=Ohlc)
    ask: Ohlc = field(default_factory=Ohlc)
    price: Ohlc = field(default_factory=Ohlc)
    previous: Price | None = None
    volume: Quantity = 0
    notional: int = 0
    open_interest: Quantity = 0

    @property
    def mean(self) -> Price | None:
        return (2 * self.notional + self.volume) // (2 * self.volume) if self.volume else None


class Candles:
    """The minutes of one market in which something was seen, in order."""

    def __init__(self) -> None:
        self._minutes: list[Candle] = []

    def _minute(self, now_s: int) -> Candle:
        end_s = -(-now_s // MINUTE) * MINUTE
        if not self._minutes or self._minutes[-1].end_s < end_s:
            previous = self._minutes[-1] if self._minutes else None
            last = None if previous is None else (previous.price.close or previous.previous)
            self._minutes.append(Candle(end_s, previous=last))
        return self._minutes[-1]

    def quote(self, now_s: int, bid: Price, ask: Price) -> None:
        minute = self._minute(now_s)
        minute.bid.add(bid)
        minute.ask.add(ask)

    def trade(self, now_s: int, price: Price, quantity: Quantity, open_interest: Quantity) -> None:
        minute = self._minute(now_s)
        minute.price.add(price)
        minute.volume += quantity
        minute.notional += price * quantity
        minute.open_interest = open_interest

    def between(self, start_s: int, end_s: int, minutes: int) -> list[Candle]:
        """Candles of `minutes` whose period overlaps start..end; the running one counts."""
        span = minutes * MINUTE
        found: list[Candle] = []
        for minute in self._minutes:
            end = -(-minute.end_s // span) * span
            if end < start_s or minute.end_s - MINUTE > end_s:
                continue
            if not found or found[-1].end_s != end:
                found.append(Candle(end, previous=minute.previous))
            _add(found[-1], minute)
        return found

    def before(self, start_s: int) -> Candle | None:
        """The last minute that ended before a time."""
        earlier: Iterable[Candle] = (m for m in reversed(self._minutes) if m.end_s < start_s)
        return next(iter(earlier), None)


def _add(candle: Candle, minute: Candle) -> None:
    candle.bid.merge(minute.bid)
    candle.ask.merge(minute.ask)
    candle.price.merge(minute.price)
    candle.volume += minute.volume
    candle.notional += minute.notional
    candle.open_interest = minute.open_interest or candle.open_interest
