from __future__ import annotations

from .catalogue import CatalogueBatch, CatalogueReport, catalogue_sync, market_lifecycle_apply
from .feeds import FeedStatus, book_snapshot_store, feed_update, public_trades_store
from .recordings import recording_close, recording_open, recordings_recover
from .sessions import session_ensure

__all__ = [
    "CatalogueBatch",
    "CatalogueReport",
    "FeedStatus",
    "book_snapshot_store",
    "catalogue_sync",
    "feed_update",
    "market_lifecycle_apply",
    "public_trades_store",
    "recording_close",
    "recording_open",
    "recordings_recover",
    "session_ensure",
]
