"""Keeps the lease, and asks the database all the time whether trading is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django.db import DatabaseError

from apps.core.leases import LEASE_SECONDS, LeaseLost
from apps.engine.limits import TradingState
from apps.trading.choices import SessionState

from .context import SessionContext
from .polls import poll_state, renew_lease


class Upkeep:
    """`stop_requested` is set when somebody asked the session to stop; `on_halt(reason)` is called while halted."""

    def __init__(
        self, context: SessionContext, *, on_change: Callable[[], None], on_halt: Callable[[str], None]
    ) -> None:
        self._context = context
        self.stop_requested = asyncio.Event()
        self._on_change = on_change
        self._on_halt = on_halt

    async def renew(self) -> None:
        """Keeps the lease. While the database is away it is not renewed, and the gate shuts by itself."""
        context, asked_at = self._context, self._context.clock.monotonic()
        try:
            await context.journal.commit(renew_lease, context=context)
        except LeaseLost:
            context.gate.block("lease", "another session holds the lease")
            raise
        except DatabaseError:
            return
        context.gate.lease_renewed(asked_at, LEASE_SECONDS)

    async def poll(self) -> None:
        """Reads the trading state; a halt takes every order off."""
        context = self._context
        try:
            poll = await context.journal.read(poll_state, context=context)
        except DatabaseError as error:
            context.gate.block("database", f"database away: {error}")
            self._show_state()
            return
        if context.journal.away_since is None:
            context.gate.unblock("database")
        else:
            context.gate.block("database", f"database away: {context.journal.last_error}")
        was = context.gate.state
        context.gate.refresh(state=poll.state, reason=poll.reason)
        if poll.stop_requested:
            self.stop_requested.set()
        if poll.state is not was:
            self._on_change()
        if poll.state is TradingState.HALTED:
            self._on_halt(poll.reason)
        self._show_state()

    def _show_state(self) -> None:
        context = self._context
        if context.state in (SessionState.RUNNING, SessionState.PAUSED):
            closed = context.gate.closed_because()
            context.state = SessionState.RUNNING if closed is None else SessionState.PAUSED
            context.reason = closed or ""
