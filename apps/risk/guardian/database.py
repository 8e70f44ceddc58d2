"""The database for processes that must go on without it: one thread of its own, short waits, no pile of hung calls."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import Error as DatabaseFailed
from django.db import connection, connections

T = TypeVar("T")

CONNECT_S, STATEMENT_S = 1, 3


class DatabaseAway(Exception):
    """The database did not answer, or not in time."""


def be_impatient() -> None:
    """For this whole process: connecting and waiting for locks end after a second, not after half a minute."""
    options: dict[str, Any] = connections["default"].settings_dict.setdefault("OPTIONS", {})
    if connection.vendor == "sqlite":
        options["timeout"] = CONNECT_S
    elif connection.vendor == "postgresql":
        options["connect_timeout"] = CONNECT_S
        options["tcp_user_timeout"] = STATEMENT_S * 1000
        options["options"] = f"-c statement_timeout={STATEMENT_S * 1000} -c lock_timeout={CONNECT_S * 1000}"


class DatabaseThread:
    """Runs calls one after the other. While one hangs, the next ones fail at once instead of queueing behind it."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hangs = False
        threading.Thread(target=self._work, name="guardian-database", daemon=True).start()

    async def run(self, function: Callable[..., T], *, wait_s: float = 2.0, **arguments: Any) -> T:
        """What `function(**arguments)` returns. Raises `DatabaseAway`, or what it raised that is not the database's."""
        if self._hangs:
            raise DatabaseAway("the database has not answered the call before")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        has_ended = threading.Event()

        def deliver(result: Any, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        def call() -> None:
            has_given_up = answer.done()
            result, error = (None, None) if has_given_up else _guarded(function, arguments)
            has_ended.set()
            self._hangs = False
            if has_given_up:
                return
            try:
                loop.call_soon_threadsafe(deliver, result, error)
            except RuntimeError:
                return  # the loop has closed: nobody waits any more

        self._calls.put(call)
        try:
            # Not `wait_for`: it loses a cancel that comes together with the answer, and the guardian would never end.
            async with asyncio.timeout(wait_s):
                return await answer
        except TimeoutError:
            self._hangs = True
            if has_ended.is_set():  # at the very last moment: nothing more would tell that the thread is free
                self._hangs = False
            raise DatabaseAway(f"the database did not answer within {wait_s} s") from None

    def close(self) -> None:
        """Lets the thread end after what it is doing."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
        connection.close()


def _guarded(function: Callable[..., T], arguments: dict[str, Any]) -> tuple[T | None, BaseException | None]:
    try:
        connection.close_if_unusable_or_obsolete()
        return function(**arguments), None
    except DatabaseFailed as error:
        connection.close()
        return None, DatabaseAway(f"{type(error).__name__}: {error}".strip())
    except Exception as error:  # noqa: BLE001  it is raised where the call was made
        return None, error
