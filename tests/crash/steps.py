"""Where a session can die: every write to the exchange and every transaction, named by the calls themselves.

A step is `<call>:<moment>#<n>`, the n-th time it is reached. Moments: before and after a write, on the wire (the
request has left us and the exchange has not answered), before and after a transaction, and after each statement
inside one that writes.
"""

from __future__ import annotations

import inspect
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from django.db import connection

from apps.trading.execution.journal import Journal

P = ParamSpec("P")
T = TypeVar("T")

BEFORE, AFTER, ON_THE_WIRE = "before", "after", "on the wire"
# Everything else that a venue can be awaited for counts as a write, also what it learns to do later.
READS = frozenset(
    {
        "open_orders", "orders", "order_by_client_id", "fills", "positions", "settlements", "balance", "groups",
        "queue_positions", "exchange_status",
    }
)  # fmt: skip
WRITING = ("INSERT", "UPDATE", "DELETE")
# Transactions that come again and again and carry no order: the first of each path stands for the others.
ROUTINE = frozenset(
    f"db.{name}" for name in ("renew_lease", "_store", "decisions_store", "insert_rows", "system_event_record")
)
INTENTS = frozenset({"db.orders_commit"})


class Steps:
    """Notes each step in `log`; at `die_at` the process kills itself, as `kill -9` would.

    On the wire it is the exchange that kills us, once it has our request in its hands: it finds the wish in
    `kill_file`.
    """

    def __init__(self, log: Path, kill_file: Path, die_at: str | None) -> None:
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._kill_file = kill_file
        self._die_at = die_at
        self._reached: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        with self._lock:
            self._reached[name] += 1
            step = f"{name}#{self._reached[name]}"
            os.write(self._file, step.encode() + b"\n")
        if step == self._die_at:
            if name.endswith(ON_THE_WIRE):
                self._kill_file.write_text(str(os.getpid()))
            else:
                die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # the signal may find another thread first


class CrashVenue:
    """A venue whose writes are steps; everything else is the venue's own."""

    def __init__(self, venue: Any, steps: Steps) -> None:
        self._venue = venue
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._venue, name)
        if name in READS or not inspect.iscoroutinefunction(found):
            return found
        return partial(self._write, name, found)

    async def _write(self, name: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._steps.reach(f"venue.{name}:{BEFORE}")
        self._steps.reach(f"venue.{name}:{ON_THE_WIRE}")
        try:
            return await call(*args, **kwargs)
        finally:
            # An error is an answer too: what it says must not be lost with the process that heard it.
            self._steps.reach(f"venue.{name}:{AFTER}")


class CrashJournal(Journal):
    """A journal whose transactions are steps, the statements inside them too."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def commit(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        name = f"db.{kind_of(fn)}"
        self._steps.reach(f"{name}:{BEFORE}")
        result = await super().commit(partial(self._watched, name, fn), *args, **kwargs)
        self._steps.reach(f"{name}:{AFTER}")
        return result

    def _watched(self, name: str, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        def statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            result = execute(sql, params, many, context)
            words = sql.split(None, 3)
            if words and words[0] in WRITING:
                table = words[1 if words[0] == "UPDATE" else 2]
                self._steps.reach(f"{name}:{words[0]} {table.strip(chr(34))}")
            return result

        with connection.execute_wrapper(statement):
            return fn(*args, **kwargs)


def kind_of(fn: Any) -> str:
    """The service behind a call, whether it comes plain, bound to arguments or as a batch of facts."""
    while True:
        inner = getattr(fn, "func", None) or getattr(fn, "fn", None)
        if inner is None:
            return str(getattr(fn, "__name__", type(fn).__name__))
        fn = inner


def wanted(log: Path, most: int, *, with_start: bool) -> list[str]:
    """The steps of a run worth dying at: at most so many of each name.

    Of transactions only those that write, of routine ones and inside of any only the first. Without `with_start` those
    before the first intent are left out.
    """
    steps = [line.rpartition("#") for line in log.read_text().splitlines()]
    calls = {name: name.rpartition(":") for name, _, _ in steps}
    writing = {call for call, _, moment in calls.values() if moment.startswith(WRITING)}
    found, is_start = [], not with_start
    for name, _, number in steps:
        call, _, moment = calls[name]
        is_start = is_start and call not in INTENTS
        if is_start or not (call.startswith("venue.") or call in writing):
            continue
        if int(number) <= (1 if call in ROUTINE or moment.startswith(WRITING) else most):
            found.append(f"{name}#{number}")
    return found
