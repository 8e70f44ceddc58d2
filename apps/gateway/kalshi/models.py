"""Catalogue and market-data bodies (Kalshi docs: markets, events, series, order book, candlesticks, trades)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from apps.engine.errors import BadNumber
from apps.engine.grid import PriceGrid, PriceRange, price_grid
from apps.engine.types import BookSnapshot, Price, Quantity, Side, Ticker
from apps.gateway.errors import BadField
from apps.gateway.kalshi.fields import (
    DollarPrice,
    Name,
    SignedQuantity,
    Size,
    Time,
    TradePrice,
    book_side,
    millis,
    quoted,
)
from apps.gateway.kalshi.numbers import NO_LEG_PRICES


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A print on the tape. `taker_side` is the side of the YES book that the taker was on."""

    trade_id: str
    ticker: Ticker
    taker_side: Side
    price: Price
    quantity: Quantity
    ts_ms: int
    is_block: bool = False


class WireRange(Struct, frozen=True):
    start: DollarPrice
    end: DollarPrice
    step: DollarPrice


def grid_ranges(ranges: tuple[WireRange, ...]) -> tuple[PriceRange, ...]:
    return tuple(PriceRange(int(r.start), int(r.end), int(r.step)) for r in ranges)


def _size_or_none(size: SignedQuantity | None) -> Quantity | None:
    # Demo has sent "-3.00" (14 June 2026); one such size must not cost a page of a thousand markets.
    return None if size is None or size < 0 else int(size)


class Leg(Struct, frozen=True):
    """One leg of a combo."""

    market_ticker: Name
    side: str
    event_ticker: str | None = None


class Market(Struct, frozen=True):
    """One yes/no question. `bid`, `ask`, `last` are None where the wire's 0 or 1 means nothing is there."""

    ticker: Name
    event_ticker: Name
    status: str
    market_type: str
    price_ranges: tuple[WireRange, ...]
    yes_bid: DollarPrice = field(name="yes_bid_dollars")
    yes_ask: DollarPrice = field(name="yes_ask_dollars")
    last_price: DollarPrice = field(name="last_price_dollars")
    volume: Size = field(name="volume_fp")
    open_interest: Size = field(name="open_interest_fp")
    open_time: Time
    close_time: Time
    result: str = ""
    title: str = ""
    yes_sub_title: str = ""
    no_sub_title: str = ""
    yes_bid_size: SignedQuantity | None = field(name="yes_bid_size_fp", default=None)
    yes_ask_size: SignedQuantity | None = field(name="yes_ask_size_fp", default=None)
    volume_24h: Size | None = field(name="volume_24h_fp", default=None)
    settlement_value: DollarPrice | None = field(name="settlement_value_dollars", default=None)
    notional_value: DollarPrice | None = field(name="notional_value_dollars", default=None)
    settlement_floor: DollarPrice | None = field(name="settlement_floor_dollars", default=None)
    settlement_bounds_type: str | None = None
    settlement_ts: Time | None = None
    settlement_timer_seconds: int | None = None
    created_time: Time | None = None
    updated_time: Time | None = None
    expected_expiration_time: Time | None = None
    latest_expiration_time: Time | None = None
    occurrence_datetime: Time | None = None
    fee_waiver_expiration_time: Time | None = None
    expiration_value: str = ""
    price_level_structure: str = ""
    rules_primary: str = ""
    rules_secondary: str = ""
    can_close_early: bool | None = None
    strike_type: str | None = None
    floor_strike: Decimal | None = None
    cap_strike: Decimal | None = None
    functional_strike: str | None = None
    custom_strike: dict[str, Any] | None = None
    mve_collection_ticker: str | None = None
    mve_selected_legs: tuple[Leg, ...] | None = None
    is_provisional: bool = False
    exchange_index: int | None = None

    @property
    def bid(self) -> Price | None:
        return quoted(self.yes_bid)

    @property
    def ask(self) -> Price | None:
        return quoted(self.yes_ask)

    @property
    def last(self) -> Price | None:
        return quoted(self.last_price)

    @property
    def bid_size(self) -> Quantity | None:
        return _size_or_none(self.yes_bid_size)

    @property
    def ask_size(self) -> Quantity | None:
        return _size_or_none(self.yes_ask_size)

    def grid(self) -> PriceGrid:
        """The market's own price grid. Raises `BadField` when `price_ranges` make none."""
        try:
            return price_grid(grid_ranges(self.price_ranges))
        except BadNumber as e:
            raise BadField(f"{self.ticker}: {e}") from None


class SettlementSource(Struct, frozen=True):
    name: str | None = None
    url: str | None = None


class EventHead(Struct, frozen=True):
    """An event without its markets."""

    event_ticker: Name
    series_ticker: Name
    title: str
    mutually_exclusive: bool
    collateral_return_type: str = ""
    sub_title: str = ""
    category: str | None = None
    strike_date: Time | None = None
    strike_period: str | None = None
    product_metadata: dict[str, Any] | None = None
    settlement_sources: tuple[SettlementSource, ...] | None = None
    last_updated_ts: Time | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
    exchange_index: int | None = None


class Event(EventHead, frozen=True):
    """`markets` is None where they were not asked for."""

    markets: tuple[Market, ...] | None = None


class Series(Struct, frozen=True):
    """Template of events. The multiplier is a JSON number, kept as an exact decimal."""

    ticker: Name
    title: str
    fee_type: str
    fee_multiplier: Decimal
    frequency: str = ""
    category: str = ""
    tags: tuple[str, ...] | None = None
    settlement_sources: tuple[SettlementSource, ...] | None = None
    contract_url: str = ""
    contract_terms_url: str = ""
    additional_prohibitions: tuple[str, ...] | None = None
    last_updated_ts: Time | None = None
    exchange_index: int | None = None


class Trade(Struct, frozen=True):
    trade_id: Name
    ticker: Name
    count: Size = field(name="count_fp")
    yes_price: TradePrice = field(name="yes_price_dollars")
    taker_book_side: str
    created_time: Time
    is_block_trade: bool = False

    def to_engine(self) -> PublicTrade:
        return PublicTrade(
            self.trade_id,
            self.ticker,
            book_side(self.taker_book_side),
            int(self.yes_price),
            int(self.count),
            millis(self.created_time),
            self.is_block_trade,
        )


class BookBody(Struct, frozen=True):
    """REST book: bids of both legs, each in its own leg's price; a side may be null or absent."""

    yes_dollars: tuple[tuple[TradePrice, Size], ...] | None = None
    no_dollars: tuple[tuple[str, Size], ...] | None = None

    def to_engine(self, ticker: Ticker) -> BookSnapshot:
        """YES coordinates: a NO bid at p is a YES ask at 1 - p. Empty levels are left out."""
        bids = tuple((int(p), int(q)) for p, q in self.yes_dollars or () if q)
        asks = tuple((NO_LEG_PRICES[p], int(q)) for p, q in self.no_dollars or () if q)
        return BookSnapshot(ticker, bids, asks)


class Quote(Struct, frozen=True):
    """Open, high, low and close of one side; None where nobody quoted."""

    open: DollarPrice | None = field(name="open_dollars", default=None)
    high: DollarPrice | None = field(name="high_dollars", default=None)
    low: DollarPrice | None = field(name="low_dollars", default=None)
    close: DollarPrice | None = field(name="close_dollars", default=None)


class TradedPrice(Struct, frozen=True):
    """Prices of trades in the period; all None when there was none, `previous` is the last before it."""

    open: DollarPrice | None = field(name="open_dollars", default=None)
    high: DollarPrice | None = field(name="high_dollars", default=None)
    low: DollarPrice | None = field(name="low_dollars", default=None)
    close: DollarPrice | None = field(name="close_dollars", default=None)
    mean: DollarPrice | None = field(name="mean_dollars", default=None)
    previous: DollarPrice | None = field(name="previous_dollars", default=None)


class Candle(Struct, frozen=True):
    """One period that ends at `end_period_ts` (Unix seconds, inclusive)."""

    end_period_ts: int
    yes_bid: Quote
    yes_ask: Quote
    price: TradedPrice
    volume: Size = field(name="volume_fp")
    open_interest: Size = field(name="open_interest_fp")


class IncentiveProgram(Struct, frozen=True):
    """One market and one period. Rewards are centi-cents, the price unit: 10,000 = $1."""

    id: Name
    market_ticker: Name
    incentive_type: str
    start_date: Time
    end_date: Time
    period_reward: int
    paid_out: bool
    incentive_description: str = ""
    discount_factor_bps: int | None = None
    target_size: Size | None = field(name="target_size_fp", default=None)
    max_reward_per_account: int | None = None


class Milestone(Struct, frozen=True):
    id: Name
    type: str
    title: str
    start_date: Time
    category: str = ""
    end_date: Time | None = None
    related_event_tickers: tuple[str, ...] = ()
    primary_event_tickers: tuple[str, ...] = ()
    notification_message: str = ""
    details: dict[str, Any] | None = None
    source_id: str | None = None
    last_updated_ts: Time | None = None


class StructuredTarget(Struct, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    details: dict[str, Any] | None = None
    source_id: str | None = None
    last_updated_ts: Time | None = None


class SeriesFeeChange(Struct, frozen=True):
    id: str
    series_ticker: Name
    fee_type: str
    fee_multiplier: Decimal
    scheduled_ts: Time


class EventFeeChange(Struct, frozen=True):
    """Null overrides clear the event's own rule, so the series' holds again."""

    id: str
    event_ticker: Name
    scheduled_ts: Time
    series_ticker: str | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
