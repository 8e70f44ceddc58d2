from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, InterfaceError, OperationalError

from apps.engine.types import Side
from apps.gateway.kalshi.models import PublicTrade as Trade
from apps.governance.choices import Severity
from apps.governance.models import SystemEvent
from apps.marketdata.choices import FeedState
from apps.marketdata.feeds import store as store_module
from apps.marketdata.feeds.events import EventLimiter
from apps.marketdata.feeds.store import FeedStore, StoreLimits
from apps.marketdata.mapping import at_ms
from apps.marketdata.models import BookSnapshot, Feed, Market, PublicTrade, Recording
from apps.marketdata.recorder import SegmentClosed, SegmentOpened
from apps.marketdata.segments import SegmentSummary
from apps.marketdata.services import FeedStatus
from apps.marketdata.services.feeds import SeenTrade
from tests import factories

from . import wire

pytestmark = pytest.mark.django_db
NOW = factories.NOW
STATUS = FeedStatus("ws://x", FeedState.LIVE, frames=1)
TICKER = "KXTEST-26NOV20-T50"


def trade(trade_id: str, ticker: str = TICKER) -> SeenTrade:
    return SeenTrade(Trade(trade_id, ticker, Side.BID, 5_700, 250, 1_763_640_000_123), NOW)


def fill(store: FeedStore, market: Market, number: int) -> None:
    store.add_trade(trade(f"t{number}"))
    store.add_book(BookSnapshot(market=market, received_at=NOW, bids=[], asks=[]))
    store.add_lifecycle(wire.frame(wire.lifecycle("deactivated", TICKER)))  # type: ignore[arg-type]
    store.add_segment(SegmentOpened(f"s{number}.gz", "ws://x", NOW))
    summary = SegmentSummary(True, 4, 40, 1, 2, {"c": 4}, 0, "a" * 64)
    store.add_segment(SegmentClosed(f"s{number}.gz", NOW, summary))
    store.report(f"CODE_{number}", Severity.WARNING, "message", at=NOW, number=number)


def counts() -> tuple[int, ...]:
    return (
        PublicTrade.objects.count(),
        BookSnapshot.objects.count(),
        Recording.objects.filter(frames=4).count(),
        SystemEvent.objects.count(),
    )


def test_flush_writes_everything_once() -> None:
    store = FeedStore()
    fill(store, factories.market(), 1)
    assert store.waiting == 6
    assert store.flush(status=STATUS, now=NOW)
    assert store.flush(status=STATUS, now=NOW)
    assert counts() == (1, 1, 1, 1)
    assert (store.waiting, store.problem) == (0, None)
    assert Market.objects.get().status == "inactive"
    assert Feed.objects.get().frames == 1


TARGETS = [
    "recording_open",
    "recording_close",
    "market_lifecycle_apply",
    "public_trades_store",
    "book_snapshot_store",
    "system_event_record",
    "feed_update",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("error", [OperationalError("server closed the connection"), InterfaceError("closed")])
def test_outage_at_any_write_loses_and_repeats_nothing(
    target: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, market = FeedStore(StoreLimits(batch=2)), factories.market()
    for n in range(3):
        fill(store, market, n)
    away = {"calls": 0}
    real = getattr(store_module, target)

    def fail(*args: Any, **kwargs: Any) -> Any:
        away["calls"] += 1
        if away["calls"] <= 2:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(store_module, target, fail)
    for _ in range(2):
        assert not store.flush(status=STATUS, now=NOW)
        assert store.problem is not None
        assert store.problem.startswith("database: ")
    fill(store, market, 3)
    assert store.flush(status=STATUS, now=NOW)
    assert store.problem is None
    assert counts() == (4, 4, 4, 4)
    assert store.dropped == 0
    assert store.flush(status=STATUS, now=NOW)
    assert SystemEvent.objects.get(code="DATABASE_AWAY").message.startswith("the database was away since 2026-11-20")


def test_buffers_are_bounded_and_what_found_no_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.market()
    store = FeedStore(StoreLimits(trades=3))
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "public_trades_store", _away)
        for n in range(5):
            store.add_trade(trade(f"t{n}"))
        assert not store.flush(status=STATUS, now=NOW)
    assert store.dropped == 2
    assert store.flush(status=STATUS, now=NOW)
    assert sorted(PublicTrade.objects.values_list("trade_id", flat=True)) == ["t2", "t3", "t4"]
    event = SystemEvent.objects.get(code="STORE_OVERFLOW")
    assert event.message.startswith("2 rows")


def test_what_waited_is_written_in_the_order_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FeedStore(StoreLimits(batch=2))
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "system_event_record", _away)
        for n in range(5):
            store.report(f"CODE_{n}", Severity.INFO, "message", at=NOW)
            assert not store.flush(status=STATUS, now=NOW)
    assert store.flush(status=STATUS, now=NOW)
    codes = list(SystemEvent.objects.order_by("id").values_list("code", flat=True))
    assert codes == [f"CODE_{n}" for n in range(5)]


def _away(**_: Any) -> None:
    raise OperationalError("gone")


def test_one_row_the_database_refuses_does_not_hold_up_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    factories.market()
    store = FeedStore()
    real = store_module.public_trades_store

    def picky(*, trades: list[SeenTrade]) -> list[str]:
        if any(t.trade.trade_id == "bad" for t in trades):
            raise DataError("value out of range")
        return real(trades=trades)

    monkeypatch.setattr(store_module, "public_trades_store", picky)
    for trade_id in ("t1", "bad", "t2"):
        store.add_trade(trade(trade_id))
    assert store.flush(status=STATUS, now=NOW)
    assert store.waiting == 0
    assert sorted(PublicTrade.objects.values_list("trade_id", flat=True)) == ["t1", "t2"]
    assert SystemEvent.objects.get().code == "ROW_REFUSED"


def test_news_of_an_unknown_market_asks_for_the_catalogue() -> None:
    store = FeedStore()
    store.add_lifecycle(wire.frame(wire.lifecycle("created", "KXNEW")))  # type: ignore[arg-type]
    assert store.flush(status=STATUS, now=NOW)
    assert (store.take_unknown(), store.take_news()) == (["KXNEW"], True)
    assert (store.take_unknown(), store.take_news()) == ([], False)
    other = FeedStore()
    other.add_trade(trade("t1", "KXNEW"))
    assert other.flush(status=STATUS, now=NOW)
    assert other.take_unknown() == ["KXNEW"]
    assert SystemEvent.objects.get().code == "TRADES_NOT_STORED"


@pytest.mark.parametrize("over", ["determined", "settled"])
def test_unknown_market_that_is_over_asks_for_nothing(over: str) -> None:
    store = FeedStore()
    store.add_lifecycle(wire.frame(wire.lifecycle(over, "KXOLD", result="yes")))  # type: ignore[arg-type]
    assert store.flush(status=STATUS, now=NOW)
    assert store.take_unknown() == []


def test_news_with_a_time_that_is_none_is_told_and_holds_up_nothing() -> None:
    market = factories.market(status="active")
    store = FeedStore()
    for frame in (
        wire.lifecycle("close_date_updated", market.ticker, close_ts=10**15),
        wire.lifecycle("deactivated", market.ticker),
    ):
        store.add_lifecycle(wire.frame(frame))  # type: ignore[arg-type]
    assert store.flush(status=STATUS, now=NOW)
    market.refresh_from_db()
    assert market.status == "inactive"
    assert store.flush(status=STATUS, now=NOW)
    assert SystemEvent.objects.get().code == "ROW_REFUSED"


def test_events_of_a_kind_are_held_back_for_a_minute_and_counted() -> None:
    limiter = EventLimiter(every_s=60)
    start = at_ms(1_763_640_000_000)
    admitted = [limiter.admit("GAP", Severity.WARNING, f"{n}", at=start + timedelta(seconds=n * 10)) for n in range(13)]
    passed = [d for d in admitted if d is not None]
    assert [d.message for d in passed] == ["0", "6", "12"]
    assert [d.details["held_back_before"] for d in passed] == [0, 5, 5]
    assert limiter.admit("OTHER", Severity.INFO, "x", at=start) is not None
