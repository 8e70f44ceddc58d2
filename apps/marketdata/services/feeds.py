"""What was seen: the state of a feed, sampled books, published trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from apps.gateway.kalshi.models import PublicTrade as Trade
from apps.marketdata.choices import FeedState
from apps.marketdata.mapping import trade_row
from apps.marketdata.models import BookSnapshot, Feed, Market, PublicTrade

_BATCH = 500
_TRADE_ID_LENGTH = 64


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A connection as its session knows it; counters count since the session began."""

    source: str
    state: FeedState
    reason: str = ""
    connected_at: datetime | None = None
    last_frame_at: datetime | None = None
    reconnects: int = 0
    frames: int = 0
    sequence_gaps: int = 0
    refused_frames: int = 0
    unknown_messages: int = 0
    unknown_fields: int = 0


@dataclass(frozen=True, slots=True)
class SeenTrade:
    """A trade and when its frame arrived."""

    trade: Trade
    received_at: datetime


def feed_update(*, name: str, status: FeedStatus, now: datetime) -> None:
    """Write the one row of this feed."""
    Feed.objects.update_or_create(name=name, defaults={**asdict(status), "updated_at": now})


def book_snapshot_store(*, snapshots: Sequence[BookSnapshot]) -> int:
    """Store sampled books in one go."""
    BookSnapshot.objects.bulk_create(snapshots, batch_size=_BATCH)
    return len(snapshots)


@transaction.atomic
def public_trades_store(*, trades: Sequence[SeenTrade]) -> list[str]:
    """Store each trade once, however often it is seen. Returns the ids of trades that cannot be stored.

    Those are trades of markets the catalogue lacks and ids longer than the exchange's; the recording has them.
    """
    tickers = {t.trade.ticker for t in trades}
    market_ids = dict(Market.objects.filter(ticker__in=tickers).values_list("ticker", "pk"))
    rows, refused = [], []
    for seen in trades:
        market_id = market_ids.get(seen.trade.ticker)
        if market_id is None or len(seen.trade.trade_id) > _TRADE_ID_LENGTH:
            refused.append(seen.trade.trade_id)
        else:
            rows.append(trade_row(seen.trade, market_id, seen.received_at))
    PublicTrade.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)
    return refused
