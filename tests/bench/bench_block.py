"""From a block to the last order that leaves the session, with the push over Redis and with the push lost (G1).

Run: python tests/bench/bench_block.py [--trips 100] [--markets 1000] [--rate 1000] [--sqlite] [--json FILE] [--check]
All processes real; the exchange simulator makes book events over all markets at the rate given and the session quotes
them all. A trip sets a stop of the account, by file and Redis or by file alone, while orders are flowing; taken is the
time from right before that to the last order or amend that was handed to the socket afterwards, on one monotonic
clock for both processes; 0 when none was. Then the stop is cleared and the orders come back. The guardian's ladder is
not part of it (bench_kill.py measures that): this bench only beats for it, so that the session may trade. K8 and K9
are set to let the floods through that a thousand markets make when they all come back at once. `--tier basic` leaves
orders waiting for tokens when the block comes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, judged, write  # noqa: E402
from tests.bench.stack import ACCOUNT, SESSION, Platform, Wanted, standing  # noqa: E402

PUSHED, LOST = "pushed", "push lost"
GOAL_MS = {PUSHED: 50.0, LOST: 250.0}
QUIET_S = 1.0
MANY = 10**9
LOOSE = {
    "K8": {"trip_unfilled": MANY, "floor_bps": 0},
    "K9": {"trip_orders": MANY, "trip_cancels": MANY, "trip_repeats": MANY},
}
FLOWING, FLOW_S, FLOW_LIMIT_S = 5, 0.5, 60.0


@dataclass(slots=True)
class Result:
    """Times in ms from the block to the last order that left; `orders` left after a block, all trips together."""

    way: str
    trips: int
    p50: float
    p99: float
    maximum: float
    orders: int
    late: int

    @property
    def is_met(self) -> bool:
        """The goal of a push is a p99, and both have a worst of 250 ms."""
        return self.maximum <= GOAL_MS[LOST] and (self.way == LOST or self.p99 <= GOAL_MS[PUSHED])

    def __str__(self) -> str:
        return (
            f"{self.way:10} {self.trips:4} trips   p50 {self.p50:6.1f}  p99 {self.p99:6.1f}  max {self.maximum:6.1f} ms"
            f"   {self.orders} orders left after a block, {self.late} later than 250 ms   "
            f"{'met' if self.is_met else 'MISSED'}"
        )


class Sent:
    """The times (monotonic ns) that the session writes down for its orders."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def since(self, at_ns: int) -> list[int]:
        """Times after a moment, oldest first; only the end of the file is read."""
        if not self._path.exists():
            return []
        size = self._path.stat().st_size
        start = max(0, size - 8 * 20_000) // 8 * 8
        with self._path.open("rb") as file:
            file.seek(start)
            data = file.read(size // 8 * 8 - start)
        return [at for (at,) in struct.iter_unpack("<q", data) if at > at_ns]

    def wait_for_flow(self, platform: Platform) -> None:
        """Until orders have been leaving for a while. Raises `SystemExit` when they do not."""
        deadline = time.monotonic() + FLOW_LIMIT_S
        while len(self.since(time.monotonic_ns() - int(FLOW_S * 1e9))) < FLOWING:
            if time.monotonic() > deadline or not platform.is_alive(SESSION):
                raise SystemExit(f"no orders flow: {platform.tail(SESSION)}")
            time.sleep(0.02)


def beat(stop: threading.Event) -> None:
    """The guardian's beat, without the guardian."""
    from apps.risk.guardian import heartbeat

    while not stop.wait(0.5):
        heartbeat.guardian_beat(time.time_ns() // 1_000_000)


def trip(way: str, sent: Sent) -> list[float]:
    """One block and its end: ms from the block to each order that left after it."""
    from django.utils import timezone

    from apps.risk.blocks import Block, block_clear, block_write, block_write_file

    at, begun = timezone.now(), time.monotonic_ns()
    if way == PUSHED:
        problem = block_write(scope="account", scope_id=ACCOUNT, reason="bench", by="bench", at=at)
        assert problem.is_complete, problem
    else:
        assert not block_write_file(Block("account", ACCOUNT, "bench", "bench", at, "", ""))
    time.sleep(QUIET_S)
    found = [(moment - begun) / 1e6 for moment in sent.since(begun)]
    block_clear(scope="account", scope_id=ACCOUNT)
    return found


def measure(platform: Platform, sent: Sent, way: str, trips: int, rng: Random) -> Result:
    lasts, orders, late = [], 0, 0
    for _ in range(trips):
        sent.wait_for_flow(platform)
        time.sleep(rng.uniform(0, 0.5))
        left = trip(way, sent)
        lasts.append(max(left, default=0.0))
        orders += len(left)
        late += sum(ms > GOAL_MS[LOST] for ms in left)
    ordered = sorted(lasts)
    p99 = ordered[max(0, -(-len(ordered) * 99 // 100) - 1)]
    return Result(way, trips, statistics.median(ordered), p99, ordered[-1], orders, late)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=100)
    parser.add_argument("--markets", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=1_000, help="book events per second over all markets")
    parser.add_argument("--tier", default="prestige")
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    results = []
    stop = threading.Event()
    wanted = Wanted(options.markets, options.rate, options.tier, not options.sqlite, thresholds=LOOSE)
    with standing(wanted) as platform:
        os.environ |= platform.environment
        import django

        django.setup()
        beating = threading.Thread(target=beat, args=(stop,), daemon=True)
        beating.start()
        samples, times = platform.folder / "samples.jsonl", platform.folder / "sent"
        platform.start_session(str(samples), "--every", "5", "--sent", str(times))
        sent, rng = Sent(times), Random(1)
        for way in (PUSHED, LOST):
            before = _frames(samples)
            results.append(measure(platform, sent, way, options.trips, rng))
            print(f"{results[-1]}   ({_rate(before, _frames(samples)):.0f} frames/s)", flush=True)
        stop.set()
        beating.join()
    if options.json:
        options.json.write_text(json.dumps([asdict(r) | {"is_met": r.is_met} for r in results], indent=1) + "\n")
    size = f"{options.markets} markets, {options.rate:.0f} events/s, {options.tier}"
    is_enough = options.trips >= 100 and options.markets >= 1_000
    figures = []
    for r in results:
        text, value = f"{r.way}: block to last order", f"{r.p50:.1f} / {r.p99:.1f} / {r.maximum:.1f} ms ({size})"
        figures.append(Figure("G1", f"{text}, p50 / p99 / max", value, judged(r.is_met, is_enough=is_enough), r.trips))
    write("block", figures)
    return 1 if options.check and not all(r.is_met for r in results) else 0


def _frames(samples: Path) -> tuple[float, int]:
    """When, and how many frames the session had handled by its newest line."""
    lines = samples.read_text().splitlines() if samples.exists() else []
    row = json.loads(lines[-1]) if lines else {"at": 0.0, "counters": {"frames": 0}}
    return row["at"], row["counters"]["frames"]


def _rate(before: tuple[float, int], after: tuple[float, int]) -> float:
    return (after[1] - before[1]) / (after[0] - before[0]) if after[0] > before[0] else 0.0


if __name__ == "__main__":
    sys.exit(main())
