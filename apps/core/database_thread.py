"""A thread that owns a database connection, so that an event loop never waits for the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection, connections

P = ParamSpec("P")
T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)
"""What a database that cannot be reached raises."""


class DatabaseThread:
    """Runs calls one after another on one thread; close it to give its connection back.

    A connection that broke is dropped, so that the next call opens a new one. `initializer` runs on the thread first.
    """

    def __init__(self, name: str, *, initializer: Callable[[], None] | None = None) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name, initializer=initializer)

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        run = partial(_run, partial(call, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def close(self) -> None:
        self._pool.submit(connections.close_all).result()
        self._pool.shutdown()


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except AWAY:
        if not connection.in_atomic_block:
            connection.close()
        raise
