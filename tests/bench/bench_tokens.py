"""What a token costs from the shared account, and that several processes together never take more than it grants.

Run: python tests/bench/bench_tokens.py [--takes 5000] [--processes 4] [--seconds 5]. Starts a Redis of its own. The
first table is one process alone; the second is processes that take as fast as they can, against capacity less the
reserve plus refill x time; the third is two clients that spend all the account grants at the exchange simulator.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apps.gateway.clock import SystemClock  # noqa: E402
from apps.gateway.errors import BudgetExhausted, OrderNotFound, RateLimited  # noqa: E402
from apps.gateway.kalshi.limits import BASIC_READ, BASIC_WRITE, DEFAULT_COSTS  # noqa: E402
from apps.gateway.kalshi.rest import KalshiRest  # noqa: E402
from apps.gateway.kalshi.signing import Signer, load_private_key  # noqa: E402
from apps.gateway.shared_budget import SharedBudget, open_redis  # noqa: E402
from apps.gateway.throttle import Budget, Limit  # noqa: E402
from deploy.launcher import redis_server  # noqa: E402
from deploy.launcher.network import LOOPBACK, free_port, redis_answers  # noqa: E402
from tests.bench.figures import Figure, write  # noqa: E402
from tests.gateway.hammer import hammer, together  # noqa: E402
from tests.simulation.server import KEY_ID, served  # noqa: E402

NAME = "bench"
PLENTY = Limit(10**9, 10**9)
ACCOUNT = Limit(600, 300)
RESERVE = 100


@contextmanager
def private_redis() -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(redis_server.command(port, Path(folder)), stdout=subprocess.DEVNULL)
        try:
            while not redis_answers(port):
                time.sleep(0.05)
            yield f"redis://{LOOPBACK}:{port}/0"
        finally:
            server.terminate()
            server.wait()


async def latencies(budget: Budget, takes: int) -> list[float]:
    found: list[float] = []
    for _ in range(takes):
        start = time.perf_counter()
        await budget.acquire(10, write=True, priority=True)
        found.append((time.perf_counter() - start) * 1e3)
    return sorted(found)


async def measure(url: str, takes: int) -> None:
    clock = SystemClock()
    shared = SharedBudget(open_redis(url), "latency", PLENTY, PLENTY, clock)
    await latencies(shared, 200)
    budgets: dict[str, Budget] = {"local": Budget(PLENTY, PLENTY, clock), "shared": shared}
    print(f"{takes} takes          p50 ms   p99 ms   max ms")
    for name, budget in budgets.items():
        ms = await latencies(budget, takes)
        print(f"{name:20} {statistics.median(ms):8.4f} {ms[int(takes * 0.99)]:8.4f} {ms[-1]:8.4f}")
    print(f"lost Redis: {shared.fallbacks} times")
    await shared.aclose()


async def grant(url: str) -> None:
    """The account's limits, and a full bucket as after a quiet while."""
    budget = SharedBudget(open_redis(url), NAME, ACCOUNT, ACCOUNT, SystemClock())
    await budget.set_limits(ACCOUNT, ACCOUNT)
    await budget.aclose()
    await asyncio.sleep((ACCOUNT.capacity - RESERVE) / ACCOUNT.refill_per_s + 0.1)


def storm(url: str, processes: int, seconds: float) -> bool:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        haul = together(pool.starmap(hammer, [(url, NAME, seconds)] * processes))
    passed = haul.end - haul.start
    most = ACCOUNT.capacity - RESERVE + ACCOUNT.refill_per_s * passed
    print(f"{processes} processes for {passed:.2f} s: taken {haul.taken} of at most {most:.0f}")
    print(f"fewest tokens ever left: {haul.lowest:.1f}, of which {RESERVE} are the reserve")
    return haul.taken <= most and haul.lowest >= RESERVE


async def soak(url: str, seconds: float) -> bool:
    """Two clients of one account ask the simulator for as much as the account grants; it must never answer 429."""
    tokens = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        async with served(Path(folder), rate=0.0) as exchange:
            signer = Signer(KEY_ID, load_private_key(exchange.key_path.read_bytes()), SystemClock())
            rests = [client_of(exchange.base_url, signer, url) for _ in range(2)]
            limits = await rests[0].load_budget()
            until = time.monotonic() + seconds
            await asyncio.gather(*(ask(rest, until, tokens) for rest in rests for _ in range(8)))
            refused = sum(rest.rate_limited for rest in rests)
            for rest in rests:
                await rest.aclose()
    print(f"simulator, {limits.write.refill_rate} write tokens/s: {dict(tokens)} in {seconds:.0f} s, 429s: {refused}")
    return refused == 0


def client_of(base_url: str, signer: Signer, url: str) -> KalshiRest:
    clock = SystemClock()
    budget = SharedBudget(open_redis(url), "soak", BASIC_READ, BASIC_WRITE, clock, costs=DEFAULT_COSTS)
    return KalshiRest(base_url, signer, budget, clock)


async def ask(rest: KalshiRest, until: float, tokens: Counter[str]) -> None:
    while time.monotonic() < until:
        try:
            await rest.cancel_order(f"none-{len(tokens)}", "NONE")
        except (OrderNotFound, BudgetExhausted, RateLimited) as error:
            tokens[type(error).__name__] += 1
        try:
            await rest.create_order_group(10)
            tokens["groups"] += 1
        except (BudgetExhausted, RateLimited) as error:
            tokens[type(error).__name__] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with private_redis() as url:
        asyncio.run(measure(url, options.takes))
        asyncio.run(grant(url))
        if not storm(url, options.processes, options.seconds):
            raise SystemExit("more was taken than the account grants")
        if not asyncio.run(soak(url, options.seconds)):
            raise SystemExit("the exchange refused what the account granted")
    value = f"{options.processes} processes within the grant, reserve kept, 0 429s in {options.seconds:.0f} s"
    write("tokens", [Figure("G19", "processes that share the account", value, True, options.processes)])


if __name__ == "__main__":
    main()
