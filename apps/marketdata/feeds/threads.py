"""Threads that own a database connection, so that an event loop never waits for the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import close_old_connections, connections

T = TypeVar("T")


class DatabaseThread:
    """Runs calls one after another on one thread; close it to give its connection back."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def __call__(self, call: Callable[..., T], **kwargs: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(self._run, call, kwargs))

    def _run(self, call: Callable[..., T], kwargs: dict[str, Any]) -> T:
        # What a request does for a web process: a connection that broke is replaced before it is used again.
        close_old_connections()
        return call(**kwargs)

    def close(self) -> None:
        self._pool.submit(connections.close_all).result()
        self._pool.shutdown()
