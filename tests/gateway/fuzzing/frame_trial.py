"""Damaged frames through decoder and books, checked against the slow reading after every one of them.

A finding is any exception that is no `BadMessage`, a frame accepted that the reference refuses, another meaning,
another book, a book that shows prices where the reference shows none (an order could come of it), or more than
`SLOW_S` of processor time for one frame.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from apps.engine.booksets import BookSet
from apps.engine.types import Side
from apps.gateway.errors import BadMessage
from apps.gateway.kalshi import frames as f
from apps.gateway.kalshi.frame_batch import BatchDecoder, FrameBatch
from apps.gateway.kalshi.messages import Decoder

from .corpus import Run
from .mutate import Mutator
from .reference import ACTED_UPON, Meaning, Refused, frame_meaning
from .slow_books import SlowBooks

SLOW_S = 0.1
DAMAGE = 0.35
"""Share of the frames that are damaged; the others show whether the books live on rightly."""
MAX_FINDINGS = 20


@dataclass
class Tally:
    """What was tried and what came of it. `findings` hold the first few frames that broke a rule, as repr.

    A frame that takes more than `slow_s` counts as a hang; infinite where the machine's own pauses would count.
    """

    tried: int = 0
    damaged: int = 0
    refused: int = 0
    unknown: int = 0
    stricter: int = 0
    crashes: int = 0
    wrong: int = 0
    hangs: int = 0
    slowest_s: float = 0.0
    slow_s: float = SLOW_S
    errors: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def find(self, what: str, data: bytes) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(f"{what}: {data[:600]!r}")

    def note_time(self, seconds: float, data: bytes) -> None:
        self.slowest_s = max(self.slowest_s, seconds)
        if seconds > self.slow_s:
            self.hangs += 1
            self.find(f"{seconds:.3f} s", data)

    def add(self, other: Tally) -> None:
        for name in ("tried", "damaged", "refused", "unknown", "stricter", "crashes", "wrong", "hangs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.errors.update(other.errors)
        self.findings = (self.findings + other.findings)[:MAX_FINDINGS]


def untimed() -> Tally:
    """For tests: what a busy machine's collector or scheduler takes is no hang of ours."""
    return Tally(slow_s=float("inf"))


def meaning_of(frame: f.Frame) -> Meaning:
    """A decoded frame in the terms of `reference.frame_meaning`."""
    if isinstance(frame, f.DeltaFrame):
        return (
            frame.type, frame.sid, frame.seq, frame.ticker, frame.side.value, frame.price, frame.delta, frame.ts_ms,
            frame.client_order_id,
        )  # fmt: skip
    if isinstance(frame, f.SnapshotFrame):
        return frame.type, frame.sid, frame.seq, frame.book.ticker, frame.book.bids, frame.book.asks
    if isinstance(frame, f.FillFrame):
        x = frame.fill
        return (
            frame.type, frame.sid, frame.seq, x.trade_id, x.order_id, x.ticker, x.side.value, x.price, x.quantity,
            x.fee, x.is_taker, x.ts_ms, x.client_order_id, frame.post_position,
        )  # fmt: skip
    if isinstance(frame, f.UserOrderFrame):
        o = frame.order
        return (
            frame.type, frame.sid, frame.seq, o.order_id, o.client_order_id, o.ticker, o.side.value, o.price,
            o.initial, o.filled, o.remaining, o.status, o.maker_fees, o.taker_fees, o.expires_at_s, o.group_id,
        )  # fmt: skip
    if isinstance(frame, f.MarketPositionFrame):
        p = frame.position
        return frame.type, frame.sid, frame.seq, p.ticker, p.quantity, p.cost, p.realized_pnl, p.fees
    return frame.type, getattr(frame, "sid", None), getattr(frame, "seq", None)


class FrameTrial:
    """Plays runs with damage. The same generator plays the same trial."""

    def __init__(self, rng: Random, runs: tuple[Run, ...], tally: Tally) -> None:
        self._rng = rng
        self._runs = runs
        self._mutator = Mutator(rng, [frame for run in runs[-50:] for frame in run.frames[:4]])
        self.tally = tally
        self._decoders = {yes: Decoder(use_yes_price=yes) for yes in (True, False)}
        self._batches = {yes: BatchDecoder(Decoder(use_yes_price=yes)) for yes in (True, False)}

    def play(self) -> int:
        """One run; returns how many frames it had."""
        run = self._rng.choice(self._runs)
        books, slow = BookSet(lambda _: run.grid), SlowBooks(run.grid)
        sent: list[bytes] = []
        for raw in run.frames:
            is_damaged = self._rng.random() < DAMAGE
            data = self._mutator.damaged(raw) if is_damaged else raw
            sent.append(data)
            self.tally.tried += 1
            self.tally.damaged += is_damaged
            self._one(run, books, slow, data, is_damaged)
        self._compare_all(books, slow, sent[-1])
        self._batch(run, sent)
        return len(sent)

    def _one(self, run: Run, books: BookSet, slow: SlowBooks, data: bytes, is_damaged: bool) -> None:
        frame = self._decode(run, data)
        try:
            expected = frame_meaning(data, yes=run.use_yes_price)
        except Refused as refused:
            if frame is not None:
                self._wrong(f"accepted what the reference refuses ({refused})", data)
            return
        if frame is None:
            # Refusing more than the reference is safe, and wrong only for a frame that nobody damaged.
            self.tally.stricter += expected[0] in ACTED_UPON
            if not is_damaged and expected[0] in ("orderbook_delta", "orderbook_snapshot"):
                self._wrong("refused a good frame", data)
            return
        found = meaning_of(frame)
        is_acted_upon = expected[0] in ACTED_UPON
        if is_acted_upon and found != expected:
            self._wrong(f"read {found}, the reference {expected}", data)
        ticker = self._apply(books, frame)
        slow.on(expected if is_acted_upon else found)
        if ticker is not None:
            self._compare(books, slow, ticker, data, whole=is_damaged)

    def _decode(self, run: Run, data: bytes) -> f.Frame | None:
        start = time.thread_time()
        try:
            frame = self._decoders[run.use_yes_price].decode(data)
            if not isinstance(frame, f.UnknownFrame):
                return frame
            # The socket refuses these where books are made (`KalshiSocket`), and nobody acts upon them elsewhere.
            self.tally.unknown += 1
        except BadMessage as error:
            self.tally.refused += 1
            self.tally.errors[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001  any other exception is what this looks for
            self.tally.crashes += 1
            self.tally.find(f"crash {type(error).__name__}: {error}", data)
        finally:
            self.tally.note_time(time.thread_time() - start, data)
        return None

    @staticmethod
    def _apply(books: BookSet, frame: f.Frame) -> str | None:
        if isinstance(frame, f.DeltaFrame):
            before = books.last_seq(frame.sid)
            books.on_delta(frame.sid, frame.seq, frame)
            return frame.ticker if frame.seq > before else None
        if isinstance(frame, f.SnapshotFrame):
            before = books.last_seq(frame.sid)
            books.on_snapshot(frame.sid, frame.seq, frame.book)
            return frame.book.ticker if frame.seq > before else None
        sid, seq = getattr(frame, "sid", None), getattr(frame, "seq", None)
        if sid is not None and seq is not None:
            books.on_sequenced(sid, seq)
        return None

    def _compare_all(self, books: BookSet, slow: SlowBooks, data: bytes) -> None:
        for ticker in set(books.tickers) | set(slow.books):
            self._compare(books, slow, ticker, data, whole=True)

    def _compare(self, books: BookSet, slow: SlowBooks, ticker: str, data: bytes, *, whole: bool) -> None:
        book, other = books.book(ticker), slow.books.get(ticker)
        if book is None or other is None:
            if book is not other:
                self._wrong(f"only one of the two has a book of {ticker}", data)
            return
        if (book.best_bid, book.best_ask) != other.best() or book.is_quotable != (other.state == "ok"):
            self._wrong(f"top {book.best_bid}/{book.best_ask} {book.unquotable_reason}, not {other.best()}", data)
        elif whole and (book.levels(Side.BID), book.levels(Side.ASK)) != other.shown():
            self._wrong("another book than the reference", data)

    def _batch(self, run: Run, sent: list[bytes]) -> None:
        """The compiled scanner must say the same as the decoder, frame by frame."""
        try:
            batch = self._batches[run.use_yes_price].decode(sent)
        except Exception as error:  # noqa: BLE001  any exception is what this looks for
            self.tally.crashes += 1
            self.tally.find(f"batch crash {type(error).__name__}: {error}", b"\n".join(sent))
            return
        for position, data in enumerate(sent):
            if self._batch_frame(batch, position) != self._plain_frame(run, data):
                self._wrong("another frame in a batch", data)

    @staticmethod
    def _batch_frame(batch: FrameBatch, position: int) -> object:
        try:
            return batch.frame(position)
        except BadMessage as error:
            return type(error)

    def _plain_frame(self, run: Run, data: bytes) -> object:
        try:
            return self._decoders[run.use_yes_price].decode(data)
        except BadMessage as error:
            return type(error)

    def _wrong(self, what: str, data: bytes) -> None:
        self.tally.wrong += 1
        self.tally.find(what, data)
