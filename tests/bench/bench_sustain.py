"""Frames per second that one session sustains with 1,000 markets, and its memory over time.

Run: python tests/bench/bench_sustain.py [--rates 500 1000 2000 4000] [--seconds 15] [--markets 1000] [--runs 5]
     python tests/bench/bench_sustain.py --minutes 10 --rates 500        (memory)
The exchange simulator makes seeded book events at each rate; the session decides on all of them, quotes within the
tokens of the exchange's free tier (Advanced), stores decisions and orders, and publishes its screens' state nowhere.
Falling behind shows in the age of frames when they are handled (the exchange's time stamp against ours): it grows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.bench_session import exchange, percentile, settled  # noqa: E402
from tests.bench.figures import Figure, write  # noqa: E402


def resident_mb() -> float:
    """This process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measure(markets: int, seconds: float) -> list[float]:
    """[frames per second, age p50 ms, age p99 ms, CPU share, MB at the start, MB at the end]"""
    from django.conf import settings

    from apps.gateway.clock import SystemClock
    from apps.gateway.kalshi.limits import basic_budget
    from apps.gateway.kalshi.rest import KalshiRest
    from apps.gateway.kalshi.venue import KalshiVenue
    from apps.marketdata.connection import kalshi_signer, kalshi_socket
    from apps.trading.execution.session import Parts, open_session
    from tests.bench.bench_setup import guardian_stands_in, prepare

    clock = SystemClock()
    rest = KalshiRest(settings.KALSHI_API_URL, kalshi_signer(clock), basic_budget(clock), clock)
    await rest.load_budget()
    account = await prepare(rest, markets)
    guardian = asyncio.create_task(guardian_stands_in())
    parts = Parts(clock, Random(1), KalshiVenue(rest), kalshi_socket(clock=clock), None)
    session = await open_session(account=account, holder="bench", parts=parts)
    assert session is not None
    stop = asyncio.Event()
    task = asyncio.create_task(session.run(stop))
    await settled(session.context, markets)
    ages = array("i")
    handle = session.trader.feed.on_frame

    def aged(frame: Any) -> None:
        if (sent := getattr(frame, "ts_ms", None)) is not None:
            ages.append(clock.now_ms() - sent)
        handle(frame)

    session.trader.feed.on_frame = aged  # type: ignore[method-assign]
    frames, cpu, memory = session.context.counters.frames, time.process_time(), resident_mb()
    await asyncio.sleep(seconds)
    handled = (session.context.counters.frames - frames) / seconds
    used = (time.process_time() - cpu) / seconds
    memory_after = resident_mb()
    result = [handled, percentile(list(ages), 0.5), percentile(list(ages), 0.99), used, memory, memory_after]
    stop.set()
    await task
    guardian.cancel()
    await rest.aclose()
    return result


def one(markets: int, seconds: float, rate: float) -> None:
    """One run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"KALSHIOPS_RUN_DIR": folder, "DJANGO_SETTINGS_MODULE": "kalshiops.settings"}
        os.environ.setdefault("LOG_LEVEL", "ERROR")
        with exchange(Path(folder), markets, rate, "advanced"):
            import django

            django.setup()
            from django.core.management import call_command

            from apps.trading.execution.launch import tune_process

            call_command("migrate", verbosity=0)
            tune_process()
            print(*asyncio.run(measure(markets, seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--minutes", type=float, help="one long run instead, for memory")
    parser.add_argument("--markets", type=int, default=1000)
    parser.add_argument("--rates", type=float, nargs="+", default=[500, 1000, 2000, 4000])
    options = parser.parse_args()
    seconds, runs = (options.minutes * 60, 1) if options.minutes else (options.seconds, options.runs)
    figures = []
    for rate in options.rates:
        rows = []
        for _ in range(runs):
            command = [sys.executable, __file__, "--one", str(options.markets), str(seconds), str(rate)]
            out = subprocess.run(command, capture_output=True, text=True, check=False)
            if out.returncode:
                raise SystemExit(out.stderr[-3000:])
            rows.append([float(x) for x in out.stdout.split()[-6:]])
        handled, p50, p99, cpu, before, after = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{options.markets} markets, {rate:6.0f} events/s: {handled:6.0f} frames/s handled, age p50 {p50:4.0f} "
            f"p99 {p99:5.0f} ms, {cpu:.0%} of a core, memory {before:.0f} -> {after:.0f} MB "
            f"({seconds:.0f} s, medians of {runs})",
            flush=True,
        )
        text, value = f"age of frames at {rate:.0f} events/s", f"{handled:.0f} frames/s, p50 {p50:.0f} p99 {p99:.0f} ms"
        figures.append(Figure("G13", text, value, None, int(handled * seconds)))
    write("sustain", figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
