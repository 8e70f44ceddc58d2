from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from apps.core.exceptions import Refused
from apps.core.leases import lease_acquire
from apps.engine.types import Side
from apps.gateway.kalshi.models import PublicTrade as Trade
from apps.marketdata.choices import FeedState
from apps.marketdata.models import Feed, PublicTrade, Recording
from apps.marketdata.recorder import Recorder, RecorderConfig
from apps.marketdata.selectors import KALSHI_FEED, book_latest, feed_get, feed_list, recording_file, recording_list
from apps.marketdata.services import (
    FeedStatus,
    book_snapshot_store,
    feed_update,
    public_trades_store,
    recording_close,
    recording_open,
    recordings_recover,
    session_ensure,
)
from apps.marketdata.services.feeds import SeenTrade
from tests import factories

pytestmark = pytest.mark.django_db
NOW = factories.NOW


def seen(trade_id: str, ticker: str = "KXTEST-26NOV20-T50") -> SeenTrade:
    return SeenTrade(Trade(trade_id, ticker, Side.ASK, 5_700, 250, 1_763_640_000_123), NOW)


def test_a_trade_is_stored_once_however_often_it_is_seen() -> None:
    market = factories.market()
    assert public_trades_store(trades=[seen("t1"), seen("t2"), seen("t1")]) == []
    assert public_trades_store(trades=[seen("t2"), seen("t3")]) == []
    assert sorted(PublicTrade.objects.values_list("trade_id", flat=True)) == ["t1", "t2", "t3"]
    trade = PublicTrade.objects.get(trade_id="t1")
    assert (trade.market, trade.price, trade.quantity, trade.taker_side) == (
        market,
        Decimal("0.5700"),
        Decimal("2.50"),
        "ask",
    )
    assert trade.traded_at == datetime(2025, 11, 20, 12, 0, 0, 123_000, tzinfo=UTC)
    with pytest.raises(Refused):
        trade.save()


def test_trades_that_fit_nowhere_are_named_and_hold_up_nothing() -> None:
    factories.market()
    refused = public_trades_store(trades=[seen("x" * 65), seen("t1"), seen("t2", "KXUNKNOWN")])
    assert refused == ["x" * 65, "t2"]
    assert PublicTrade.objects.get().trade_id == "t1"


def test_feed_row_is_one_and_its_age_counts_from_the_last_frame() -> None:
    assert feed_get(now=NOW) is None
    feed_update(name=KALSHI_FEED, status=FeedStatus("ws://x", FeedState.CONNECTING, "first"), now=NOW)
    (row,) = feed_list(now=NOW)
    assert (row.age_s, row.is_stale) == (None, True)
    status = FeedStatus("ws://x", FeedState.LIVE, last_frame_at=NOW, frames=7, sequence_gaps=1, refused_frames=2)
    feed_update(name=KALSHI_FEED, status=status, now=NOW)
    feed = Feed.objects.get()
    assert (feed.state, feed.reason, feed.frames, feed.sequence_gaps, feed.refused_frames) == ("live", "", 7, 1, 2)
    fresh, old = feed_get(now=NOW + timedelta(seconds=15)), feed_get(now=NOW + timedelta(seconds=16))
    assert fresh is not None
    assert old is not None
    assert (fresh.age_s, fresh.is_stale) == (15.0, False)
    assert (old.age_s, old.is_stale) == (16.0, True)


def test_books_are_stored_in_batches_and_the_newest_is_found() -> None:
    market = factories.market()
    assert book_latest(market=market) is None
    rows = [
        type(factories.book_snapshot(market))(market=market, received_at=NOW + timedelta(seconds=n), bids=[], asks=[])
        for n in range(1, 4)
    ]
    assert book_snapshot_store(snapshots=rows) == 3
    newest = book_latest(market=market)
    assert newest is not None
    assert newest.received_at == NOW + timedelta(seconds=3)
    assert newest.best_bid is None


def test_recording_rows_open_once_and_close_with_the_digest(settings: Any) -> None:
    for _ in range(2):
        recording_open(path="a/b.jsonl.gz", source="ws://x", started_at=NOW)
    recording_close(path="a/b.jsonl.gz", ended_at=NOW, frames=3, size=99, sha256="f" * 64)
    (row,) = recording_list(source="ws://x")
    assert (row.frames, row.bytes, row.sha256, row.ended_at) == (3, 99, "f" * 64, NOW)
    assert recording_file(row) == settings.RECORDINGS_DIR / "a/b.jsonl.gz"


def test_files_of_a_dead_session_are_summed_up_by_the_next(tmp_path: Path) -> None:
    dead = Recorder(
        directory=tmp_path, source="ws://x", session="1", on_segment=lambda _: None, config=RecorderConfig()
    )
    for n in range(5):
        dead.record(1_763_640_000_000_000_000 + n, "c", b'{"n":%d}' % n)
    dead.cycle()
    (path,) = tmp_path.rglob("*.jsonl.gz")
    before = path.read_bytes()
    name = str(path.relative_to(tmp_path))
    recording_open(path=name, source="ws://x", started_at=NOW - timedelta(hours=1))
    recording_open(path="gone.jsonl.gz", source="ws://x", started_at=NOW - timedelta(hours=1))
    recording_open(path="other.jsonl.gz", source="ws://other", started_at=NOW - timedelta(hours=1))
    recording_open(path="mine.jsonl.gz", source="ws://x", started_at=NOW)
    closed = recordings_recover(directory=tmp_path, source="ws://x", before=NOW, now=NOW)
    assert sorted(closed) == sorted([name, "gone.jsonl.gz"])
    row = Recording.objects.get(path=name)
    assert (row.frames, row.bytes, row.ended_at) == (5, len(before), NOW)
    assert len(row.sha256) == 64
    assert path.read_bytes() == before
    assert Recording.objects.get(path="gone.jsonl.gz").sha256 == ""
    assert Recording.objects.filter(ended_at=None).count() == 2


@pytest.mark.django_db(transaction=True)
def test_session_is_asked_for_only_while_nobody_holds_the_lease() -> None:
    with patch("apps.core.jobs.current_app.send_task") as send:
        assert session_ensure(now=NOW)
        send.assert_called_once_with(
            "marketdata.run_session", kwargs={}, queue="ingest", expires=5.0, ignore_result=True
        )
        lease_acquire(name="marketdata", holder="x", now=NOW)
        assert not session_ensure(now=NOW + timedelta(seconds=4))
        assert session_ensure(now=NOW + timedelta(seconds=6))
        assert send.call_count == 2
