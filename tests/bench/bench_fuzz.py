"""Damaged frames and replies by the million: nothing but typed errors, no hang, no wrong book, no order of a bad frame.

Run: python tests/bench/bench_fuzz.py [--frames 10000000] [--seed 1] [--processes N] [--json FILE]. The corpus are the
recordings in tests/data, and those of ../shared/data/ws where they stand beside. Each process plays blocks of its own
seeds; a finding names what was wrong and the bytes, and the block's seed repeats it:
python tests/bench/bench_fuzz.py --frames BLOCK --seed SEED --processes 1. Exit code 1 when there was any.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, judged, write  # noqa: E402
from tests.gateway.fuzzing.corpus import runs  # noqa: E402
from tests.gateway.fuzzing.frame_trial import Tally  # noqa: E402
from tests.gateway.fuzzing.play import play  # noqa: E402

BLOCK = 50_000
ASKED = 10_000_000


def work(pipe: Connection) -> None:
    """Plays the (frames, seed) blocks it is given until it is given None."""
    corpus = runs(everything=True)
    # The corpus never goes away: a collection that walks it would look like a slow frame.
    gc.collect()
    gc.freeze()
    while (block := pipe.recv()) is not None:
        pipe.send(play(*block, corpus=corpus))


class Workers:
    """Processes that play blocks. One that dies is a crash of the block it played."""

    def __init__(self, count: int, blocks: list[tuple[int, int]]) -> None:
        self._left = blocks[::-1]
        self._busy: dict[Connection, tuple[Any, tuple[int, int]]] = {}
        self.tally = Tally()
        for _ in range(min(count, len(blocks))):
            self._start()

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self._give(ours, process)

    def _give(self, pipe: Connection, process: Any) -> None:
        if not self._left:
            pipe.send(None)
            process.join()
            return
        block = self._left.pop()
        pipe.send(block)
        self._busy[pipe] = process, block

    def run(self) -> Tally:
        start = time.monotonic()
        while self._busy:
            for pipe in wait(list(self._busy)):
                assert isinstance(pipe, Connection)
                process, block = self._busy.pop(pipe)
                try:
                    self.tally.add(pipe.recv())
                except EOFError:
                    process.join()
                    self.tally.crashes += 1
                    self.tally.find(f"the process died ({process.exitcode}) in block {block}", b"")
                    self._start()
                    continue
                self._give(pipe, process)
                print(f"\r{self.tally.tried:,} tried, {time.monotonic() - start:.0f} s", end="", file=sys.stderr)
        print(file=sys.stderr)
        return self.tally


def figures(tally: Tally, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    return {
        **vars(tally),
        "seconds": round(seconds, 1),
        "per_second": round(tally.tried / seconds),
        "seed": options.seed,
        "processes": options.processes,
        "corpus_runs": len(runs(everything=True)),
    }


def report(found: dict[str, Any]) -> None:
    print(f"frames and replies tried   {found['tried']:>12,}   ({found['damaged']:,} of them damaged)")
    print(f"rate                       {found['per_second']:>12,} per second in {found['processes']} processes")
    print(f"refused, typed             {found['refused']:>12,}   {dict(found['errors'])}")
    print(f"of unknown type            {found['unknown']:>12,}   refused where they stand among order books")
    print(f"refused beyond the reference {found['stricter']:>10,}")
    print(f"crashes                    {found['crashes']:>12,}")
    print(f"wrong books or meanings    {found['wrong']:>12,}   an order that should not be would start here")
    print(f"slower than 100 ms         {found['hangs']:>12,}   slowest {found['slowest_s'] * 1e3:.1f} ms of processor")
    for finding in found["findings"]:
        print(f"  {finding}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    blocks = [
        (min(BLOCK, options.frames - start), options.seed + number)
        for number, start in enumerate(range(0, options.frames, BLOCK))
    ]
    start = time.monotonic()
    tally = Workers(options.processes, blocks).run()
    found = figures(tally, time.monotonic() - start, options)
    report(found)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    bad = tally.crashes + tally.wrong + tally.hangs
    value = f"{tally.crashes} crashes, {tally.wrong} wrong, {tally.hangs} above 100 ms"
    is_met = judged(not bad, is_enough=tally.tried >= ASKED)
    write("fuzz", [Figure("G6", "frames and replies", f"{value} of {tally.tried:,}", is_met, tally.tried)])
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
