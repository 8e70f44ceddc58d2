"""The guardian and the kill command as processes: what they open, and in which order they do without it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import SystemRandom

import redis.asyncio
from django.conf import settings

from apps.core.processes import reporting
from apps.gateway.clock import Clock, SystemClock
from apps.marketdata.exceptions import KeyNotConfigured
from apps.risk.blocks import Block, block_write_file, block_write_redis

from .asking import Timing
from .connection import connection_open
from .database import DatabaseThread, be_impatient
from .guardian import Guardian
from .report import LadderReport, Step
from .request import KillRequest
from .runner import Known, Runner

Say = Callable[[str], None]


class NotKilled(Exception):
    """The stop flag may stand, but no ladder could begin; says why."""


@asynccontextmanager
async def runner_open(clock: Clock, timing: Timing) -> AsyncIterator[Runner]:
    """Everything a ladder needs, closed at the end. Raises `KeyNotConfigured`; needs neither database nor Redis."""
    be_impatient()
    rng = SystemRandom()
    connection = connection_open(clock, rng)
    screen = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    database = DatabaseThread()
    try:
        yield Runner(connection, clock, rng, database, screen, Known.load(connection), timing)
    finally:
        database.close()
        await screen.aclose()
        await connection.aclose()


async def guard(say: Say) -> None:
    """The guardian until SIGTERM or SIGINT."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with runner_open(SystemClock(), Timing()) as runner:
        say(f"guardian watches {settings.KALSHI_ENVIRONMENT}")
        with reporting("guardian"):
            await Guardian(runner).run(stop)


async def kill(request: KillRequest, *, limit_s: float, say: Say) -> LadderReport:
    """Blocks by file, begins the ladder at once, and tells Redis and the database beside it.

    Raises `NotKilled` when there is no key to reach the exchange with.
    """
    block = Block(
        request.scope, request.scope_id, request.reason, request.by, request.at, request.request_id, request.source
    )
    problem = block_write_file(block)
    say(f"stop flag in the file: {problem or 'written'}")
    in_redis = asyncio.create_task(_flag_redis(block, say))
    clock = SystemClock()

    def show(step: Step) -> None:
        say(f"{step.at_ms - begun_ms:6d} ms  {step.text}")

    begun_ms = clock.now_ms()
    try:
        async with runner_open(clock, Timing(limit_s=limit_s)) as runner:
            report, telling = await runner.run(request, also=show)
    except KeyNotConfigured as error:
        raise NotKilled(f"the exchange cannot be reached: {error}") from error
    finally:
        await in_redis
    recorded = (
        "recorded in the database" if telling.is_recorded else "the database is away: a guardian records it later"
    )
    say(recorded)
    return report


async def _flag_redis(block: Block, say: Say) -> None:
    problem = await asyncio.to_thread(block_write_redis, block)
    say(f"stop flag in Redis: {problem or 'written'}")
