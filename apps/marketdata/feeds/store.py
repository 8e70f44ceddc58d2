"""What a session wants in the database, held in bounded buffers while the database is away.

`add_*` may be called from any thread; `flush` only from the one that owns the database connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.db import DatabaseError, transaction

from apps.core.database_thread import AWAY
from apps.engine.errors import BadNumber
from apps.gateway.kalshi.frames import LifecycleFrame
from apps.governance.choices import Severity
from apps.governance.services import system_event_record
from apps.marketdata.exceptions import MarketUnknown
from apps.marketdata.models import BookSnapshot
from apps.marketdata.recorder import SegmentNews, SegmentOpened
from apps.marketdata.selectors import KALSHI_FEED
from apps.marketdata.services import (
    FeedStatus,
    book_snapshot_store,
    feed_update,
    market_lifecycle_apply,
    public_trades_store,
    recording_close,
    recording_open,
)
from apps.marketdata.services.feeds import SeenTrade

from .events import SOURCE, EventDraft, EventLimiter

_T = TypeVar("_T")
# An unknown market of which this is the news is nothing to follow any more.
_OVER = ("determined", "settled")


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How many items of each kind are held while the database is away, and how many go into one write."""

    trades: int = 200_000
    books: int = 10_000
    lifecycle: int = 20_000
    segments: int = 10_000
    events: int = 5_000
    batch: int = 1_000


class _Buffer(Generic[_T]):
    """First in, first out; when full the oldest goes and is counted."""

    def __init__(self, limit: int) -> None:
        self._items: deque[_T] = deque()
        self._limit = limit
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: _T) -> None:
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)

    def write(self, batch: int, store: Callable[[Sequence[_T]], None]) -> None:
        """Items leave the buffer only after `store` has taken them; what it raises, this raises."""
        while self._items:
            part = [self._items.popleft() for _ in range(min(batch, len(self._items)))]
            try:
                store(part)
            except BaseException:
                self._items.extendleft(reversed(part))
                raise


class FeedStore:
    """Writes in the order that lets each row find what it refers to; an outage keeps everything for later.

    A row that the database refuses for what it is (not for being away) is left out by itself and told in a
    system event, so that it cannot hold up the rest. `problem` says why the last flush did not finish.
    """

    def __init__(self, limits: StoreLimits | None = None) -> None:
        limits = limits or StoreLimits()
        self._batch = limits.batch
        self._trades: _Buffer[SeenTrade] = _Buffer(limits.trades)
        self._books: _Buffer[BookSnapshot] = _Buffer(limits.books)
        self._lifecycle: _Buffer[LifecycleFrame] = _Buffer(limits.lifecycle)
        self._segments: _Buffer[SegmentNews] = _Buffer(limits.segments)
        self._events: _Buffer[EventDraft] = _Buffer(limits.events)
        self._limiter = EventLimiter()
        self._dropped_told = 0
        self._away_since: datetime | None = None
        self.problem: str | None = None
        # Filled on the thread that writes and emptied by another, hence a deque.
        self._unknown: deque[str] = deque(maxlen=limits.lifecycle)
        self._has_news = False

    @property
    def waiting(self) -> int:
        return sum(map(len, self._buffers))

    @property
    def dropped(self) -> int:
        """Items that found no room during an outage; the recording still holds the frames they came from."""
        return sum(buffer.dropped for buffer in self._buffers)

    @property
    def _buffers(self) -> tuple[_Buffer, ...]:
        return self._trades, self._books, self._lifecycle, self._segments, self._events

    def add_trade(self, trade: SeenTrade) -> None:
        self._trades.add(trade)

    def add_book(self, snapshot: BookSnapshot) -> None:
        self._books.add(snapshot)

    def add_lifecycle(self, frame: LifecycleFrame) -> None:
        self._lifecycle.add(frame)

    def add_segment(self, news: SegmentNews) -> None:
        self._segments.add(news)

    def add_event(self, event: EventDraft | None) -> None:
        if event is not None:
            self._events.add(event)

    def report(self, code: str, severity: Severity, message: str, *, at: datetime, **details: object) -> None:
        """A system event, unless one of this code was stored within the last minute."""
        self.add_event(self._limiter.admit(code, severity, message, at=at, details=details))

    def take_unknown(self) -> list[str]:
        """Markets and events the socket spoke of and the catalogue lacks, since the last call."""
        return [self._unknown.popleft() for _ in range(len(self._unknown))]

    def take_news(self) -> bool:
        """Whether anything was stored since the last call that may change what is followed."""
        has_news, self._has_news = self._has_news, False
        return has_news

    def flush(self, *, status: FeedStatus, now: datetime) -> bool:
        """Write everything that waits, then the feed's row. False, with `problem`, while the database is away."""
        self._tell_dropped(now)
        try:
            for buffer, store in self._writers(now):
                buffer.write(self._batch, self._guarded(store, now))
            feed_update(name=KALSHI_FEED, status=status, now=now)
        except AWAY as e:
            self.problem = f"database: {str(e).splitlines()[0] if str(e) else type(e).__name__}"
            self._away_since = self._away_since or now
            return False
        self._tell_outage(now)
        return True

    def _writers(self, now: datetime) -> tuple[tuple[_Buffer, Callable], ...]:
        return (
            (self._segments, self._store_segments),
            (self._lifecycle, lambda part: self._store_lifecycle(part, now)),
            (self._trades, lambda part: self._store_trades(part, now)),
            (self._books, lambda part: book_snapshot_store(snapshots=part)),
            (self._events, _store_events),
        )

    def _guarded(self, store: Callable, now: datetime) -> Callable[[Sequence], None]:
        def write(part: Sequence) -> None:
            try:
                store(part)
            except AWAY:
                raise
            except DatabaseError:
                with transaction.atomic():
                    for item in part:
                        self._store_alone(store, item, now)

        return write

    def _store_alone(self, store: Callable, item: object, now: datetime) -> None:
        try:
            with transaction.atomic():
                store([item])
        except AWAY:
            raise
        except DatabaseError as e:
            kind = type(item).__name__
            self.report("ROW_REFUSED", Severity.WARNING, f"the database refused a {kind}: {e}"[:500], at=now)

    def _store_segments(self, news: Sequence[SegmentNews]) -> None:
        for one in news:
            if isinstance(one, SegmentOpened):
                recording_open(path=one.path, source=one.source, started_at=one.started_at)
            else:
                recording_close(
                    path=one.path,
                    ended_at=one.ended_at,
                    frames=one.summary.frames,
                    size=one.summary.bytes,
                    sha256=one.summary.sha256,
                )

    def _store_lifecycle(self, frames: Sequence[LifecycleFrame], now: datetime) -> None:
        for frame in frames:
            try:
                market_lifecycle_apply(frame=frame, now=now)
            except MarketUnknown:
                if frame.event_type not in _OVER:
                    self._unknown.append(frame.ticker or frame.event_ticker or "")
            except BadNumber as e:
                self.report("ROW_REFUSED", Severity.WARNING, f"news of {frame.ticker}: {e}"[:500], at=now)
        self._has_news = True

    def _store_trades(self, trades: Sequence[SeenTrade], now: datetime) -> None:
        refused = public_trades_store(trades=trades)
        if refused:
            self._unknown.extend({t.trade.ticker for t in trades if t.trade.trade_id in refused})
            self.report(
                "TRADES_NOT_STORED",
                Severity.WARNING,
                f"{len(refused)} trades belong to no market of the catalogue; the recording has them",
                at=now,
                trade_ids=refused[:20],
            )

    def _tell_outage(self, now: datetime) -> None:
        if self._away_since is not None:
            message = f"the database was away since {self._away_since.isoformat()}: {self.problem}"
            self.report("DATABASE_AWAY", Severity.WARNING, message[:500], at=now)
        self.problem = self._away_since = None

    def _tell_dropped(self, now: datetime) -> None:
        if self.dropped > self._dropped_told:
            new, self._dropped_told = self.dropped - self._dropped_told, self.dropped
            self.report(
                "STORE_OVERFLOW",
                Severity.WARNING,
                f"{new} rows found no room while the database was away; the recording has their frames",
                at=now,
            )


@transaction.atomic
def _store_events(events: Sequence[EventDraft]) -> None:
    for event in events:
        system_event_record(
            code=event.code,
            severity=event.severity,
            source=SOURCE,
            message=event.message,
            details=event.details,
            now=event.at,
        )
