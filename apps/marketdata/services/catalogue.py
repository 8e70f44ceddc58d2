"""What exists: series, events and markets as the exchange describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model

from apps.engine.decimals import price_to_decimal
from apps.engine.errors import BadNumber
from apps.engine.grid import price_grid
from apps.gateway.kalshi import models as wire
from apps.gateway.kalshi.frames import LifecycleFrame
from apps.governance.choices import Severity
from apps.governance.models import SystemEvent
from apps.governance.services import system_event_record
from apps.marketdata.choices import GONE
from apps.marketdata.exceptions import MarketUnknown
from apps.marketdata.mapping import (
    at_s,
    column_length,
    event_row,
    fee_override,
    market_row,
    ranges_to_json,
    series_row,
    unreadable_fee,
)
from apps.marketdata.models import Event, Market, Series

_BATCH = 200
_REFUSED_CODE = "CATALOGUE_REFUSED"
_SERIES_FIELDS = ["title", "category", "frequency", "fee_type", "fee_multiplier", "updated_at"]
_EVENT_FIELDS = [
    "series",
    "title",
    "mutually_exclusive",
    "fee_type_override",
    "fee_multiplier_override",
    "updated_at",
]
_MARKET_FIELDS = [
    "event",
    "title",
    "status",
    "open_at",
    "close_at",
    "price_level_structure",
    "price_ranges",
    "result",
    "settlement_value",
    "exchange_index",
    "fee_waiver_until",
    "volume",
    "open_interest",
    "updated_at",
]
_Row = TypeVar("_Row", Series, Event, Market)


@dataclass(frozen=True, slots=True)
class CatalogueBatch:
    """What one reading of the exchange's catalogue found. `asked_at` is when the first request left.

    `gone` are markets that were asked for by name and that the exchange no longer knows; `unreadable` is what it
    sent and nobody can read, with why.
    """

    asked_at: datetime
    series: Sequence[wire.Series] = ()
    events: Sequence[wire.Event] = ()
    markets: Sequence[wire.Market] = ()
    gone: Sequence[str] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class CatalogueReport:
    """Rows written, rows left alone because newer news had come by socket, and what was refused and why."""

    series: int = 0
    events: int = 0
    markets: int = 0
    newer_kept: int = 0
    gone: int = 0
    invalid_grids: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def _too_long(model: type[Model], ticker: str) -> bool:
    # A ticker is an identity: cut to the column it would name something else.
    return len(ticker) > (column_length(model, "ticker") or 0)


def _upsert(model: type[_Row], rows: list[_Row], fields: list[str]) -> int:
    model.objects.bulk_create(
        rows, batch_size=_BATCH, update_conflicts=True, unique_fields=["ticker"], update_fields=fields
    )
    return len(rows)


def _ids(model: type[_Row], tickers: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(tickers), _BATCH):
        part = tickers[start : start + _BATCH]
        found.update(model.objects.filter(ticker__in=part).values_list("ticker", "pk"))
    return found


@transaction.atomic
def catalogue_sync(*, batch: CatalogueBatch, now: datetime) -> CatalogueReport:
    """Insert or update series, then events, then markets; a row that cannot be stored is refused by name.

    A market that the socket has changed since `asked_at` keeps what the socket said: the exchange's read side
    lags behind. A market whose grid makes no sense is stored and named in `invalid_grids`.
    """
    report = CatalogueReport(refused=dict(batch.unreadable))
    _sync_series(batch, now, report)
    _sync_events(batch, now, report)
    _sync_markets(batch, now, report)
    _tell_refused(report, now)
    return report


def _sync_series(batch: CatalogueBatch, now: datetime, report: CatalogueReport) -> None:
    rows = []
    for series in {s.ticker: s for s in batch.series}.values():
        if _too_long(Series, series.ticker):
            report.refused[series.ticker] = "the ticker is too long"
            continue
        try:
            rows.append(series_row(series, now))
        except BadNumber as e:
            report.refused[series.ticker] = str(e)
            # Known under an older multiplier, it must not go on being charged by that.
            Series.objects.filter(ticker=series.ticker).update(fee_type=unreadable_fee(series.fee_type), updated_at=now)
    report.series = _upsert(Series, rows, _SERIES_FIELDS)


def _sync_events(batch: CatalogueBatch, now: datetime, report: CatalogueReport) -> None:
    events = {e.event_ticker: e for e in batch.events}
    series_ids = _ids(Series, sorted({e.series_ticker for e in events.values()}))
    rows = []
    for event in events.values():
        series_id = series_ids.get(event.series_ticker)
        if _too_long(Event, event.event_ticker):
            report.refused[event.event_ticker] = "the ticker is too long"
        elif series_id is None:
            report.refused[event.event_ticker] = f"its series {event.series_ticker} is unknown"
        else:
            rows.append(event_row(event, series_id, now))
    report.events = _upsert(Event, rows, _EVENT_FIELDS)


def _sync_markets(batch: CatalogueBatch, now: datetime, report: CatalogueReport) -> None:
    markets = {m.ticker: m for m in batch.markets}
    event_ids = _ids(Event, sorted({m.event_ticker for m in markets.values()}))
    newer = set(Market.objects.filter(updated_at__gt=batch.asked_at).values_list("ticker", flat=True))
    rows = []
    for market in markets.values():
        event_id = event_ids.get(market.event_ticker)
        if _too_long(Market, market.ticker):
            report.refused[market.ticker] = "the ticker is too long"
        elif event_id is None:
            report.refused[market.ticker] = f"its event {market.event_ticker} is unknown"
        elif market.ticker in newer:
            report.newer_kept += 1
        else:
            rows.append(_checked_market(market, event_id, now, report))
    report.markets = _upsert(Market, rows, _MARKET_FIELDS)
    report.gone = Market.objects.filter(ticker__in=batch.gone, updated_at__lte=batch.asked_at).update(
        status=GONE, updated_at=now
    )


def _checked_market(market: wire.Market, event_id: int, now: datetime, report: CatalogueReport) -> Market:
    row = market_row(market, event_id, now)
    try:
        price_grid(wire.grid_ranges(market.price_ranges))
    except BadNumber:
        report.invalid_grids.append(market.ticker)
    return row


def _tell_refused(report: CatalogueReport, now: datetime) -> None:
    """One system event whenever what cannot be used is not what it was at the last one."""
    if not report.refused and not report.invalid_grids:
        return
    details = {"refused": report.refused, "invalid_grids": sorted(report.invalid_grids)}
    last = SystemEvent.objects.filter(code=_REFUSED_CODE).first()
    if last is None or last.details != details:
        system_event_record(
            code=_REFUSED_CODE,
            severity=Severity.WARNING,
            source="marketdata",
            message=f"{len(report.refused)} rows refused, {len(report.invalid_grids)} markets without a usable grid",
            details=details,
            now=now,
        )


_STATUS_AFTER = {"activated": "active", "deactivated": "inactive", "determined": "determined", "settled": "finalized"}


def market_lifecycle_apply(*, frame: LifecycleFrame, now: datetime) -> bool:
    """Apply what the socket says about a market or an event; True when it changed a row.

    1. news we have no column for, or of a kind we do not know: False
    2. news about a market or event the catalogue lacks: `MarketUnknown`; the next sync brings it whole
    3. news with a time that is none: `BadNumber`
    """
    if frame.type == "event_fee_update":
        return _apply_fee(frame, now)
    if frame.ticker is None:
        return False
    changes = _market_changes(frame)
    if frame.event_type == "created" and not Market.objects.filter(ticker=frame.ticker).exists():
        raise MarketUnknown(f"{frame.ticker} was created and is not in the catalogue yet")
    if not changes:
        return False
    if not Market.objects.filter(ticker=frame.ticker).update(**changes, updated_at=now):
        raise MarketUnknown(f"{frame.ticker} is not in the catalogue")
    return True


def _market_changes(frame: LifecycleFrame) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if status := _STATUS_AFTER.get(frame.event_type):
        changes["status"] = status
    if frame.result is not None:
        changes["result"] = frame.result[:10]
    if frame.settlement_value is not None:
        changes["settlement_value"] = price_to_decimal(frame.settlement_value)
    if frame.open_ts is not None:
        changes["open_at"] = at_s(frame.open_ts)
    if frame.close_ts is not None:
        changes["close_at"] = at_s(frame.close_ts)
    if frame.price_ranges is not None:
        changes["price_ranges"] = ranges_to_json(frame.price_ranges)
    return changes


def _apply_fee(frame: LifecycleFrame, now: datetime) -> bool:
    fee_type, multiplier = fee_override(frame.fee_type_override, frame.fee_multiplier_override)
    changed = Event.objects.filter(ticker=frame.event_ticker or "").update(
        fee_type_override=fee_type, fee_multiplier_override=multiplier, updated_at=now
    )
    if not changed:
        raise MarketUnknown(f"event {frame.event_ticker} is not in the catalogue")
    return True
