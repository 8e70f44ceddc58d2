"""Tells everybody how far a ladder has come: file, page, database. None of them can hold the ladder up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from apps.core import live
from apps.gateway.clock import Clock
from apps.risk.choices import KillOutcome

from . import records
from .database import DatabaseAway, DatabaseThread
from .report import LadderReport, Step, iso
from .request import KillRequest, kill_file_write

RETRY_S = 0.25
LAST_WORD_S = 3.0
SCREEN_S = 1.0
_AWAY = (OSError, redis.RedisError, DatabaseAway, TimeoutError)


def topic(run: int | str) -> str:
    """Where the page finds the progress of a run, by its key or by its request id."""
    return f"kill.{run}"


class Telling:
    """Takes steps as `Progress` does and writes what is known so far to each listener, as fast as that one can.

    What the database did not take stays in the file, marked as not recorded, for a guardian to write later.
    """

    def __init__(
        self,
        request: KillRequest,
        *,
        clock: Clock,
        database: DatabaseThread,
        screen: redis.asyncio.Redis | None,
        also: Callable[[Step], None] | None = None,
    ) -> None:
        self.request = request
        self.fields: dict[str, Any] = {"outcome": KillOutcome.RUNNING.value}
        self.run: int | None = None
        self._clock, self._database, self._screen, self._also = clock, database, screen, also
        self._steps: list[Step] = []
        self._is_over = False
        self.is_recorded = False
        self._followers = [self._follow(self._write_file), self._follow(self._write_database)]
        if screen is not None:
            self._followers.append(self._follow(self._write_screen))

    def __call__(self, step: Step) -> None:
        last = self._steps[-1] if self._steps else None
        if last is not None and step.name == last.name == "look" and step.detail == last.detail:
            self._steps.pop()
        self._steps.append(step)
        self._note(step)
        if self._also is not None:
            self._also(step)
        self._changed()

    async def close(self, report: LadderReport) -> None:
        """The end of the run: waits a little for everybody to hear of it."""
        outcome = KillOutcome.PROVED_ZERO if report.is_zero else KillOutcome.BLOCKED_ONLY
        self.fields |= {
            "resting_before": report.resting_before,
            "canceled": report.canceled,
            "groups_total": report.groups_total,
            "groups_triggered": report.groups_triggered,
            "positions_left": report.positions_json(),
            "report": report.text(),
            "detail": "; ".join(dict.fromkeys(report.problems)),
            "outcome": outcome.value,
        }
        self._is_over = True
        self._changed()
        await asyncio.wait([follower.task for follower in self._followers], timeout=LAST_WORD_S)
        for follower in self._followers:
            follower.task.cancel()
        if self._screen is not None:
            with contextlib.suppress(*_AWAY):  # once more under the run's key, which the page may have learned last
                await self._write_screen()
        self._save(is_durable=True)

    def _note(self, step: Step) -> None:
        """The steps that are a time of the run's own."""
        at = iso(step.at_ms)
        if step.name == "begun":
            self.fields["cancel_sent_at"] = at
        elif step.name == "triggered":
            self.fields |= {"triggered_at": at, "groups_total": step.detail["groups"]}
            self.fields["groups_triggered"] = step.detail["triggered"]
        elif step.name == "proved_zero":
            self.fields["proved_zero_at"] = at
        elif step.name == "reopened":
            self.fields["proved_zero_at"] = None
        self.fields["steps"] = [known.as_json() for known in self._steps]

    def _changed(self) -> None:
        for follower in self._followers:
            follower.changed.set()

    def _follow(self, write: Callable[[], Awaitable[None]]) -> _Follower:
        changed = asyncio.Event()

        async def follow() -> None:
            while True:
                await changed.wait()
                changed.clear()
                is_last = self._is_over
                try:
                    await write()
                except _AWAY:
                    changed.set()
                    await asyncio.sleep(RETRY_S)
                    continue
                if is_last:
                    return

        return _Follower(asyncio.create_task(follow()), changed)

    async def _write_file(self) -> None:
        self._save(is_durable=False)

    def _save(self, *, is_durable: bool) -> None:
        state: dict[str, Any] = {"request": self.request.as_json(), "is_recorded": self.is_recorded}
        state["fields" if self._is_over else "fields_so_far"] = self.fields
        kill_file_write(state, is_durable=is_durable)

    async def _write_database(self) -> None:
        is_last, fields = self._is_over, dict(self.fields)
        self.run = await self._database.run(
            records.progress_write, request=self.request, fields=fields, now=records.moment(self._clock.now_ms())
        )
        self.is_recorded = is_last

    async def _write_screen(self) -> None:
        assert self._screen is not None
        payload = {"id": self.run, "request": self.request.as_json()} | self.fields
        names = [self.request.request_id] if self.run is None else [self.request.request_id, str(self.run)]
        async with asyncio.timeout(SCREEN_S):
            for name in names:
                await live.apublish(self._screen, {topic(name): payload}, nudge=topic(name))


class _Follower:
    def __init__(self, task: asyncio.Task[None], changed: asyncio.Event) -> None:
        self.task, self.changed = task, changed
