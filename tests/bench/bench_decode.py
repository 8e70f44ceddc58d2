"""Frames per second, decode and apply, on recorded KXBTC15M wire frames: ours against json and msgspec with dict books.

Run: python tests/bench/bench_decode.py [RECORDING]. Every variant reads the same bytes, checks `seq`, keeps the book
and knows best bid and ask after each frame (the batch variants after each delta of the batch as well). The variants
take turns within each round; medians of the rounds, ratios against msgspec + dict. All must end on the same top.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apps.engine.book import Book  # noqa: E402
from apps.engine.book_batch import BatchBook  # noqa: E402
from apps.engine.booksets import BookSet  # noqa: E402
from apps.engine.grid import DECI_CENT, price_grid  # noqa: E402
from apps.engine.types import ONE_DOLLAR  # noqa: E402
from apps.gateway.kalshi.frame_batch import BatchDecoder  # noqa: E402
from apps.gateway.kalshi.frame_scan import SEQ_COLUMN  # noqa: E402
from apps.gateway.kalshi.frames import DeltaFrame, SnapshotFrame  # noqa: E402
from apps.gateway.kalshi.messages import Decoder  # noqa: E402
from apps.gateway.kalshi.recordings import read_recording  # noqa: E402

ROUNDS = 7
GRID = price_grid(DECI_CENT)
Top = tuple[int | None, int | None]


class PlainMsg(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: str


class PlainDelta(msgspec.Struct, gc=False):
    type: str
    sid: int
    seq: int
    msg: PlainMsg


def recordings() -> list[Path]:
    """The larger recordings beside the repository if there, else those in tests/data."""
    for folder in (ROOT.parent / "shared" / "data" / "ws", ROOT / "tests" / "data" / "ws"):
        found = sorted(folder.glob("*kxbtc15m_2*.jsonl.gz"), key=lambda p: p.stat().st_size)
        if found:
            return found
    raise SystemExit("no recording found: name one as the argument")


def read(path: Path) -> tuple[bytes, list[bytes]]:
    """The first snapshot frame and nine tenths of the deltas up to the next one (the last tenth empties the book)."""
    frames = [f.raw for f in read_recording(path) if f.raw.startswith(b'{"type":"orderbook_')]
    run = list(takewhile(lambda raw: raw.startswith(b'{"type":"orderbook_delta"'), frames[1:]))
    return frames[0], run[: len(run) * 9 // 10]


class DictBook:
    """Two dicts of bids per leg with remembered bests, as a small careful client would write it."""

    def __init__(self, snapshot: bytes, convert: Callable[[str, str], tuple[int, int]]) -> None:
        msg = json.loads(snapshot)["msg"]
        self.legs: list[dict[int, int]] = [
            dict(convert(p, q) for p, q in msg.get(f"{leg}_dollars_fp", [])) for leg in ("yes", "no")
        ]
        self.best = [max(leg, default=-1) for leg in self.legs]
        self.seq = int(json.loads(snapshot)["seq"])

    def apply(self, seq: int, side: str, price: int, delta: int) -> tuple[int, int]:
        if seq != self.seq + 1:
            raise SystemExit(f"gap at {seq}")
        self.seq = seq
        which = 0 if side == "yes" else 1
        leg = self.legs[which]
        size = leg.get(price, 0) + delta
        if size > 0:
            leg[price] = size
            if price > self.best[which]:
                self.best[which] = price
        else:
            leg.pop(price, None)
            if price == self.best[which]:
                self.best[which] = max(leg, default=-1)
        return self.best[0], ONE_DOLLAR - self.best[1]

    def top(self) -> Top:
        bid, no = self.best
        return (int(bid) if bid >= 0 else None, int(ONE_DOLLAR - no) if no >= 0 else None)


def _as_decimals(price: str, size: str) -> tuple[int, int]:
    # Decimals throughout, scaled so that the tops can be compared; the types follow the values.
    return Decimal(price) * ONE_DOLLAR, Decimal(size) * 100  # type: ignore[return-value]


PRICES = {f"0.{p:04d}": p for p in range(1, ONE_DOLLAR)}


def _as_ints(price: str, size: str) -> tuple[int, int]:
    return PRICES[price], int(size.replace(".", ""))


def json_decimal(snapshot: bytes, frames: list[bytes]) -> Top:
    book, loads = DictBook(snapshot, _as_decimals), json.loads
    for raw in frames:
        frame = loads(raw)
        msg = frame["msg"]
        price, delta = _as_decimals(msg["price_dollars"], msg["delta_fp"])
        book.apply(frame["seq"], msg["side"], price, delta)
    return book.top()


def msgspec_untyped(snapshot: bytes, frames: list[bytes]) -> Top:
    book, decode = DictBook(snapshot, _as_ints), msgspec.json.Decoder().decode
    for raw in frames:
        frame = decode(raw)
        msg = frame["msg"]
        price, delta = _as_ints(msg["price_dollars"], msg["delta_fp"])
        book.apply(frame["seq"], msg["side"], price, delta)
    return book.top()


def msgspec_dict(snapshot: bytes, frames: list[bytes]) -> Top:
    book, decode = DictBook(snapshot, _as_ints), msgspec.json.Decoder(PlainDelta).decode
    for raw in frames:
        frame = decode(raw)
        msg = frame.msg
        price, delta = _as_ints(msg.price_dollars, msg.delta_fp)
        book.apply(frame.seq, msg.side, price, delta)
    return book.top()


def _first(snapshot: bytes) -> SnapshotFrame:
    frame = Decoder(use_yes_price=False).decode(snapshot)
    assert isinstance(frame, SnapshotFrame)
    return frame


def ours_one_by_one(snapshot: bytes, frames: list[bytes]) -> Top:
    first, decode = _first(snapshot), Decoder(use_yes_price=False).decode
    book, last = Book(GRID), first.seq
    book.apply_snapshot(first.book.bids, first.book.asks)
    for raw in frames:
        frame = decode(raw)
        if frame.__class__ is not DeltaFrame or frame.seq != last + 1:
            raise SystemExit(f"unexpected {frame}")
        last = frame.seq
        book.apply_delta(frame.side, frame.price, frame.delta, frame.ts_ms)
        _ = book.best_bid, book.best_ask
    return book.best_bid, book.best_ask


def ours_bookset(snapshot: bytes, frames: list[bytes]) -> Top:
    first, decode = _first(snapshot), Decoder(use_yes_price=False).decode
    books = BookSet(lambda _: GRID)
    books.on_snapshot(first.sid, first.seq, first.book)
    book = books.book(first.book.ticker)
    if book is None:
        raise SystemExit("no book")
    for raw in frames:
        frame = decode(raw)
        if frame.__class__ is not DeltaFrame:
            raise SystemExit(f"unexpected {frame}")
        books.on_delta(frame.sid, frame.seq, frame)
        _ = book.best_bid, book.best_ask
    if books.counters.deltas != len(frames):
        raise SystemExit(f"deltas were not used: {books.counters}")
    return book.best_bid, book.best_ask


def ours_batches(snapshot: bytes, frames: list[bytes], *, size: int) -> Top:
    first = _first(snapshot)
    batches, book, last = BatchDecoder(Decoder(use_yes_price=False)), BatchBook(GRID), first.seq
    number = batches.number(first.book.ticker)
    book.apply_snapshot(first.book.bids, first.book.asks)
    top: Top = None, None
    for start in range(0, len(frames), size):
        batch = batches.decode(frames[start : start + size])
        seqs = batch.rows[:, SEQ_COLUMN]
        if batch.others or seqs[0] != last + 1 or (seqs[1:] - seqs[:-1] != 1).any():
            raise SystemExit(f"unexpected frames in the batch at {start}")
        last = int(seqs[-1])
        best = book.apply(batch.deltas_of(number, GRID))
        bid, ask = int(best.bids[-1]), int(best.asks[-1])
        top = (GRID.prices[bid] if bid >= 0 else None, GRID.prices[ask] if ask >= 0 else None)
    return top


VARIANTS: dict[str, Callable[[bytes, list[bytes]], Top]] = {
    "json + dict + Decimal": json_decimal,
    "msgspec untyped + dict": msgspec_untyped,
    "msgspec + dict": msgspec_dict,
    "ours: Decoder + Book": ours_one_by_one,
    "ours: Decoder + BookSet": ours_bookset,
    "ours: batches of 16": lambda s, f: ours_batches(s, f, size=16),
    "ours: batches of 128": lambda s, f: ours_batches(s, f, size=128),
    "ours: batches of 2048": lambda s, f: ours_batches(s, f, size=2048),
}


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else recordings()[-1]
    snapshot, frames = read(path)
    tops = {name: run(snapshot, frames) for name, run in VARIANTS.items()}
    if len(set(tops.values())) != 1:
        raise SystemExit(f"the variants end on different tops: {tops}")
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, run in VARIANTS.items():
            start = time.perf_counter()
            run(snapshot, frames)
            rates[name].append(len(frames) / (time.perf_counter() - start))
    base = statistics.median(rates["msgspec + dict"])
    print(f"{path.name}: {len(frames):,} frames, {ROUNDS} rounds, one core; top {tops['msgspec + dict']}")
    for name, found in rates.items():
        rate = statistics.median(found)
        spread = f"[{min(found) / 1e3:,.0f}-{max(found) / 1e3:,.0f}]"
        print(f"{name:26s} {rate / 1e3:9,.0f} k frames/s {spread:16s} {1e6 / rate:6.3f} us  x{rate / base:.2f}")


if __name__ == "__main__":
    main()
