"""An event loop on virtual time, and processes on it that can be frozen or killed between any two steps.

Nothing sleeps: when nothing is ready, time jumps to the next timer. No file descriptor is ever watched. Given the
same calls it runs the same steps in the same order.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Deadlock(Exception):
    """Every task waits for another and no timer is set: nothing would ever happen again."""


class Process:
    """What would be one operating-system process: all tasks, callbacks and timers begun inside it.

    A killed one runs no further step, not even a `finally`; a frozen one keeps its steps until it thaws.
    `on_death` callbacks are what the operating system does then, such as closing sockets.
    """

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_frozen = False
        self.steps = 0
        self.kill_at_step: int | None = None
        self.on_death: list[Callable[[], None]] = []
        self._loop = loop
        self._held: list[asyncio.Handle] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs a coroutine as part of this process."""
        return self._loop.create_task(work, context=self._context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Keeps a task alive until `bury`, so that no collector closes it early."""
        if len(self._tasks) > 200:
            self._tasks = [t for t in self._tasks if not t.done()]
        self._tasks.append(task)

    def hold(self, handle: asyncio.Handle) -> None:
        self._held.append(handle)

    def kill(self) -> None:
        if self.is_dead:
            return
        self.is_dead = True
        for told in self.on_death:
            told()

    def freeze(self) -> None:
        self.is_frozen = True

    def thaw(self) -> None:
        self.is_frozen = False
        self._loop.put_back(self._held)
        self._held = []

    def bury(self) -> list[asyncio.Task[Any]]:
        """After the episode: lets what is left of the process be canceled in an orderly way; returns its tasks."""
        self.is_dead = False
        self.kill_at_step = None
        self.thaw()
        left = [task for task in self._tasks if not task.done()]
        for task in left:
            task.cancel()
        self._tasks = []
        return left


class VirtualLoop(asyncio.BaseEventLoop):
    """Stands on the scheduling parts of asyncio's own base loop; only waiting is replaced."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.steps = 0
        self.set_task_factory(_make_task)

    def time(self) -> float:
        return self._now

    def put_back(self, handles: list[asyncio.Handle]) -> None:
        self._ready.extend(handles)

    def _process_events(self, event_list: Any) -> None:
        """There are none: nothing comes from outside."""

    def _write_to_self(self) -> None:
        """Nobody waits in a system call, so nobody must be woken."""

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        if not ready:
            self._jump(timers)
        while timers and timers[0]._when <= self._now:  # type: ignore[attr-defined]
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                self._step(handle)

    def _jump(self, timers: list[asyncio.TimerHandle]) -> None:
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
        if not timers:
            raise Deadlock(f"nothing is left to happen at {self._now:.6f} s")
        self._now = max(self._now, timers[0].when())

    def _step(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is not None:
            if process.is_dead or process.is_frozen:
                process.hold(handle)
                return
            process.steps += 1
            if process.kill_at_step is not None and process.steps >= process.kill_at_step:
                process.kill()
                process.hold(handle)
                return
        self.steps += 1
        handle._run()


def _make_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.adopt(task)
    return task
