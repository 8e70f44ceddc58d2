"""Keeps what the switches need of the database fresh, without ever making them wait for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from django.db import DatabaseError

from apps.engine.switches.base import Thresholds
from apps.engine.switches.catalogue import SWITCHES

from .context import SessionContext
from .switch_actions import Actions
from .switch_reads import Past, Present, read_past, read_present, read_states

log = logging.getLogger(__name__)

READ_EVERY_MS = 2_000
READ_WAIT_S = 0.2


class Lookup:
    """`present` is what was read last, None before; `past` waits to be taken once."""

    def __init__(self, context: SessionContext, actions: Actions) -> None:
        self._context = context
        self._actions = actions
        self._thresholds: dict[str, Thresholds] = {key: switch.thresholds for key, switch in SWITCHES.items()}
        self._task: asyncio.Task[None] | None = None
        self._started_ms: int | None = None
        self._is_past_read = False
        self.past: Past | None = None
        self.present: Present | None = None

    def thresholds(self, key: str) -> Any:
        """In force of one switch; the catalogue's until they were read."""
        return self._thresholds[key]

    def take_past(self) -> Past | None:
        """What was known before the session, the first time it is there."""
        past, self.past = self.past, None
        return past

    async def refresh(self) -> None:
        """Reads what is due. A slow database holds up nobody for longer than a fifth of a second."""
        if self._task is None and self._is_due():
            self._started_ms = self._context.clock.now_ms()
            self._task = asyncio.create_task(self._read())
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        task = self._task
        if task is not None:
            await asyncio.wait({task}, timeout=READ_WAIT_S)
            if task.done():
                self._task = None
                task.result()

    def _is_due(self) -> bool:
        """While a switch waits for people to resume, and until everything was read once, at every look."""
        if self.present is None or self._started_ms is None or self._actions.scopes():
            return True
        return self._context.clock.now_ms() - self._started_ms >= READ_EVERY_MS

    async def _read(self) -> None:
        context = self._context
        try:
            if not self._is_past_read:
                self.past = await context.journal.read(read_past, account=context.account)
                self._is_past_read = True
            present = await context.journal.read(
                read_present, account=context.account, session_pk=context.session.pk, tickers=list(context.desks),
                now=context.now(),
            )  # fmt: skip
            scopes = self._actions.scopes()
            states = await context.journal.read(read_states, scopes=scopes) if scopes else {}
        except DatabaseError as error:
            log.warning("switches could not read the database: %s", error)
            return
        self.present = present
        self._thresholds |= dict(present.thresholds)
        self._actions.see(states, context.clock.now_ms())
