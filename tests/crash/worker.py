"""The process that trades in a run: production's own entry, with steps around its venue and its journal.

So that a run takes a second and not half a minute, waits are shortened here and nowhere else: how often the session
polls, reconciles and looks again, how long it takes the exchange's reads to lag (they do not lag here) and how old an
order must be before it counts as never accepted. Leases are made longer, so that a machine busy with many runs does
not lose them; that of a killed session is let run out by hand, as if its five seconds had passed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
import logging
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connections
from django.utils import timezone

from apps.core import leases
from apps.core.models import Lease
from apps.trading.choices import SessionState
from apps.trading.execution import launch, session
from apps.trading.models import Account

from .market import DONE
from .steps import CrashJournal, CrashVenue, Steps

LEASE_S = 60.0
CHANGED: dict[str, float] = {
    "POLL_S": 0.05, "RELOAD_S": 0.2, "TIMER_S": 0.02, "RECONCILE_S": 0.15, "SCREEN_S": 5.0, "STOP_PAUSE_S": 0.05,
    "STOP_POLL_S": 0.01, "LEASE_SECONDS": LEASE_S, "READ_LAG_MS": 60, "UNKNOWN_AFTER_MS": 300,
    "DISOWNED_AFTER_MS": 300, "PATIENCE_MS": 50, "REJECTION_PAUSE_MS": 50,
}  # fmt: skip
TIMES = "times.json"
SAFE_STATES = (SessionState.RUNNING, SessionState.PAUSED, SessionState.STOPPING)


@dataclasses.dataclass(frozen=True)
class Order:
    """What a worker is told. `begun` is when its process was started (monotonic), `name` marks its files."""

    folder: Path
    name: str
    die_at: str | None
    kill_file: Path
    shortened: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def steps(self) -> Path:
        return self.folder / f"{self.name}.steps"


def shorten(values: Mapping[str, float]) -> None:
    """Sets the constants in every module of the session that has them under that name, and the leases' length."""
    for function in (leases.lease_acquire, leases.lease_renew):
        function.__kwdefaults__["seconds"] = LEASE_S
    for name, module in list(sys.modules.items()):
        if name.startswith("apps.trading.execution"):
            for constant, value in values.items():
                if hasattr(module, constant):
                    setattr(module, constant, value)


def trade(order: Order, begun: float) -> None:
    """One session, from start to the script's end; writes how long it took to a safe state."""
    logging.disable(logging.NOTSET)
    shorten(CHANGED | dict(order.shortened))
    steps = Steps(order.steps, order.kill_file, order.die_at)
    stopping = threading.Event()
    times: dict[str, Any] = {}
    original = session.open_session

    async def opened(*, account: Account, holder: str, parts: Any, **more: Any) -> Any:
        journal = CrashJournal(steps)
        if "journal" in inspect.signature(original).parameters:
            more["journal"] = journal
        else:
            session.Journal = lambda: journal  # type: ignore[misc,assignment]
        parts = dataclasses.replace(parts, venue=CrashVenue(parts.venue, steps))
        made = await original(account=account, holder=holder, parts=parts, **more)
        if made is not None:
            made.watching = asyncio.create_task(watch(made.context, order, begun, stopping, times))
        return made

    launch.open_session = opened  # type: ignore[assignment]
    Lease.objects.update(expires_at=timezone.now())
    account = Account.objects.get()
    connections.close_all()
    state = launch.run_session(account=account, stopping=stopping)
    times["ended"] = str(state)
    times["total_s"] = time.monotonic() - begun
    (order.folder / f"{order.name}.{TIMES}").write_text(json.dumps(times))


async def watch(context: Any, order: Order, begun: float, stopping: threading.Event, times: dict[str, Any]) -> None:
    """Notes when the session is safe, and stops it once it is and the script has come to its end."""
    while context.state not in SAFE_STATES or "start" in context.gate.blocks:  # noqa: ASYNC110  nothing signals this
        await asyncio.sleep(0.002)
    times["safe_s"] = time.monotonic() - begun
    done = order.folder / DONE
    while not done.exists():  # noqa: ASYNC110  another process makes the file
        await asyncio.sleep(0.01)
    stopping.set()
