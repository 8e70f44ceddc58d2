"""One SQLite database in memory per process, put back to the same state before every episode."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper

ALIAS = "default"
_OPTIONS: dict[str, Any] = {"transaction_mode": "IMMEDIATE"}


class MemoryDatabase:
    """Stands in for the configured database while it is `installed`."""

    def __init__(self) -> None:
        settings = {**connections.settings[ALIAS]}
        settings |= {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": _OPTIONS}
        self._wrapper = DatabaseWrapper(settings, ALIAS)
        self._image = b""

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = connections[ALIAS]
        connections[ALIAS] = self._wrapper
        try:
            yield
        finally:
            connections[ALIAS] = before

    def build(self, fill: Callable[[], None]) -> None:
        """Migrates, lets `fill` add what every episode starts from, and remembers the result."""
        with self.installed():
            call_command("migrate", verbosity=0)
            fill()
            self._image = self._wrapper.connection.serialize()

    def load(self, image: bytes) -> None:
        """Takes over what another process has built."""
        self._image = image

    @property
    def image(self) -> bytes:
        return self._image

    def restore(self) -> None:
        """Back to what `build` left; cheap."""
        self._wrapper.ensure_connection()
        self._wrapper.connection.deserialize(self._image)


def outside_loop(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Runs a call that uses the database on the loop's own thread, as if no loop ran there.

    Django refuses the database inside a running loop because it would hold the loop up; here time stands still
    meanwhile.
    """
    loop = events._get_running_loop()
    events._set_running_loop(None)
    try:
        return call(*args, **kwargs)
    finally:
        events._set_running_loop(loop)


class InlineDatabase:
    """What `DatabaseThread` is to a real session: calls one after another, with the waits of a real database.

    `plan(name)` draws how a call fares: seconds before it takes effect, seconds until its answer, and the error
    to raise before or after the effect, if any.
    """

    def __init__(self, name: str, plan: Callable[[str, str], CallFate]) -> None:
        self._name = name
        self._plan = plan
        self._turn = asyncio.Lock()

    async def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # A thread finishes what it has begun, whether or not the caller still waits.
        work = asyncio.get_running_loop().create_task(self._run(call, args, kwargs))
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(work)

    async def _run(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        async with self._turn:
            fate = self._plan(self._name, getattr(call, "__name__", "facts"))
            await asyncio.sleep(fate.before_s)
            if fate.error_before is not None:
                raise fate.error_before
            result = outside_loop(call, *args, **kwargs)
            if fate.after_s:
                await asyncio.sleep(fate.after_s)
            if fate.error_after is not None:
                raise fate.error_after
            return result

    def close(self) -> None:
        """There is no thread to end."""


class CallFate:
    """How one database call fares."""

    __slots__ = ("after_s", "before_s", "error_after", "error_before")

    def __init__(
        self,
        before_s: float = 0.0,
        after_s: float = 0.0,
        error_before: Exception | None = None,
        error_after: Exception | None = None,
    ) -> None:
        self.before_s = before_s
        self.after_s = after_s
        self.error_before = error_before
        self.error_after = error_after
