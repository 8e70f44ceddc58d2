"""Damaged and invented frames: typed errors only, the books of a slow reference, and no price out of a bad frame."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.book import Book
from apps.engine.booksets import BookSet
from apps.engine.types import Side
from apps.gateway.errors import BadMessage
from apps.gateway.kalshi import frames as f
from apps.gateway.kalshi.messages import Decoder
from tests.gateway.fuzzing.corpus import Run, every_kind, runs
from tests.gateway.fuzzing.frame_trial import FrameTrial, Tally, meaning_of, untimed
from tests.gateway.fuzzing.mutate import Mutator
from tests.gateway.fuzzing.reference import ACTED_UPON, Refused, frame_meaning


def play(runs_to_play: int, seed: int) -> Tally:
    tally = untimed()
    trial = FrameTrial(Random(seed), runs(), tally)
    for _ in range(runs_to_play):
        trial.play()
    return tally


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_damaged_recordings_give_typed_errors_and_the_reference_books(seed: int) -> None:
    tally = play(60, seed)
    assert tally.findings == []
    assert (tally.crashes, tally.wrong) == (0, 0)
    assert tally.damaged > 500
    assert tally.refused > 300
    assert tally.tried - tally.refused > 1000


def test_the_same_seed_plays_the_same() -> None:
    one, two = play(10, 7), play(10, 7)
    assert (one.tried, one.damaged, one.refused, one.errors) == (two.tried, two.damaged, two.refused, two.errors)


def test_recorded_frames_are_refused_only_where_the_reference_refuses_them() -> None:
    for run in runs()[:: max(1, len(runs()) // 60)]:
        decoder = Decoder(use_yes_price=run.use_yes_price)
        for raw in run.frames:
            expected = frame_meaning(raw, yes=run.use_yes_price)
            found = meaning_of(decoder.decode(raw))
            assert found == expected or expected[0] not in ACTED_UPON


def no_negative_check(self: Book, side: Side, price: int, size: int) -> None:
    del side, price, size


def no_gaps(self: BookSet, subscription: object, missing: int) -> None:
    del subscription, missing


def wrong_side(self: Decoder, data: bytes) -> f.Frame:
    frame = real_decode(self, data)
    if isinstance(frame, f.DeltaFrame):
        return f.DeltaFrame(frame.sid, frame.seq, frame.ticker, frame.side.opposite, frame.price, frame.delta)
    return frame


def leaky_error(self: Decoder, data: bytes) -> f.Frame:
    try:
        return real_decode(self, data)
    except BadMessage as error:
        raise KeyError(str(error)) from None


real_decode = Decoder.decode


@pytest.mark.parametrize(
    ("owner", "name", "fault", "counter"),
    [
        (Book, "_negative", no_negative_check, "crashes_or_wrong"),
        (BookSet, "_gap", no_gaps, "wrong"),
        (Decoder, "decode", wrong_side, "wrong"),
        (Decoder, "decode", leaky_error, "crashes"),
    ],
)
def test_the_trial_finds_a_planted_fault(
    owner: type, name: str, fault: Any, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, fault)
    tally = untimed()
    trial = FrameTrial(Random(4), runs(), tally)
    found = 0
    for _ in range(60):
        try:
            trial.play()
        except Exception:  # noqa: BLE001  a planted fault may break the books themselves
            found += 1
    found += tally.crashes + tally.wrong if counter == "crashes_or_wrong" else getattr(tally, counter)
    assert found > 0


def test_a_frame_nested_beyond_reason_is_refused() -> None:
    for piece in (b"[", b'{"a":', b'{"msg":'):
        with pytest.raises(BadMessage):
            Decoder().decode(b'{"type":"orderbook_delta","sid":1,"seq":1,"msg":' + piece * 200_000)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["0.5000", "0.0000", "1.0000", "-1.00", "yes", "no", "bid", "99999999999999999.99", "1e2", "０.5"]),
    st.lists(st.lists(st.sampled_from(["0.5000", "1.00", "0.4", 7, None]), max_size=3), max_size=3),
)


@settings(max_examples=200)
@given(st.sampled_from(every_kind()), st.data())
def test_any_field_may_hold_anything(raw: bytes, data: st.DataObject) -> None:
    frame = json.loads(raw)
    where = data.draw(st.sampled_from([frame, frame["msg"]])) if "msg" in frame else frame
    key = data.draw(st.sampled_from(sorted(where)))
    value = data.draw(VALUES)
    where[key] = value
    check(json.dumps(frame, ensure_ascii=data.draw(st.booleans())).encode())


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.sampled_from(every_kind()), st.booleans())
def test_damage_of_every_kind_of_frame_is_refused_or_read_as_the_reference_does(
    seed: int, raw: bytes, use_yes_price: bool
) -> None:
    check(Mutator(Random(seed), every_kind()).damaged(raw), use_yes_price=use_yes_price)


def check(data: bytes, *, use_yes_price: bool = True) -> None:
    try:
        frame = Decoder(use_yes_price=use_yes_price).decode(data)
    except BadMessage:
        return
    if frame.type not in ACTED_UPON or isinstance(frame, f.UnknownFrame):
        return
    try:
        expected = frame_meaning(data, yes=use_yes_price)
    except Refused as refused:
        pytest.fail(f"accepted what the reference refuses ({refused}): {data!r}")
    assert meaning_of(frame) == expected


def test_a_refused_frame_leaves_no_price_until_the_next_snapshot() -> None:
    run = next(one for one in runs() if len(one.frames) > 20 and b'"orderbook_snapshot"' in one.frames[0])
    books, decoder = BookSet(lambda _: run.grid), Decoder(use_yes_price=run.use_yes_price)
    feed(books, decoder, run, upto=10)
    ticker = books.tickers[0]
    assert books.unquotable_reason(ticker) is None
    with pytest.raises(BadMessage):
        decoder.decode(run.frames[10][:-1])
    feed(books, decoder, run, start=11)
    book = books.book(ticker)
    assert book is not None
    assert (book.best_bid, book.best_ask, book.levels(Side.BID), book.levels(Side.ASK)) == (None, None, [], [])


def feed(books: BookSet, decoder: Decoder, run: Run, *, start: int = 0, upto: int | None = None) -> None:
    for raw in run.frames[start:upto]:
        frame = decoder.decode(raw)
        if isinstance(frame, f.SnapshotFrame):
            books.on_snapshot(frame.sid, frame.seq, frame.book)
        elif isinstance(frame, f.DeltaFrame):
            books.on_delta(frame.sid, frame.seq, frame)
