"""Puts a session together from the settings and runs it on an event loop of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from random import Random

import redis.asyncio
from django.conf import settings

from apps.core.processes import reporting
from apps.gateway.clock import SystemClock
from apps.marketdata.connection import kalshi_socket
from apps.trading.choices import SessionState
from apps.trading.models import Account
from apps.trading.venues import venue_open

from .session import Parts, open_session

STOP_POLL_S = 0.1
# Measured: freezing what start-up left and collecting less often takes the collector's pauses out of the p99.
GC_THRESHOLDS = (5_000, 20, 100)
# The journal's threads hand the interpreter back to the trading loop sooner than by default (5 ms).
SWITCH_INTERVAL_S = 0.0005


def run_session(*, account: Account, stopping: threading.Event) -> SessionState | None:
    """Runs until `stopping` is set or the session ends; None when another process holds the account's lease."""
    tune_process()
    return asyncio.run(_run(account, stopping))


def tune_process() -> None:
    """Interpreter settings of a process that trades."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


async def _run(account: Account, stopping: threading.Event) -> SessionState | None:
    clock, rng = SystemClock(), Random()
    venue, rest = venue_open(account, clock)
    screen = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        await rest.load_budget()
        parts = Parts(clock, rng, venue, kalshi_socket(clock=clock, rng=rng), screen)
        session = await open_session(account=account, holder=f"{socket.gethostname()}:{os.getpid()}", parts=parts)
        if session is None:
            return None
        stop = asyncio.Event()
        watch = asyncio.create_task(_watch(stopping, stop))
        try:
            with reporting(f"session of {account.name}", parameters=session.trader.desks.parameters):
                return await session.run(stop)
        finally:
            watch.cancel()
    finally:
        await screen.aclose()
        await rest.aclose()


async def _watch(stopping: threading.Event, stop: asyncio.Event) -> None:
    while not stopping.is_set():  # noqa: ASYNC110  Celery's signal can only set a threading.Event
        await asyncio.sleep(STOP_POLL_S)
    stop.set()
