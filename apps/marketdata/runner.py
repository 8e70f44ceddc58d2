"""Starts the market-data session with the clients, clock and bounds of the settings."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from pathlib import Path

from django.conf import settings

from apps.gateway.clock import SystemClock
from apps.gateway.kalshi.messages import Decoder

from .connection import kalshi_rest, kalshi_signer, kalshi_socket
from .feeds.catalogue import CatalogueScope
from .session import Clients, MarketDataSession, SessionConfig


def session_config() -> SessionConfig:
    return SessionConfig(
        recordings_dir=Path(settings.RECORDINGS_DIR),
        source=settings.KALSHI_WS_URL,
        holder=f"{socket.gethostname()}:{os.getpid()}",
        scope=CatalogueScope.from_settings(),
    )


def run_market_data(stop: threading.Event) -> str:
    """Blocks until `stop` is set or the lease is lost; returns why it ended. Raises `KeyNotConfigured`."""
    kalshi_signer()
    clock, decoder = SystemClock(), Decoder(use_yes_price=True)
    clients = Clients(
        make_socket=lambda: kalshi_socket(clock=clock, decoder=decoder), make_rest=lambda: kalshi_rest(clock=clock)
    )

    async def run() -> str:
        return await MarketDataSession(config=session_config(), clients=clients, clock=clock).run(stop)

    # What exists by now lives as long as the process; without this each full collection walks all of it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    return asyncio.run(run())
