"""Reads of market data. Nothing here writes, and a missing number stays None."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q

from apps.engine.fees import FeeRule
from apps.engine.grid import PriceGrid

from .choices import GONE
from .exceptions import GridInvalid, MarketUnknown
from .mapping import fee_rule, market_grid
from .models import BookSnapshot, Feed, Market, Recording, Series

KALSHI_FEED = "kalshi"


@dataclass(frozen=True, slots=True)
class OpenMarket:
    """A market that takes orders now. `grid` is None, with the reason in `grid_error`, when it must not be quoted."""

    market_id: int
    ticker: str
    event_ticker: str
    series_ticker: str
    title: str
    close_at: datetime
    grid: PriceGrid | None
    grid_error: str | None


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A feed with its age. `is_stale` also when no frame ever came."""

    feed: Feed
    age_s: float | None
    is_stale: bool


def market_get(*, ticker: str) -> Market:
    """The market with its event and series. Raises `MarketUnknown`."""
    market = Market.objects.select_related("event__series").filter(ticker=ticker).first()
    if market is None:
        raise MarketUnknown(f"{ticker} is not in the catalogue")
    return market


def series_get(*, ticker: str) -> Series:
    series = Series.objects.filter(ticker=ticker).first()
    if series is None:
        raise MarketUnknown(f"series {ticker} is not in the catalogue")
    return series


def markets_in_scope(
    tickers_or_series: Collection[str] | None = None, *, now: datetime, limit: int | None = None
) -> list[OpenMarket]:
    """Markets open at `now` whose own, event's or series' ticker is named; all open ones for None.

    The soonest to close come first, so that `limit` keeps what is decided next.
    """
    found = Market.objects.open_at(now).select_related("event__series")
    if tickers_or_series is not None:
        named = list(tickers_or_series)
        found = found.filter(Q(ticker__in=named) | Q(event__ticker__in=named) | Q(event__series__ticker__in=named))
    return [_open_market(m) for m in found.order_by("close_at", "ticker")[:limit]]


def _open_market(market: Market) -> OpenMarket:
    grid, error = None, None
    try:
        grid = market_grid(market)
    except GridInvalid as e:
        error = e.message
    event = market.event
    return OpenMarket(
        market.pk, market.ticker, event.ticker, event.series.ticker, market.title, market.close_at, grid, error
    )


def markets_unfinished() -> list[str]:
    """Markets we know that may still change; one that a list of the open ones leaves out must be asked for."""
    return list(Market.objects.exclude(status__in=("finalized", GONE)).values_list("ticker", flat=True))


def fee_rule_for(*, market: Market, at: datetime) -> FeeRule:
    """The fee rule in force: event override over series, the market's waiver over both.

    Raises `UnknownFeeType` or `BadNumber`, on which nothing may be traded.
    """
    return fee_rule(market, at)


def feed_list(*, now: datetime) -> list[FeedRow]:
    return [_feed_row(feed, now) for feed in Feed.objects.all()]


def feed_get(*, name: str = KALSHI_FEED, now: datetime) -> FeedRow | None:
    feed = Feed.objects.filter(name=name).first()
    return None if feed is None else _feed_row(feed, now)


def feeds_stale(*, now: datetime) -> list[int]:
    """Ids of the feeds whose last frame is older than their own bound, or never came."""
    return [row.feed.pk for row in feed_list(now=now) if row.is_stale]


def _feed_row(feed: Feed, now: datetime) -> FeedRow:
    if feed.last_frame_at is None:
        return FeedRow(feed, None, True)
    age = now - feed.last_frame_at
    return FeedRow(feed, max(0.0, age.total_seconds()), age > timedelta(seconds=feed.stale_after_s))


def book_latest(*, market: Market) -> BookSnapshot | None:
    """The newest sampled book, None when there is none."""
    return BookSnapshot.objects.filter(market=market).order_by("-received_at", "-id").first()


def recording_list(*, source: str | None = None) -> Sequence[Recording]:
    found = Recording.objects.all()
    return list(found if source is None else found.filter(source=source))


def recording_file(recording: Recording) -> Path:
    """Where the file of a recording is."""
    return Path(settings.RECORDINGS_DIR) / recording.path
