"""Book updates per second on recorded KXBTC15M deltas, against sortedcontainers and dict + max.

Run: python tests/bench/bench_book.py [RECORDING.jsonl.gz]. Deltas are parsed beforehand; what is timed is apply plus
best bid and ask after every delta. Medians of the runs, ratios against sortedcontainers.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sortedcontainers import SortedDict

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apps.engine.book import Book  # noqa: E402
from apps.engine.book_batch import BatchBook, DeltaBatch  # noqa: E402
from apps.engine.booksets import BookSet  # noqa: E402
from apps.engine.decimals import parse_price, parse_quantity  # noqa: E402
from apps.engine.grid import DECI_CENT, price_grid  # noqa: E402
from apps.engine.types import ONE_DOLLAR, BookDelta, BookSnapshot, Level, Price, Quantity, Side  # noqa: E402

RUNS = 7
GRID = price_grid(DECI_CENT)
Deltas = list[tuple[Side, Price, Quantity, int]]
Sample = tuple[list[Level], list[Level], Deltas]


def recordings() -> list[Path]:
    """The larger recordings beside the repository if there, else those in tests/data."""
    for folder in (ROOT.parent / "shared" / "data" / "ws", ROOT / "tests" / "data" / "ws"):
        found = sorted(folder.glob("*kxbtc15m_2*.jsonl.gz"), key=lambda p: p.stat().st_size)
        if found:
            return found
    raise SystemExit("no recording found: name one as the argument")


def read(path: Path) -> Sample:
    """First market with a snapshot and the deltas that follow it on that connection."""
    bids: list[Level] = []
    asks: list[Level] = []
    deltas: Deltas = []
    ticker = None
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            msg = row["payload_json"]
            msg = json.loads(msg) if isinstance(msg, str) else msg
            if row["event_type"] == "orderbook_snapshot":
                if ticker is not None and row["market_ticker"] == ticker:
                    break
                if ticker is None:
                    ticker = row["market_ticker"]
                    bids = levels(msg.get("yes_dollars_fp") or [], flip=False)
                    asks = levels(msg.get("no_dollars_fp") or [], flip=True)
            elif row["event_type"] == "orderbook_delta" and row["market_ticker"] == ticker:
                price = parse_price(msg["price_dollars"])
                delta = parse_quantity(msg["delta_fp"])
                if msg["side"] == "yes":
                    deltas.append((Side.BID, price, delta, msg["ts_ms"]))
                else:
                    deltas.append((Side.ASK, ONE_DOLLAR - price, delta, msg["ts_ms"]))
    return bids, asks, deltas


def levels(rows: list[list[str]], *, flip: bool) -> list[Level]:
    parsed = [(parse_price(p), parse_quantity(q)) for p, q in rows]
    return [(ONE_DOLLAR - p if flip else p, q) for p, q in parsed]


def run_book(sample: Sample) -> float:
    bids, asks, deltas = sample
    book = Book(GRID)
    book.apply_snapshot(bids, asks)
    apply = book.apply_delta
    start = time.perf_counter()
    for side, price, delta, ts_ms in deltas:
        apply(side, price, delta, ts_ms)
        _ = book.best_bid, book.best_ask
    return time.perf_counter() - start


def run_sorted(sample: Sample) -> float:
    sides = {Side.BID: SortedDict(dict(sample[0])), Side.ASK: SortedDict(dict(sample[1]))}
    bids, asks = sides[Side.BID], sides[Side.ASK]
    start = time.perf_counter()
    for side, price, delta, _ts_ms in sample[2]:
        book = sides[side]
        size = book.get(price, 0) + delta
        if size:
            book[price] = size
        else:
            del book[price]
        _ = bids.peekitem(-1)[0] if bids else None, asks.peekitem(0)[0] if asks else None
    return time.perf_counter() - start


def run_dict_max(sample: Sample) -> float:
    sides = {Side.BID: dict(sample[0]), Side.ASK: dict(sample[1])}
    bids, asks = sides[Side.BID], sides[Side.ASK]
    start = time.perf_counter()
    for side, price, delta, _ts_ms in sample[2]:
        book = sides[side]
        size = book.get(price, 0) + delta
        if size:
            book[price] = size
        else:
            del book[price]
        _ = max(bids) if bids else None, min(asks) if asks else None
    return time.perf_counter() - start


def run_bookset(sample: Sample) -> float:
    books = BookSet(lambda _: GRID)
    books.on_snapshot(1, 1, BookSnapshot("T", tuple(sample[0]), tuple(sample[1])))
    deltas = [(seq, BookDelta("T", *delta)) for seq, delta in enumerate(sample[2], start=2)]
    book, apply = books.book("T"), books.on_delta
    assert book is not None
    start = time.perf_counter()
    for seq, delta in deltas:
        apply(1, seq, delta)
        _ = book.best_bid, book.best_ask
    return time.perf_counter() - start


def run_batches(sample: Sample, size: int) -> float:
    deltas = [BookDelta("", *delta) for delta in sample[2]]
    batches = [DeltaBatch.of(GRID, deltas[i : i + size]) for i in range(0, len(deltas), size)]
    book = BatchBook(GRID)
    book.apply_snapshot(sample[0], sample[1])
    start = time.perf_counter()
    for batch in batches:
        book.apply(batch)
    return time.perf_counter() - start


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else recordings()[-1]
    sample = read(path)
    count = len(sample[2])
    print(f"{path.name}: {len(sample[0])} bid and {len(sample[1])} ask levels, {count} deltas, {RUNS} runs")
    contenders: dict[str, Callable[[Sample], float]] = {
        "sortedcontainers": run_sorted,
        "dict + max/min": run_dict_max,
        "Book from Python": run_book,
        "BookSet from Python": run_bookset,
        "BatchBook, by 100": lambda s: run_batches(s, 100),
        "BatchBook, at once": lambda s: run_batches(s, len(s[2])),
    }
    run_batches(sample, 100)  # compiles before anything is timed
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(RUNS):
        for name, run in contenders.items():
            times[name].append(run(sample))
    base = statistics.median(times["sortedcontainers"])
    for name, taken in times.items():
        median = statistics.median(taken)
        spread = f"{min(taken) / count * 1e9:,.0f}-{max(taken) / count * 1e9:,.0f}"
        print(
            f"{name:22} {count / median / 1e6:8.2f} M/s  {median / count * 1e9:8.1f} ns [{spread}]"
            f"  {base / median:6.1f} x sortedcontainers"
        )


if __name__ == "__main__":
    main()
