"""The process-wide wish to stop, which long-lived sessions look at, and how they end their tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

CANCEL_AGAIN_S = 1.0

stopping = threading.Event()


async def tasks_end(tasks: Iterable[asyncio.Task[Any]]) -> list[Any]:
    """Cancels until every task has ended; their results or errors, in order.

    One cancel can get lost: in Python 3.11 `asyncio.wait_for`, which the Redis client uses too, swallows it when what
    it waits for is done at that very moment. A loop that goes on then would be waited for until it is killed.
    """
    known = list(tasks)
    pending = set(known)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
    return await asyncio.gather(*known, return_exceptions=True)
