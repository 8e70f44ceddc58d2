"""Values of the gateway and the engine to rows of this app and back; the only place that knows both shapes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import CharField, Model

from apps.engine.book import Book
from apps.engine.decimals import format_price, format_quantity, parse_price, price_to_decimal, quantity_to_decimal
from apps.engine.errors import BadNumber
from apps.engine.fees import EventFee, FeeRule, FeeSchedule, SeriesFee, multiplier_micro
from apps.engine.grid import PriceGrid, PriceRange, price_grid
from apps.engine.types import Price, Side
from apps.gateway.kalshi import models as wire
from apps.gateway.kalshi.models import PublicTrade as Trade
from apps.gateway.kalshi.models import grid_ranges

from .exceptions import GridInvalid
from .models import BookSnapshot, Event, Market, PublicTrade, Series

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_EXCHANGE_INDEX = 32_767
_UNREADABLE = " (multiplier unreadable)"


def at_ms(ts_ms: int) -> datetime:
    """Unix milliseconds to aware UTC, exact to the millisecond."""
    return _EPOCH + timedelta(milliseconds=ts_ms)


def at_ns(ts_ns: int) -> datetime:
    """Unix nanoseconds to aware UTC, cut to the microsecond."""
    return _EPOCH + timedelta(microseconds=ts_ns // 1_000)


def at_s(ts_s: int) -> datetime:
    """Unix seconds to aware UTC. Raises `BadNumber` for what no calendar has."""
    try:
        return _EPOCH + timedelta(seconds=ts_s)
    except OverflowError:
        raise BadNumber(f"{ts_s} s is no time") from None


def ranges_to_json(ranges: Iterable[PriceRange]) -> list[dict[str, str]]:
    """Ranges in the exchange's own form, four-decimal strings."""
    return [{"start": format_price(r.start), "end": format_price(r.end), "step": format_price(r.step)} for r in ranges]


def ranges_from_json(value: Any) -> tuple[PriceRange, ...]:
    """Raises `GridInvalid` for anything that is not a list of start, end and step."""
    try:
        return tuple(PriceRange(parse_price(r["start"]), parse_price(r["end"]), parse_price(r["step"])) for r in value)
    except (BadNumber, TypeError, KeyError) as e:
        raise GridInvalid(f"price ranges cannot be read: {e}") from None


def market_grid(market: Market) -> PriceGrid:
    """The market's grid. Raises `GridInvalid`, which must keep the market from being quoted."""
    try:
        return price_grid(ranges_from_json(market.price_ranges))
    except BadNumber as e:
        raise GridInvalid(f"{market.ticker}: {e}") from None


def fee_rule(market: Market, at: datetime) -> FeeRule:
    """Event override over series, waiver over both. `UnknownFeeType` or `BadNumber` mean: do not trade.

    Only the values in force now are stored, so `at` decides about the waiver alone. The market must come with
    its event and series loaded.
    """
    event, series = market.event, market.event.series
    rule = FeeRule.of(series.fee_type, series.fee_multiplier)
    override = event.fee_multiplier_override
    schedule = FeeSchedule(
        series=(SeriesFee(series.ticker, _EPOCH, rule),),
        events=(
            EventFee(
                event.ticker, _EPOCH, event.fee_type_override, None if override is None else multiplier_micro(override)
            ),
        ),
        waived_until={} if market.fee_waiver_until is None else {market.ticker: market.fee_waiver_until},
    )
    return schedule.rule_at(series.ticker, event.ticker, at, market.ticker)


def column_length(model: type[Model], column: str) -> int | None:
    """How many characters a text column takes."""
    field = model._meta.get_field(column)
    return field.max_length if isinstance(field, CharField) else None


def _fit(model: type[Model], column: str, text: str) -> str:
    """Cut to the column: only for texts that people read and open enums, whose known values are all shorter."""
    return text[: column_length(model, column)]


def unreadable_fee(fee_type: str | None) -> str:
    """A fee type without a formula, which blocks trading, for fees whose multiplier cannot be read."""
    return (fee_type or "")[: 60 - len(_UNREADABLE)] + _UNREADABLE


def checked_multiplier(value: Decimal | str) -> Decimal:
    """The multiplier as stored. Raises `BadNumber` where it is no exact number of at most six decimals."""
    return Decimal(multiplier_micro(value)).scaleb(-6)


def fee_override(fee_type: str | None, multiplier: Decimal | str | None) -> tuple[str | None, Decimal | None]:
    """An event's override as stored; one that cannot be read becomes a fee type that blocks trading."""
    try:
        checked = None if multiplier is None else checked_multiplier(multiplier)
    except BadNumber:
        return unreadable_fee(fee_type), None
    return None if fee_type is None else _fit(Event, "fee_type_override", fee_type), checked


def series_row(series: wire.Series, now: datetime) -> Series:
    """Raises `BadNumber` for a multiplier nobody can charge by."""
    return Series(
        ticker=series.ticker,
        title=_fit(Series, "title", series.title),
        category=_fit(Series, "category", series.category),
        frequency=_fit(Series, "frequency", series.frequency),
        fee_type=_fit(Series, "fee_type", series.fee_type),
        fee_multiplier=checked_multiplier(series.fee_multiplier),
        updated_at=now,
    )


def event_row(event: wire.Event, series_id: int, now: datetime) -> Event:
    fee_type, multiplier = fee_override(event.fee_type_override, event.fee_multiplier_override)
    return Event(
        ticker=event.event_ticker,
        series_id=series_id,
        title=_fit(Event, "title", event.title),
        mutually_exclusive=event.mutually_exclusive,
        fee_type_override=fee_type,
        fee_multiplier_override=multiplier,
        updated_at=now,
    )


def market_row(market: wire.Market, event_id: int, now: datetime) -> Market:
    """Stored as it came: an unknown status or a grid that makes no sense only keeps it from being quoted."""
    index = market.exchange_index
    settled = market.settlement_value
    return Market(
        ticker=market.ticker,
        event_id=event_id,
        title=_fit(Market, "title", market.title or market.yes_sub_title),
        status=_fit(Market, "status", market.status),
        open_at=market.open_time,
        close_at=market.close_time,
        price_level_structure=_fit(Market, "price_level_structure", market.price_level_structure),
        price_ranges=ranges_to_json(grid_ranges(market.price_ranges)),
        result=_fit(Market, "result", market.result),
        settlement_value=None if settled is None else price_to_decimal(settled),
        exchange_index=index if index is not None and 0 <= index <= MAX_EXCHANGE_INDEX else None,
        fee_waiver_until=market.fee_waiver_expiration_time,
        volume=quantity_to_decimal(market.volume),
        open_interest=quantity_to_decimal(market.open_interest),
        updated_at=now,
    )


def trade_row(trade: Trade, market_id: int, received_at: datetime) -> PublicTrade:
    return PublicTrade(
        trade_id=trade.trade_id,
        market_id=market_id,
        price=price_to_decimal(trade.price),
        quantity=quantity_to_decimal(trade.quantity),
        taker_side=trade.taker_side.value,
        traded_at=at_ms(trade.ts_ms),
        received_at=received_at,
    )


def _optional_price(price: Price | None) -> Decimal | None:
    return None if price is None else price_to_decimal(price)


def book_row(book: Book, market_id: int, received_at: datetime, depth: int) -> BookSnapshot:
    """The best `depth` levels of each side of a quotable book."""
    bids, asks = (
        [[format_price(price), format_quantity(size)] for price, size in book.levels(side, depth)]
        for side in (Side.BID, Side.ASK)
    )
    return BookSnapshot(
        market_id=market_id,
        received_at=received_at,
        best_bid=_optional_price(book.best_bid),
        best_ask=_optional_price(book.best_ask),
        bids=bids,
        asks=asks,
    )
