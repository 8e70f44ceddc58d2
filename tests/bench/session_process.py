"""A trading session as production runs it, in a process that writes down what it sees of itself. For benches.

Run by tests/bench/stack.py: session_process.py SAMPLES.jsonl [--every SECONDS] [--sent FILE]. A line of samples holds
memory, journal backlog, feed age, counters and why the gate was shut since the line before; `--sent` gets 8 bytes for
every order or amend that left, its monotonic time in ns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

LOOK_S = 0.1
SLACK = 0.001
ORDER_PATHS = ("/orders", "/orders/batched", "/amend")


class Takes:
    """Watches every token trading takes: `spare` is the least that was ever left above the reserve, by bucket."""

    def __init__(self, budget: Any) -> None:
        self.spare: dict[str, float] = {}
        self.count = 0
        self._budget, self._take = budget, budget._take
        budget._take = self._noted

    async def _noted(self, name: str, cost: float, priority: bool) -> float:
        from apps.gateway.throttle import reserve_of

        wait_s: float = await self._take(name, cost, priority)
        if wait_s <= 0 and not priority:
            budget = self._budget
            if budget.is_shared:
                left, reserve = budget.left(name), reserve_of(budget.limit(write=name != "read").capacity)
            else:
                left, reserve = budget.bucket(name).tokens, budget.bucket(name).reserve
            self.count += 1
            self.spare[name] = min(self.spare.get(name, float("inf")), left - reserve + SLACK)
        return wait_s


class Calls:
    """Counts requests by method and path."""

    def __init__(self, rest: Any) -> None:
        self.by_path: dict[str, int] = {}
        self._call, rest.call = rest.call, self._counted

    async def _counted(self, kind: Any, call: Any) -> Any:
        name = f"{call.method} {call.template}"
        self.by_path[name] = self.by_path.get(name, 0) + 1
        return await self._call(kind, call)


class Probe:
    """Looks at a session ten times a second; `line()` is what there is to say since the last one."""

    def __init__(self, session: Any, rest: Any) -> None:
        self._session, self._rest = session, rest
        self._takes, self._calls = Takes(rest.budget), Calls(rest)
        self._closed: dict[str, int] = {}
        self._oldest_feed_ms = 0
        self._most_backlog = 0

    def look(self) -> None:
        context = self._session.context
        for key in context.gate.blocks:
            self._closed[key] = self._closed.get(key, 0) + 1
        if not context.gate.blocks and (why := context.gate.closed_because()) is not None:
            self._closed[why.partition(":")[0]] = self._closed.get(why.partition(":")[0], 0) + 1
        if context.feed_age_ms is not None:
            self._oldest_feed_ms = max(self._oldest_feed_ms, context.feed_age_ms)
        self._most_backlog = max(self._most_backlog, context.journal.backlog)

    def line(self) -> dict[str, Any]:
        context = self._session.context
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found = {
            "at": time.monotonic(),
            "state": context.state.value,
            "resident_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            "backlog": self._most_backlog,
            "feed_age_ms": self._oldest_feed_ms,
            "closed": self._closed,
            "blocks": dict(context.gate.blocks),
            "rate_limited": self._rest.rate_limited,
            "lost_token_account": self._rest.budget.fallbacks,
            "takes": self._takes.count,
            "calls": dict(self._calls.by_path),
            "spare_tokens": self._takes.spare,
            "open_orders": len(context.blotter.open_orders()),
            "stale_books": sum(not _is_quotable(context, ticker) for ticker in context.desks),
            "drift": context.cash_drift,
            "counters": context.counters.as_json(),
        }
        self._closed, self._oldest_feed_ms, self._most_backlog = {}, 0, 0
        return found


def _is_quotable(context: Any, ticker: str) -> bool:
    book = context.books.book(ticker)
    return book is not None and book.is_quotable


async def watch(probe: Probe, path: Path, every_s: float) -> None:
    is_told, next_s = False, time.monotonic()
    with path.open("a") as file:
        while True:
            probe.look()
            if not is_told and probe._session.context.state in ("running", "paused"):
                is_told = True
                print("session runs", flush=True)
            if is_told and time.monotonic() >= next_s:
                next_s = time.monotonic() + every_s
                file.write(json.dumps(probe.line()) + "\n")
                file.flush()
            await asyncio.sleep(LOOK_S)


def note_sent(file: BinaryIO) -> None:
    """From now on, the time of every order request is taken when its last step before the socket begins."""
    import httpx2

    send = httpx2.AsyncHTTPTransport.handle_async_request

    async def noted(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST" and request.url.path.endswith(ORDER_PATHS):
            file.write(struct.pack("<q", time.monotonic_ns()))
            file.flush()
        return await send(self, request)

    httpx2.AsyncHTTPTransport.handle_async_request = noted  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--sent", type=Path)
    options = parser.parse_args()
    import django

    django.setup()
    from apps.core.shutdown import stopping
    from apps.trading.execution import launch
    from apps.trading.models import Account

    opened, venue_opened = launch.open_session, launch.venue_open
    rests: list[Any] = []
    watches: list[asyncio.Task[None]] = []

    def with_rest(*args: Any, **kwargs: Any) -> Any:
        found = venue_opened(*args, **kwargs)
        rests.append(found[1])
        return found

    async def with_probe(**given: Any) -> Any:
        session = await opened(**given)
        if session is not None:
            watches.append(asyncio.create_task(watch(Probe(session, rests[-1]), options.samples, options.every)))
        return session

    launch.open_session, launch.venue_open = with_probe, with_rest  # type: ignore[assignment]
    if options.sent is not None:
        note_sent(options.sent.open("ab"))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with suppress(asyncio.CancelledError):
        print("session ended:", launch.run_session(account=Account.objects.get(), stopping=stopping), flush=True)


if __name__ == "__main__":
    main()
