"""The kill ladder on the exchange simulator: how long until the last acknowledgement, and until zero is proved.

Run: python tests/bench/bench_kill.py [--runs 60] [--cases basic_full faults_5 …] [--json FILE] [--check]
1,000 orders rest in 10 order groups. The simulator is a process of its own with a log-normal round trip; the ladder is
the guardian's, over its own connection, which is open and knows the groups, as it is in a running guardian. `--check`
exits 1 when a p95 misses its goal. Between runs the groups are reset and the orders placed anew, which is not timed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, judged, write  # noqa: E402

ORDERS, GROUPS, MARKETS = 1_000, 10, 10
MOST_ACK_MS = 500
ENOUGH_RUNS = 30


@dataclass(frozen=True, slots=True)
class Case:
    """Goals are p95 in ms; None where RELIABILITY sets none."""

    name: str
    text: str
    tier: str = "basic"
    trip_ms: float = 50.0
    fault_rate: float = 0.0
    is_empty: bool = False
    ack_goal_ms: int | None = None
    zero_goal_ms: int | None = None


CASES = (
    Case("basic_full", "Basic, full bucket", ack_goal_ms=150, zero_goal_ms=250),
    Case("basic_empty", "Basic, empty bucket", is_empty=True, zero_goal_ms=1_500),
    Case("advanced_empty", "Advanced, empty bucket", tier="advanced", is_empty=True),
    Case("faults_5", "Basic, 5 % faults", fault_rate=0.05, zero_goal_ms=500),
    Case("faults_30", "Basic, 30 % faults", fault_rate=0.30, zero_goal_ms=1_500),
    Case("trip_660", "Basic, 660 ms round trip", trip_ms=660.0, zero_goal_ms=2_500),
)


@dataclass(slots=True)
class Figures:
    """p50, p95 and maximum in ms."""

    p50: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, values: list[int]) -> Figures:
        ordered = sorted(values)
        rank = max(0, -(-len(ordered) * 95 // 100) - 1)
        return cls(statistics.median(ordered), ordered[rank], ordered[-1])

    def text(self) -> str:
        return f"{self.p50:6.0f} / {self.p95:6.0f} / {self.maximum:6.0f}"


@dataclass(slots=True)
class Result:
    case: Case
    runs: int
    last_ack: Figures
    proved_zero: Figures

    @property
    def is_met(self) -> bool:
        ack, zero = self.case.ack_goal_ms, self.case.zero_goal_ms
        return (ack is None or self.last_ack.p95 <= ack) and (zero is None or self.proved_zero.p95 <= zero)

    def text(self) -> str:
        goal = f"goal p95 {self.case.ack_goal_ms or '-'} / {self.case.zero_goal_ms or '-'}"
        return (
            f"{self.case.text:26} {self.runs:4} runs   last ack {self.last_ack.text()}   "
            f"proved zero {self.proved_zero.text()}   {goal:24} {'met' if self.is_met else 'MISSED'}"
        )


def figures(results: list[Result]) -> list[Figure]:
    found = []
    for r in results:
        goal, ack, zero = r.case.zero_goal_ms, r.last_ack, r.proved_zero
        if r.case.ack_goal_ms is not None:
            is_good = ack.p95 <= r.case.ack_goal_ms and ack.maximum <= MOST_ACK_MS
            is_met = judged(is_good, is_enough=r.runs >= ENOUGH_RUNS)
            found.append(Figure("G2", "last acknowledgement, p50 / p95 / max", f"{ack.text()} ms", is_met, r.runs))
        is_met = None if goal is None else judged(zero.p95 <= goal, is_enough=r.runs >= ENOUGH_RUNS)
        found.append(Figure("G3", f"{r.case.text}, p50 / p95 / max", f"{zero.text()} ms", is_met, r.runs))
    return found


async def measure(stand: Any, case: Case, runs: int, sigma: float) -> Result:
    from apps.gateway.clock import SystemClock
    from apps.risk.guardian.connection import connection_open
    from tests.risk.guardian.stand import open_groups

    connection = connection_open(SystemClock(), Random(1))
    acks, zeros = [], []
    try:
        groups = [group.group_id for group in await connection.venue.groups()]
        groups = groups or await open_groups(connection.venue, GROUPS)
        for run in range(runs):
            report = await one(stand, connection, case, groups, run, sigma)
            acks.append(report.last_ack_ms - report.begun_ms)
            zeros.append(report.proved_ms - report.begun_ms)
    finally:
        await connection.aclose()
    return Result(case, runs, Figures.of(acks), Figures.of(zeros))


async def one(stand: Any, connection: Any, case: Case, groups: list[str], run: int, sigma: float) -> Any:
    """One ladder. Raises `RuntimeError` when the simulator still holds an order afterwards."""
    from apps.gateway.clock import SystemClock
    from apps.risk.guardian.asking import Timing, Tokens
    from apps.risk.guardian.guardian import WARM_CONNECTIONS
    from apps.risk.guardian.ladder import run_ladder
    from apps.risk.guardian.reach import everything
    from tests.risk.guardian.stand import KEY_ID, rest_orders

    venue = connection.venue
    for group in groups:
        await venue.reset_group(group)
    tickers = await asyncio.to_thread(stand.tickers)
    await rest_orders(venue, tickers, groups, ORDERS, run=f"{case.name}-{os.getpid()}-{run}")
    if len(await venue.open_orders()) != ORDERS:
        raise RuntimeError("the book is not what the case needs")
    await asyncio.gather(*(venue.exchange_status() for _ in range(WARM_CONNECTIONS)))
    await asyncio.to_thread(stand.control, "tier", key=KEY_ID, tier=case.tier)
    await asyncio.to_thread(stand.control, "latency", ms=case.trip_ms, sigma=sigma, seed=run)
    if case.fault_rate:
        await asyncio.to_thread(stand.control, "faults", rate=case.fault_rate, profile="thirds", seed=run)
    if case.is_empty:
        await asyncio.to_thread(stand.control, "drain", key=KEY_ID)
    tokens = Tokens.basic()
    if case.tier == "advanced":
        tokens.write.refill_per_s, tokens.write.capacity = 300.0, 300.0
    report = await run_ladder(
        venue, everything("bench"), clock=SystemClock(), rng=Random(run), tokens=tokens, known_groups=groups,
        timing=Timing(confirm_s=0.0),
    )  # fmt: skip
    await asyncio.to_thread(stand.control, "faults", rate=0)
    await asyncio.to_thread(stand.control, "latency", ms=0)
    account = await asyncio.to_thread(stand.control, "tier", key=KEY_ID, tier="prestige")
    if not report.is_zero or account["resting"] or account["triggered_groups"] != len(groups):
        raise RuntimeError(f"{case.name}, run {run}: {report.text()} {account}")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], default=[c.name for c in CASES])
    parser.add_argument("--sigma", type=float, default=0.3, help="of the log-normal round trip (default %(default)s)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {"KALSHIOPS_RUN_DIR": name, "DJANGO_SETTINGS_MODULE": "kalshiops.settings", "LOG_LEVEL": "ERROR"}
        from tests.risk.guardian.stand import standing

        with standing(Path(name), markets=MARKETS) as stand:
            os.environ |= stand.environment()
            import django

            django.setup()
            print(
                f"{ORDERS} orders in {GROUPS} groups; ms p50 / p95 / max; log-normal round trip, sigma {options.sigma}"
            )
            for case in CASES:
                if case.name in options.cases:
                    results.append(asyncio.run(measure(stand, case, options.runs, options.sigma)))
                    print(results[-1].text(), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) | {"is_met": result.is_met} for result in results]))
    write("kill", figures(results))
    return 1 if options.check and not all(result.is_met for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
