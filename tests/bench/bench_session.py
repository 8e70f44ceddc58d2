"""Frame in to signed order on the wire, on the exchange simulator, with 1 and with 1,000 markets.

Run: python tests/bench/bench_session.py [--runs 5] [--seconds 12] [--markets 1 1000] [--rate 200]
What is timed is our own code: from the arrival of the frame (decoded) over book, decision, limits, the committed
intent and the gate to the signed request handed to the connection. The network and the exchange are not in it. The
simulator, a private Redis and the session run as they do in production, on SQLite or on DATABASE_URL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, write  # noqa: E402

GOAL_US = 12_000


def write_key_pair(private: Path, public: Path) -> None:
    """RSA-2048, the exchange's usual kind and the slower one to sign with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))


def percentile(values: list[int], share: float) -> float:
    return float(statistics.quantiles(values, n=1000)[round(share * 1000) - 1])


@contextlib.contextmanager
def exchange(run_dir: Path, markets: int, rate: float, tier: str = "prestige") -> Iterator[None]:
    """The simulator in a process of its own, with a key made for this run."""
    from deploy.launcher.network import LOOPBACK, accepts, free_port

    write_key_pair(run_dir / "exchange_key.pem", run_dir / "exchange_key.pub.pem")
    port = free_port(8899)
    os.environ |= {
        "KALSHI_API_URL": f"http://{LOOPBACK}:{port}/trade-api/v2",
        "KALSHI_WS_URL": f"ws://{LOOPBACK}:{port}/trade-api/ws/v2",
        "KALSHI_KEY_ID": "bench",
        "KALSHI_PRIVATE_KEY_FILE": str(run_dir / "exchange_key.pem"),
        "KALSHI_ENVIRONMENT": "simulated",
    }
    command = [sys.executable, str(ROOT / "manage.py"), "run_exchange", "--port", str(port), "--tier", tier]
    command += ["--key-id", "bench", "--public-key", str(run_dir / "exchange_key.pub.pem"), "--cash", "10000000"]
    command += ["--markets", str(markets), "--rate", str(rate), "--seed", "7"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    try:
        while not accepts(port):
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(10)


async def measure(markets: int, seconds: float) -> tuple[list[int], int, float]:
    """(microseconds per order, frames handled, CPU share of this process)."""
    import httpx2
    from django.conf import settings

    from apps.gateway.clock import SystemClock
    from apps.gateway.kalshi.limits import basic_budget
    from apps.gateway.kalshi.rest import KalshiRest
    from apps.gateway.kalshi.venue import KalshiVenue
    from apps.marketdata.connection import kalshi_signer, kalshi_socket
    from apps.trading.execution.session import Parts, open_session
    from tests.bench.bench_setup import guardian_stands_in, prepare

    clock = SystemClock()
    begun: dict[str, tuple[float, int]] = {}
    taken: list[int] = []

    class Wire(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.method == "POST":
                for order in _client_order_ids(request):
                    if order in begun:
                        at, before_us = begun.pop(order)
                        taken.append(before_us + int((time.monotonic() - at) * 1e6))
            return await super().handle_async_request(request)

    class Timed(KalshiVenue):
        async def submit(self, intent: Any) -> Any:
            self.begin([intent])
            return await super().submit(intent)

        async def submit_many(self, intents: Any) -> Any:
            self.begin(intents)
            return await super().submit_many(intents)

        def begin(self, intents: Any) -> None:
            desk = session.context.desks[intents[0].ticker]
            if desk.frame_s is not None and session.context.frame_to_send_us:
                for intent in intents:
                    begun[intent.client_order_id] = (time.monotonic(), session.context.frame_to_send_us[-1])

    client = httpx2.AsyncClient(transport=Wire(), timeout=10, trust_env=False)
    rest = KalshiRest(settings.KALSHI_API_URL, kalshi_signer(clock), basic_budget(clock), clock, client=client)
    await rest.load_budget()
    account = await prepare(rest, markets)
    guardian = asyncio.create_task(guardian_stands_in())
    parts = Parts(clock, Random(1), Timed(rest), kalshi_socket(clock=clock), None)
    session = await open_session(account=account, holder="bench", parts=parts)
    assert session is not None
    stop = asyncio.Event()
    task = asyncio.create_task(session.run(stop))
    await settled(session.context, markets)
    taken.clear()
    frames, cpu = session.context.counters.frames, time.process_time()
    await asyncio.sleep(seconds)
    result = list(taken), session.context.counters.frames - frames, (time.process_time() - cpu) / seconds
    stop.set()
    await task
    guardian.cancel()
    return result


async def settled(context: Any, markets: int) -> None:
    """Until every market has its book and the first wave of orders is out: what is timed is the steady state."""
    while len(context.books.tickers) < markets:  # noqa: ASYNC110  nothing signals this
        await asyncio.sleep(0.2)
    await asyncio.sleep(3 + markets / 100)


def _client_order_ids(request: Any) -> list[str]:
    import msgspec

    body = msgspec.json.decode(request.content)
    return [str(order.get("client_order_id", "")) for order in body.get("orders", [body])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--markets", type=int, nargs="+", default=[1, 1000])
    parser.add_argument("--rate", type=float, default=200, help="book events per second over all markets")
    options = parser.parse_args()
    figures = []
    for markets in options.markets:
        rows = []
        for _ in range(options.runs):
            out = subprocess.run(
                [sys.executable, __file__, "--one", str(markets), str(options.seconds), str(options.rate)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if out.returncode:
                raise SystemExit(out.stderr[-3000:])
            rows.append([float(x) for x in out.stdout.split()[-5:]])
        p50, p99, orders, frames, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{markets:5} markets: frame to signed order p50 {p50:6.0f} us  p99 {p99:6.0f} us   "
            f"({orders:.0f} orders, {frames:.0f} frames/s, {cpu:.0%} of a core; medians of {options.runs} runs)"
        )
        text = f"frame to signed order, {markets} markets, p50 / p99"
        figures.append(Figure("G22", text, f"{p50 / 1e3:.1f} / {p99 / 1e3:.1f} ms", p99 <= GOAL_US, int(orders)))
    write("session", figures)


def one(markets: int, seconds: float, rate: float) -> None:
    """One run in a process of its own; prints p50, p99, orders, frames per second, CPU share."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder)
        os.environ |= {"KALSHIOPS_RUN_DIR": folder, "DJANGO_SETTINGS_MODULE": "kalshiops.settings"}
        os.environ.setdefault("LOG_LEVEL", "ERROR")
        with exchange(run_dir, markets, rate):
            import django

            django.setup()
            from django.core.management import call_command

            from apps.trading.execution.launch import tune_process

            call_command("migrate", verbosity=0)
            tune_process()
            taken, frames, cpu = asyncio.run(measure(markets, seconds))
        print(percentile(taken, 0.5), percentile(taken, 0.99), len(taken), frames / seconds, cpu)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
