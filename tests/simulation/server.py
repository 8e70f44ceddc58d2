"""The simulator behind a real port, for clients that insist on one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apps.simulation.exchange.app import App, asgi_app
from apps.simulation.exchange.clock import SystemClock
from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import create_exchange
from apps.simulation.exchange.history import seed_history
from apps.simulation.exchange.runner import Runner
from apps.simulation.exchange.synthetic import SyntheticFlow

KEY_ID = "conformance"


@dataclass
class Served:
    """Where it listens and the key to it."""

    app: App
    port: int
    key_path: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/trade-api/v2"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/trade-api/ws/v2"


def make_key(folder: Path) -> tuple[Path, rsa.RSAPublicKey]:
    """A private key file, PKCS#8 as both outside clients want it, and its public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = folder / "key.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path, key.public_key()


@asynccontextmanager
async def served(
    folder: Path, *, rate: float = 400.0, markets: int = 6, with_controls: bool = False
) -> AsyncIterator[Served]:
    """A running simulator with synthetic markets and an account with a past."""
    key_path, public_key = make_key(folder)
    config = ExchangeConfig(credentials=(Credential(KEY_ID, public_key),))
    exchange = create_exchange(config, SystemClock(), random.Random(5))
    app = asgi_app(exchange, with_controls=with_controls)
    runner = Runner(app, [], SyntheticFlow(exchange.state, markets, rate, seed=5))
    seed_history(exchange)
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(runner.serve("127.0.0.1", 0, listening.set_result, stop))
    try:
        yield Served(app, await listening, key_path)
    finally:
        stop.set()
        await task
