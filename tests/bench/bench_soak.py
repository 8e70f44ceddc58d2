"""A soak: one session at twice the highest recorded message rate, on PostgreSQL, all processes real (G13, G19).

Run: python tests/bench/bench_soak.py [--minutes 15] [--markets 1000] [--sqlite] [--json FILE] [--check]
The exchange simulator makes book events so that at least twice the frames per second arrive that the recordings show
over their busiest ten seconds. Guardian, Redis and the shared token account are as deployed. Every ten seconds a line
is printed; at the end the verdict: growth of the session's memory from minute 3 on (medians of a minute each), 429s
counted by the exchange and by the session, tokens trading took out of the reserve, flags of a stale feed or book, and
whether everything tied out after the stop. `--check` exits 1 unless all of it is as it should be.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, judged, write  # noqa: E402
from tests.bench.peak import recorded_peaks  # noqa: E402
from tests.bench.stack import EXCHANGE, GUARDIAN, SESSION, Platform, Wanted, standing  # noqa: E402

EVERY_S = 10.0
SETTLE_MINUTES = 3.0
ASKED_MINUTES = 15.0
GROWTH_GOAL = 0.05
# The simulator sends two frames or a little less for a book event: the delta, and the ticker when the best moved.
FRAMES_PER_EVENT = 1.7
STALE_WORDS = ("feed", "FEED", "stale", "K6", "SILENT", "NO_INPUT", "SEQUENCE_GAP")
# What shuts the gate for a moment in the first seconds says nothing about a soak.
STARTING_S = 10.0
STARTING = frozenset({"start", "armed", "switches", "guardian", "groups"})


@dataclass(slots=True)
class Verdict:
    """`growth` is a share; `stale` counts flags; `tied_out` is the session's own comparison after its stop."""

    minutes: float
    from_minute: float
    markets: int
    wanted_per_s: float
    frames_per_s: float
    memory_mb: tuple[float, float]
    growth: float
    guardian_mb: tuple[float, float]
    own_429: int
    client_429: int
    reserve_spent: bool
    takes: int
    lost_token_account: int
    stale: int
    shut: dict[str, float]
    events: dict[str, list[str]]
    oldest_feed_ms: int
    most_backlog: int
    decisions: int
    orders: int
    fills: int
    errors: int
    tied_out: bool
    summary: str

    @property
    def is_met(self) -> bool:
        return (
            self.growth <= GROWTH_GOAL and not self.own_429 and not self.client_429 and not self.reserve_spent
            and not self.stale and self.tied_out and self.frames_per_s >= self.wanted_per_s
        )  # fmt: skip

    def figures(self) -> list[Figure]:
        size = f"{self.minutes:g} min, {self.markets} markets, {self.frames_per_s:.0f} frames/s"
        seconds, calls = round(self.minutes * 60), self.takes
        is_fast = self.frames_per_s >= self.wanted_per_s
        rate = f"{self.frames_per_s:.0f} frames/s, asked {self.wanted_per_s:.0f}"
        is_calm, is_long = not (self.own_429 or self.client_429), self.minutes >= ASKED_MINUTES
        return [
            Figure(
                "G13",
                "memory growth",
                f"{self.growth:+.1%} ({size})",
                judged(self.growth <= GROWTH_GOAL, is_enough=is_long),
                seconds,
            ),
            Figure("G13", "message rate", rate, is_fast, seconds),
            Figure("G13", "stale flags", str(self.stale), judged(not self.stale, is_enough=is_long), seconds),
            Figure(
                "G19",
                "429s (exchange / session)",
                f"{self.own_429} / {self.client_429}",
                judged(is_calm, is_enough=is_long),
                calls,
            ),
            Figure(
                "G19",
                "reserve spent by trading",
                str(self.reserve_spent),
                judged(not self.reserve_spent, is_enough=is_long),
                calls,
            ),
            Figure("G11", "tied out after the soak", str(self.tied_out), self.tied_out, self.fills),
        ]


class Soak:
    """Samples of one run."""

    def __init__(self, platform: Platform, samples: Path) -> None:
        self._platform = platform
        self._file = samples
        self._read = 0
        self.rows: list[dict[str, Any]] = []

    def run(self, minutes: float) -> None:
        start = time.monotonic()
        print("   min  session  guardian  exchange  frames/s  backlog  feed ms  decisions  orders  fills  429  shut by")
        while (passed := time.monotonic() - start) < minutes * 60:
            time.sleep(min(EVERY_S, minutes * 60 - passed))
            if not self._platform.is_alive(SESSION):
                raise SystemExit(f"the session has ended: {self._platform.tail(SESSION)}")
            for row in self._new_lines():
                self._take(row, start)

    def _new_lines(self) -> list[dict[str, Any]]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        found = [json.loads(line) for line in lines[self._read :]]
        self._read = len(lines)
        return found

    def _take(self, row: dict[str, Any], start: float) -> None:
        row["minute"] = (row["at"] - start) / 60
        row["guardian_mb"] = self._platform.resident_mb(GUARDIAN)
        row["exchange_mb"] = self._platform.resident_mb(EXCHANGE)
        stats = self._platform.stats()
        row["refused"], row["exchange"] = sum(stats["refused"].values()), stats
        before = self.rows[-1] if self.rows else None
        row["rate"] = _rate(before, row)
        self.rows.append(row)
        counters = row["counters"]
        print(
            f"{row['minute']:6.1f}  {row['resident_mb']:7.1f}  {row['guardian_mb']:8.1f}  {row['exchange_mb']:8.1f}  "
            f"{row['rate']:8.0f}  {row['backlog']:7}  {row['feed_age_ms']:7}  {counters['decisions']:9}  "
            f"{counters['orders']:6}  {counters['fills']:5}  {row['refused']:3}  {_shut(row)}",
            flush=True,
        )

    def verdict(
        self, options: argparse.Namespace, wanted: float, ending: tuple[bool, str, dict[str, list[str]]]
    ) -> Verdict:
        from_minute = min(SETTLE_MINUTES, options.minutes / 3)
        settled = [row for row in self.rows if row["minute"] >= from_minute]
        if len(settled) < 2:
            raise SystemExit("too short a run: fewer than two samples after the start")
        last, counters = self.rows[-1], self.rows[-1]["counters"]
        memory, guardian = _ends(settled, "resident_mb"), _ends(settled, "guardian_mb")
        shut = Counter[str]()
        for row in self.rows:
            shut.update({key: ticks for key, ticks in row["closed"].items() if row["minute"] > 0.5})
        tied_out, summary, events = ending
        stale_events = sum(len(told) for code, told in events.items() if any(word in code for word in STALE_WORDS))
        return Verdict(
            options.minutes, from_minute, options.markets, wanted,
            (counters["frames"] - settled[0]["counters"]["frames"]) / (last["at"] - settled[0]["at"]),
            memory, memory[1] / memory[0] - 1, guardian, last["refused"], last["rate_limited"],
            any(spare < 0 for spare in last["spare_tokens"].values()), last["takes"], last["lost_token_account"],
            stale_events + sum(any(w in key for w in STALE_WORDS) for key in shut),
            {key: ticks / 10 for key, ticks in shut.items() if key not in STARTING or ticks > 20}, events,
            max(row["feed_age_ms"] for row in settled), max(row["backlog"] for row in settled),
            counters["decisions"], counters["orders"], counters["fills"], counters["errors"], tied_out, summary,
        )  # fmt: skip


def _rate(before: dict[str, Any] | None, row: dict[str, Any]) -> float:
    if before is None:
        return 0.0
    return float((row["counters"]["frames"] - before["counters"]["frames"]) / (row["at"] - before["at"]))


def _ends(rows: Sequence[dict[str, Any]], name: str) -> tuple[float, float]:
    """Medians of the first and of the last minute of the rows."""
    first, last = rows[0]["minute"], rows[-1]["minute"]
    span = min(1.0, (last - first) / 2)
    return (
        statistics.median(row[name] for row in rows if row["minute"] <= first + span),
        statistics.median(row[name] for row in rows if row["minute"] >= last - span),
    )


def _shut(row: dict[str, Any]) -> str:
    return ", ".join(f"{key} {ticks / 10:.1f} s" for key, ticks in row["closed"].items()) or "-"


TELL_EVENTS = """
import json
from apps.governance.models import SystemEvent
rows = SystemEvent.objects.order_by("id").values_list("code", "message", "created_at")
print("EVENTS", json.dumps([[code, message, at.timestamp()] for code, message, at in rows]))
"""


def ended(platform: Platform, since_s: float) -> tuple[bool, str, dict[str, list[str]]]:
    """Stops the session in good order: whether everything tied out, in what words, and later events by code."""
    platform.supervisor.stop([SESSION])
    rows = json.loads(platform.manage("shell", "-c", TELL_EVENTS).rsplit("EVENTS", 1)[1])
    events: dict[str, list[str]] = {}
    for code, message, at in rows:
        if at >= since_s:
            events.setdefault(code, []).append(message)
    try:
        return True, platform.manage("session_summary", "bench"), events
    except RuntimeError as error:
        return False, str(error), events


def report(verdict: Verdict) -> None:
    v = verdict
    print(
        f"\n{v.minutes:g} minutes, {v.markets} markets, {v.frames_per_s:.0f} frames/s (asked: {v.wanted_per_s:.0f})\n"
        f"memory     {v.memory_mb[0]:.1f} -> {v.memory_mb[1]:.1f} MB from minute {v.from_minute:.1f} on: "
        f"{v.growth:+.1%} (goal at most +{GROWTH_GOAL:.0%})\n"
        f"guardian   {v.guardian_mb[0]:.1f} -> {v.guardian_mb[1]:.1f} MB\n"
        f"429s       {v.own_429} counted by the exchange, {v.client_429} by the session (goal 0)\n"
        f"reserve    {'SPENT by trading' if v.reserve_spent else 'never spent by trading'} in {v.takes} takes; "
        f"token account lost {v.lost_token_account} times\n"
        f"stale      {v.stale} flags (goal 0); oldest feed {v.oldest_feed_ms} ms, journal backlog at most "
        f"{v.most_backlog}\ngate shut  {v.shut or '-'} (seconds)\n"
        f"work       {v.decisions} decisions, {v.orders} orders, {v.fills} fills, {v.errors} errors\n"
        f"tied out   {'yes' if v.tied_out else 'NO'}\n{v.summary.strip()}"
    )
    for code, told in v.events.items():
        for text in dict.fromkeys(told):
            print(f"{code} {told.count(text)} times: {text[:300]}")
    print("met" if v.is_met else "MISSED")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--markets", type=int, default=1_000)
    parser.add_argument("--tier", default="advanced")
    parser.add_argument("--rate", type=float, help="book events per second instead of what the recordings ask for")
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    peaks = recorded_peaks()
    for peak in peaks.values():
        print(f"recorded peak: {peak}")
    wanted = 2 * peaks[10].per_second
    rate = options.rate or wanted / FRAMES_PER_EVENT
    print(f"asked: {wanted:.0f} frames/s, from {rate:.0f} book events/s")
    with standing(Wanted(options.markets, rate, options.tier, not options.sqlite)) as platform:
        samples = platform.folder / "samples.jsonl"
        platform.start_guardian()
        platform.start_session(str(samples), "--every", str(EVERY_S))
        soak, begun_s = Soak(platform, samples), time.time()
        soak.run(options.minutes)
        verdict = soak.verdict(options, wanted, ended(platform, begun_s + STARTING_S))
    report(verdict)
    if options.json:
        found = asdict(verdict) | {"is_met": verdict.is_met, "peaks": [asdict(p) for p in peaks.values()]}
        options.json.write_text(json.dumps(found | {"samples": soak.rows}, indent=1) + "\n", encoding="utf-8")
    write("soak", verdict.figures())
    return 1 if options.check and not verdict.is_met else 0


if __name__ == "__main__":
    sys.exit(main())
