"""Clocks and keys for the gateway's tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.gateway.kalshi.limits import basic_budget
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer
from tests.gateway.server import BASE, Connect, Server, Step


class FakeClock:
    """Moves only when told to; `sleep` moves it and remembers the pause."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.pauses: list[float] = []

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signer(clock: FakeClock, private_key: Ed25519PrivateKey) -> Signer:
    return Signer("key-of-alice", private_key, clock)


@pytest.fixture
def connect(clock: FakeClock, signer: Signer) -> Connect:
    """A client of the lowest tier over a scripted server."""

    def make(*steps: Step) -> tuple[KalshiRest, Server]:
        server = Server(*steps)
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
        budget = basic_budget(clock, sleep=clock.sleep)
        rest = KalshiRest(BASE, signer, budget, clock, client=client, rng=Random(1), sleep=clock.sleep)
        return rest, server

    return make


Sleep = Callable[[float], Awaitable[None]]
