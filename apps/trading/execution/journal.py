"""The session's way to the database: one thread, in order, never blocking the trading loop.

An intent is committed before anything is sent, and a failure to commit means that nothing is sent. A fact (an
acknowledgement, a fill) has happened already, so it is kept and tried again until it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from django.db import connection

from apps.core.database_thread import AWAY, DatabaseThread

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

RETRY_MIN_S, RETRY_MAX_S = 0.1, 2.0
# Facts are not urgent, intents are: a short wait lets facts gather into one transaction, and a small one at that,
# because an intent may have to wait for it.
GATHER_S = 0.01
BATCH = 10


class DatabaseCalls(Protocol):
    """Runs calls that use the database, one after another, away from the event loop."""

    async def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Batch:
    """Facts of one kind; `is_taken` once it is being stored, after which it grows no more."""

    fn: Callable[[Sequence[Any]], Any]
    items: list[Any]
    is_taken: bool = False

    def __call__(self) -> Any:
        return self.fn(self.items)


class Journal:
    """`commit` tries once and raises; `post` queues a fact that is retried while the database is away."""

    def __init__(
        self,
        writer: DatabaseCalls | None = None,
        reader: DatabaseCalls | None = None,
        keeper: DatabaseCalls | None = None,
    ) -> None:
        # The lease must not wait behind a queue of intents: it is what lets them be sent.
        self._keeper: DatabaseCalls = keeper or writer or DatabaseThread("journal-lease")
        self._writer: DatabaseCalls = writer or DatabaseThread("journal", initializer=_leave_checkpoints)
        self._reader: DatabaseCalls = reader or DatabaseThread("journal-reader")
        self._facts: deque[Callable[[], Any] | _Batch] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.away_since: float | None = None
        self.last_error = ""

    @property
    def backlog(self) -> int:
        return len(self._facts)

    async def commit(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `fn` on the journal's thread; raises what it raises."""
        try:
            result: T = await self._writer(fn, *args, **kwargs)
        except AWAY as error:
            self._note_away(error)
            raise
        self.away_since = None
        return result

    async def keep(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `commit`, on the lease's own thread."""
        try:
            result: T = await self._keeper(fn, *args, **kwargs)
        except AWAY as error:
            self._note_away(error)
            raise
        return result

    async def checkpoint(self) -> None:
        """Moves SQLite's log into its file on the reader's thread, where waiting for the disk holds up nobody."""
        await self.read(_checkpoint)

    async def read(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a long read on a thread of its own, so that no intent waits behind it."""
        result: T = await self._reader(fn, *args, **kwargs)
        return result

    def post(self, fn: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
        """Queues a fact; facts are stored in the order in which they were posted."""
        self._facts.append(partial(fn, *args, **kwargs))
        self._idle.clear()
        self._wake.set()

    def collect(self, fn: Callable[[Sequence[Any]], Any], item: object) -> None:
        """As `post`, but facts of one kind that follow each other are stored together by `fn(items)`."""
        last = self._facts[-1] if self._facts else None
        if isinstance(last, _Batch) and last.fn is fn and not last.is_taken and len(last.items) < BATCH:
            last.items.append(item)
            return
        self._facts.append(_Batch(fn, [item]))
        self._idle.clear()
        self._wake.set()

    async def drain(self, timeout_s: float) -> bool:
        """Waits until every posted fact is stored; False when that took too long."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Stores posted facts until canceled. Anything but an absent database is a bug and ends the session."""
        delay = RETRY_MIN_S
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)
            while self._facts:
                fact = self._facts[0]
                if isinstance(fact, _Batch):
                    fact.is_taken = True
                try:
                    await self.commit(fact)
                except AWAY:
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, RETRY_MAX_S)
                    continue
                self._facts.popleft()
                delay = RETRY_MIN_S
            self._wake.clear()
            self._idle.set()

    def close(self) -> None:
        """Closes the threads; facts not stored by then are reported by `backlog`."""
        self._keeper.close()
        self._writer.close()
        self._reader.close()

    def _note_away(self, error: Exception) -> None:
        if self.away_since is None:
            self.away_since = asyncio.get_running_loop().time()
            log.warning("database away: %s", error)
        self.last_error = str(error).splitlines()[0] if str(error) else type(error).__name__


def _leave_checkpoints() -> None:
    """SQLite would else make every thousandth commit wait for the disk (measured: p99 8 ms against 1 ms)."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_autocheckpoint = 0")


def _checkpoint() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
