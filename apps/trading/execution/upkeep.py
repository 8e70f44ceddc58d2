"""Keeps the lease, and asks the database all the time whether trading is allowed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import redis
import redis.asyncio
from django.db import DatabaseError

from apps.core.leases import LEASE_SECONDS, LeaseLost
from apps.engine.limits import TradingState
from apps.gateway.errors import GatewayError
from apps.risk.guardian import heartbeat
from apps.trading.choices import SessionState

from .context import SessionContext
from .polls import poll_state, renew_lease

log = logging.getLogger(__name__)


class Upkeep:
    """`stop_requested` is set when somebody asked the session to stop.

    `on_halt(reason)` is called at every look while trading is halted, `on_resume()` at the first when it no longer is.
    """

    def __init__(
        self,
        context: SessionContext,
        *,
        on_change: Callable[[], None],
        on_halt: Callable[[str], None],
        on_resume: Callable[[], Awaitable[None]],
        redis_client: redis.asyncio.Redis | None = None,
    ) -> None:
        self._context = context
        self._redis = redis_client
        self.stop_requested = asyncio.Event()
        self._on_change = on_change
        self._on_halt = on_halt
        self._on_resume = on_resume
        # At the start groups may still stand triggered from a kill or a death before.
        self._wants_resume = True

    async def renew(self) -> None:
        """Keeps the lease. While the database is away it is not renewed, and the gate shuts by itself."""
        context, asked_at = self._context, self._context.clock.monotonic()
        try:
            await context.journal.keep(renew_lease, context=context)
        except LeaseLost:
            context.gate.block("lease", "another session holds the lease")
            raise
        except DatabaseError:
            return
        context.gate.lease_renewed(asked_at, LEASE_SECONDS)

    async def beat(self, *, is_stopped: bool = False) -> None:
        """Tells the guardian that this session lives, and looks whether the guardian lives: only it can stop us."""
        context = self._context
        now_ms = context.clock.now_ms()
        try:
            resting = len(context.blotter.open_orders())
            heartbeat.beat(context.account.name, now_ms, is_stopped=is_stopped, resting=resting)
        except OSError as error:
            log.warning("heartbeat not written: %s", error)
        await self._beat_redis(now_ms, is_stopped=is_stopped)
        context.guardian_age_ms = await self._guardian_age_ms(now_ms)
        if context.guardian_age_ms is None or context.guardian_age_ms > heartbeat.GUARDIAN_MAX_AGE_MS:
            context.gate.block("guardian", "no guardian is running: manage.py run_guardian")
        else:
            context.gate.unblock("guardian")

    async def _beat_redis(self, now_ms: int, *, is_stopped: bool) -> None:
        """The same for a guardian on another host, which sees no file of ours."""
        if self._redis is None:
            return
        try:
            await heartbeat.beat_redis(self._redis, self._context.account.name, now_ms, is_stopped=is_stopped)
        except (redis.RedisError, OSError) as error:
            log.info("heartbeat not sent to Redis: %s", error)

    async def _guardian_age_ms(self, now_ms: int) -> int | None:
        """By file, else by Redis for a guardian on another host."""
        age_ms = heartbeat.guardian_age_ms(now_ms)
        if self._redis is None or (age_ms is not None and age_ms <= heartbeat.GUARDIAN_MAX_AGE_MS):
            return age_ms
        try:
            return await heartbeat.guardian_age_redis_ms(self._redis, now_ms)
        except (redis.RedisError, OSError):
            return age_ms

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
        was = context.gate.state, context.stops
        context.gate.refresh(state=poll.state, reason=poll.reason)
        if poll.stop_requested:
            self.stop_requested.set()
        context.stops = poll.narrower
        if (poll.state, poll.narrower) != was:
            self._on_change()
        if poll.state is TradingState.HALTED:
            self._on_halt(poll.reason)
            self._wants_resume = True
        elif self._wants_resume:
            await self._resume()
        self._show_state()

    async def _resume(self) -> None:
        try:
            await self._on_resume()
        except (GatewayError, DatabaseError) as error:
            log.warning("order groups not reset, tried again: %s", error)
        else:
            self._wants_resume = False

    def _show_state(self) -> None:
        context = self._context
        if context.state in (SessionState.RUNNING, SessionState.PAUSED):
            closed = context.gate.closed_because()
            context.state = SessionState.RUNNING if closed is None else SessionState.PAUSED
            context.reason = closed or ""
