"""Series, events and markets, and the catalogue that holds them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from apps.engine.fees import FeeRule
from apps.engine.grid import DECI_CENT, LINEAR_CENT, TAPERED_DECI_CENT, PriceGrid, PriceRange, price_grid
from apps.engine.matching import MatchingBook, TradeInference
from apps.engine.types import ONE_DOLLAR, Price, Quantity, Side, Ticker

from .candles import Candles
from .orders import Trade

GRIDS: dict[str, tuple[PriceRange, ...]] = {
    "linear_cent": LINEAR_CENT,
    "deci_cent": DECI_CENT,
    "tapered_deci_cent": TAPERED_DECI_CENT,
}
SHARDS = ("default", "combos", "crypto and commodities", "sports")
_KEPT_TRADES = 10_000


class MarketStatus(StrEnum):
    INITIALIZED = "initialized"
    ACTIVE = "active"
    INACTIVE = "inactive"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"


STATUS_FILTER: dict[str, frozenset[MarketStatus]] = {
    "unopened": frozenset({MarketStatus.INITIALIZED}),
    "open": frozenset({MarketStatus.ACTIVE}),
    "paused": frozenset({MarketStatus.INACTIVE}),
    "closed": frozenset({MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED}),
    "settled": frozenset({MarketStatus.FINALIZED}),
}


@dataclass(slots=True, eq=False)
class Series:
    ticker: str
    title: str
    category: str
    fee_type: str = "quadratic"
    fee_multiplier: str = "1"
    frequency: str = "custom"


@dataclass(slots=True, eq=False)
class Event:
    """`fee_type` and `fee_multiplier` override the series' where they are given."""

    event_ticker: str
    series: Series
    title: str
    sub_title: str = ""
    mutually_exclusive: bool = False
    exchange_index: int = 0
    fee_type: str | None = None
    fee_multiplier: str | None = None
    markets: list[Market] = field(default_factory=list)

    @property
    def fee_rule(self) -> FeeRule:
        return FeeRule.of(self.fee_type or self.series.fee_type, self.fee_multiplier or self.series.fee_multiplier)


@dataclass(frozen=True, slots=True)
class FeeChange:
    """Fees of a series, or of one event only, from a time on; None clears an event's own."""

    change_id: str
    series_ticker: str
    event_ticker: str | None
    fee_type: str | None
    fee_multiplier: str | None
    at_us: int


@dataclass(slots=True, eq=False)
class Market:
    """`number` rises with creation. `has_orders` once any account had an order here. `rule` overrides all fees."""

    ticker: Ticker
    number: int
    market_id: str
    event: Event
    title: str
    created_us: int
    open_us: int
    close_us: int
    structure: str = "linear_cent"
    yes_sub_title: str = ""
    floor_strike: float | None = None
    recorded: bool = False
    has_orders: bool = False
    status: MarketStatus = MarketStatus.ACTIVE
    updated_us: int = 0
    exchange_index: int = 0
    settlement_timer_seconds: int = 60
    result: str = ""
    settlement_value: Price | None = None
    settled_us: int | None = None
    last_price: Price = 0
    last_size: Quantity = 0
    volume: Quantity = 0
    interest: Quantity = 0
    ranges: tuple[PriceRange, ...] = ()
    rule: FeeRule | None = None
    book: MatchingBook = field(default_factory=MatchingBook)
    inference: TradeInference = field(default_factory=TradeInference)
    candles: Candles = field(default_factory=Candles)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=_KEPT_TRADES))

    def __post_init__(self) -> None:
        self.ranges = self.ranges or GRIDS[self.structure]
        self.book.recorded = self.recorded

    @property
    def grid(self) -> PriceGrid:
        return price_grid(self.ranges)

    @property
    def fee_rule(self) -> FeeRule:
        return self.rule or self.event.fee_rule

    @property
    def top(self) -> tuple[Price, Quantity, Price, Quantity]:
        """Best bid, its size, best ask, its size; an empty side is 0 or one dollar with size 0."""
        bid, ask = self.book.best(Side.BID) or (0, 0), self.book.best(Side.ASK) or (ONE_DOLLAR, 0)
        return bid[0], bid[1], ask[0], ask[1]


class Catalogue:
    """Everything that can be looked up by ticker, in order of creation."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.events: dict[str, Event] = {}
        self.markets: dict[Ticker, Market] = {}

    def add_series(self, series: Series) -> Series:
        return self.series.setdefault(series.ticker, series)

    def add_event(self, event: Event) -> Event:
        return self.events.setdefault(event.event_ticker, event)

    def add_market(self, market: Market) -> Market:
        self.markets[market.ticker] = market
        market.event.markets.append(market)
        return market

    def forget(self, market: Market) -> None:
        """Drop a market that nobody refers to, and its event with the last one."""
        del self.markets[market.ticker]
        market.event.markets.remove(market)
        if not market.event.markets:
            del self.events[market.event.event_ticker]
