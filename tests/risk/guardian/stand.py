"""An exchange simulator in a process of its own with a book of resting orders, for benches and tests of processes."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apps.engine.ports import Venue
from apps.engine.types import OrderIntent, Side
from apps.gateway.errors import RateLimited
from deploy.launcher.network import LOOPBACK, accepts, free_port

ROOT = Path(__file__).resolve().parents[3]
KEY_ID = "guarded"
CREATES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the simulator listens, and the key to it."""

    port: int
    folder: Path

    def environment(self, key: str = KEY_ID) -> dict[str, str]:
        """For a process that trades on the account of that key."""
        return {
            "KALSHI_ENVIRONMENT": "simulated",
            "KALSHI_API_URL": f"http://{LOOPBACK}:{self.port}/trade-api/v2",
            "KALSHI_WS_URL": f"ws://{LOOPBACK}:{self.port}/trade-api/ws/v2",
            "KALSHI_KEY_ID": key,
            "KALSHI_PRIVATE_KEY_FILE": str(self.folder / "key.pem"),
        }

    def control(self, do: str, **fields: Any) -> dict[str, Any]:
        """One command to the simulator; the stats of the first account."""
        answer = self._fetch("/sim/control", json.dumps({"do": do} | fields).encode())
        account: dict[str, Any] = answer["keys"][KEY_ID]
        return account

    def stats(self, key: str = KEY_ID) -> dict[str, Any]:
        account: dict[str, Any] = self._fetch("/sim/stats", None)["keys"][key]
        return account

    def tickers(self) -> list[str]:
        answer = self._fetch("/trade-api/v2/markets?limit=1000", None)
        return sorted(market["ticker"] for market in answer["markets"])

    def _fetch(self, path: str, body: bytes | None) -> dict[str, Any]:
        line = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            line.request("GET" if body is None else "POST", path, body)
            answer: dict[str, Any] = json.loads(line.getresponse().read())
        finally:
            line.close()
        return answer


@contextmanager
def standing(
    folder: Path, *, keys: Sequence[str] = (KEY_ID,), markets: int = 10, tier: str = "prestige"
) -> Iterator[Stand]:
    """The simulator, with an account for each key, runs inside and has ended outside."""
    write_key(folder)
    port = free_port()
    command = [
        sys.executable, str(ROOT / "manage.py"), "run_exchange", "--port", str(port), "--tier", tier,
        "--burst-seconds", "1", "--cash", "10000000", "--markets", str(markets), "--rate", "1", "--seed", "5",
        "--control", *(part for key in keys for part in ("--key-id", key, "--public-key", str(folder / "key.pub.pem"))),
    ]  # fmt: skip
    environment = os.environ | {"KALSHIOPS_RUN_DIR": str(folder), "LOG_LEVEL": "ERROR"}
    environment["DJANGO_SETTINGS_MODULE"] = "kalshiops.settings"
    with (folder / "exchange.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        while not accepts(port):
            if process.poll() is not None:
                raise RuntimeError((folder / "exchange.log").read_text())
            time.sleep(0.05)
        yield Stand(port, folder)
    finally:
        process.terminate()
        process.wait(10)


def write_key(folder: Path) -> None:
    """RSA-2048, the exchange's usual kind."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pub.pem").write_bytes(public)


async def open_groups(venue: Venue, count: int) -> list[str]:
    return [await venue.create_group(1_000_000) for _ in range(count)]


async def rest_orders(
    venue: Venue, tickers: Sequence[str], groups: Sequence[str], count: int, *, run: str = "0"
) -> None:
    """So many bids at one cent, spread evenly over markets and groups. Raises what the exchange refused."""
    intents = [
        OrderIntent(
            f"{run}-{i}",
            tickers[i % len(tickers)],
            Side.BID,
            100,
            100,
            order_group_id=groups[i % len(groups)] if groups else None,
        )
        for i in range(count)
    ]
    while intents:
        batch, intents = intents[:CREATES_AT_ONCE], intents[CREATES_AT_ONCE:]
        answers = await venue.submit_many(batch)
        # A thousand creates cost more than any bucket holds at once.
        late = [intent for intent, answer in zip(batch, answers, strict=True) if isinstance(answer, RateLimited)]
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, RateLimited):
                raise answer
        intents += late
        await asyncio.sleep(0.1 if late else 0.0)
