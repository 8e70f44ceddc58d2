"""The envelopes REST answers come in, and `parse`, which reads one or raises a `BadMessage`.

The last page's cursor is an empty string on the wire and null in the docs; both end a list.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from apps.gateway.kalshi import models as m
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.fields import Name, Time, body_decoder, decode_body

T = TypeVar("T")


class Empty(Struct, frozen=True):
    """`{}`: done, nothing to say."""


class MarketPage(Struct, frozen=True):
    markets: tuple[m.Market, ...]
    cursor: str | None = None


class MarketBody(Struct, frozen=True):
    market: m.Market


class EventPage(Struct, frozen=True):
    events: tuple[m.Event, ...]
    milestones: tuple[m.Milestone, ...] | None = None
    cursor: str | None = None


class EventBody(Struct, frozen=True):
    """With nested markets they are in the event, without them beside it."""

    event: m.Event
    markets: tuple[m.Market, ...] | None = None


class SeriesList(Struct, frozen=True):
    series: tuple[m.Series, ...]


class MarketRows(Struct, frozen=True):
    """A page whose rows are read one by one."""

    markets: tuple[msgspec.Raw, ...]
    cursor: str | None = None


class EventRows(Struct, frozen=True):
    events: tuple[msgspec.Raw, ...]
    cursor: str | None = None


class NestedMarketRows(Struct, frozen=True):
    """The markets of one event's row."""

    markets: tuple[msgspec.Raw, ...] | None = None


class SeriesRows(Struct, frozen=True):
    series: tuple[msgspec.Raw, ...]


class SeriesBody(Struct, frozen=True):
    series: m.Series


class SeriesFeeChanges(Struct, frozen=True):
    series_fee_change_arr: tuple[m.SeriesFeeChange, ...]


class EventFeeChangePage(Struct, frozen=True):
    event_fee_changes: tuple[m.EventFeeChange, ...]
    cursor: str | None = None


class OrderbookBody(Struct, frozen=True):
    orderbook_fp: m.BookBody


class TickerBook(Struct, frozen=True):
    ticker: Name
    orderbook_fp: m.BookBody


class OrderbooksBody(Struct, frozen=True):
    orderbooks: tuple[TickerBook, ...]


class TradePage(Struct, frozen=True):
    trades: tuple[m.Trade, ...]
    cursor: str | None = None


class CandleBody(Struct, frozen=True):
    candlesticks: tuple[m.Candle, ...]
    ticker: str | None = None


class MarketCandles(Struct, frozen=True):
    market_ticker: Name
    candlesticks: tuple[m.Candle, ...]


class CandlesByMarket(Struct, frozen=True):
    markets: tuple[MarketCandles, ...]


class EventCandles(Struct, frozen=True):
    market_tickers: tuple[str, ...]
    market_candlesticks: tuple[tuple[m.Candle, ...], ...]


class IncentivePage(Struct, frozen=True):
    incentive_programs: tuple[m.IncentiveProgram, ...]
    cursor: str | None = field(name="next_cursor", default=None)


class MilestonePage(Struct, frozen=True):
    milestones: tuple[m.Milestone, ...]
    cursor: str | None = None


class MilestoneBody(Struct, frozen=True):
    milestone: m.Milestone


class StructuredTargetPage(Struct, frozen=True):
    structured_targets: tuple[m.StructuredTarget, ...]
    cursor: str | None = None


class StructuredTargetBody(Struct, frozen=True):
    structured_target: m.StructuredTarget


class EventMetadata(Struct, frozen=True):
    image_url: str
    market_details: tuple[dict[str, Any], ...] = ()
    settlement_sources: tuple[m.SettlementSource, ...] | None = None
    competition: str | None = None
    competition_scope: str | None = None


class TagsByCategories(Struct, frozen=True):
    tags_by_categories: dict[str, tuple[str, ...] | None]


class FiltersBySport(Struct, frozen=True):
    filters_by_sports: dict[str, Any]


class LiveData(Struct, frozen=True):
    """Score or state of a milestone; `details` differs by type."""

    milestone_id: Name
    type: str
    details: dict[str, Any]


class LiveDataBody(Struct, frozen=True):
    live_data: LiveData


class LiveDataList(Struct, frozen=True):
    live_datas: tuple[LiveData, ...]


class AssociatedEvent(Struct, frozen=True):
    ticker: Name
    is_yes_only: bool = False
    size_max: int | None = None


class Collection(Struct, frozen=True):
    """Rules by which combos of these events may be made."""

    collection_ticker: Name
    series_ticker: Name
    title: str
    size_min: int
    size_max: int
    is_ordered: bool
    associated_events: tuple[AssociatedEvent, ...] = ()
    associated_event_tickers: tuple[str, ...] = ()
    open_date: Time | None = None
    close_date: Time | None = None
    exchange_index: int | None = None


class CollectionPage(Struct, frozen=True):
    multivariate_contracts: tuple[Collection, ...]
    cursor: str | None = None


class CollectionBody(Struct, frozen=True):
    multivariate_contract: Collection


class OrderPage(Struct, frozen=True):
    orders: tuple[p.Order, ...]
    cursor: str | None = None


class OrderBody(Struct, frozen=True):
    order: p.Order


class FillPage(Struct, frozen=True):
    fills: tuple[p.RestFill, ...]
    cursor: str | None = None


class PositionPage(Struct, frozen=True):
    market_positions: tuple[p.Position, ...]
    cursor: str | None = None


class SettlementPage(Struct, frozen=True):
    settlements: tuple[p.Settlement, ...]
    cursor: str | None = None


class BatchCreateReply(Struct, frozen=True):
    orders: tuple[p.BatchCreateItem, ...]


class BatchCancelReply(Struct, frozen=True):
    orders: tuple[p.BatchCancelItem, ...]


class OrderGroupList(Struct, frozen=True):
    order_groups: tuple[p.OrderGroup, ...] | None


class QueuePositions(Struct, frozen=True):
    queue_positions: tuple[p.QueuePosition, ...] | None


class ScheduleBody(Struct, frozen=True):
    schedule: p.ExchangeSchedule


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def parse(kind: type[T], data: bytes | str) -> T:
    """Read a body as `kind`, or raise `MalformedFrame`, `MissingField` or `BadField`."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = body_decoder(kind)
    result: T = decode_body(decoder, data, kind.__name__)
    return result
