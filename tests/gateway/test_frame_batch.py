"""A batch says exactly what the typed decoder says, for recorded frames and for mutated ones."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.book import Book
from apps.engine.book_batch import BatchBook
from apps.engine.errors import OffGridPrice
from apps.engine.grid import DECI_CENT, LINEAR_CENT, price_grid
from apps.engine.types import Side
from apps.gateway.errors import BadField, BadMessage, MalformedFrame
from apps.gateway.kalshi.frame_batch import BatchDecoder
from apps.gateway.kalshi.frames import DeltaFrame, Frame, SnapshotFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.recordings import read_recording
from tests.gateway.recorded import ws_recording

NAMES = ("kxbtc15m_20260513T1556Z_head.jsonl.gz", "mlb_wnba_20260807.json.gz", "kxbtc_range_20260418.jsonl")


@lru_cache
def _recorded() -> tuple[bytes, ...]:
    return tuple(f.raw for name in NAMES for f in read_recording(ws_recording(name)) if f.raw)


@lru_cache
def _deltas() -> tuple[bytes, ...]:
    # The April recording has no ts_ms yet; such deltas go the long way.
    current = (raw for raw in _recorded() if raw.startswith(b'{"type":"orderbook_delta"') and b'"ts_ms"' in raw)
    return tuple(current)[::37]


@lru_cache
def _warm(use_yes_price: bool) -> BatchDecoder:
    batches = BatchDecoder(Decoder(use_yes_price=use_yes_price))
    batches.decode(_recorded())
    return batches


def _alone(decoder: Decoder, raw: bytes) -> Frame | type[BadMessage]:
    try:
        return decoder.decode(raw)
    except BadMessage as e:
        return type(e)


def _in_batch(batches: BatchDecoder, raw: bytes) -> Frame | type[BadMessage]:
    """Behind a good frame of one market, as the scanner takes the next one to be of the same."""
    try:
        return batches.decode([_deltas()[0], raw]).frame(1)
    except BadMessage as e:
        return type(e)


def test_batch_equals_one_by_one_on_recordings_in_both_pricings() -> None:
    for use_yes_price in (True, False):
        decoder = Decoder(use_yes_price=use_yes_price)
        batch = BatchDecoder(Decoder(use_yes_price=use_yes_price)).decode(_recorded())
        assert len(batch) == len(_recorded())
        for position, raw in enumerate(_recorded()):
            assert batch.frame(position) == decoder.decode(raw)


def test_known_deltas_take_the_fast_way() -> None:
    assert not _warm(False).decode(_deltas()).others


def test_the_exchanges_sending_time_may_stand_in_each_place() -> None:
    raw = _deltas()[0]
    clock = b',"sending_ts_ms":1790000000000'
    forms = [
        raw[:-1] + clock + b"}",
        raw.replace(b',"msg"', clock + b',"msg"'),
        raw.replace(b',"seq"', clock + b',"seq"'),
    ]
    batch = _warm(False).decode(forms)
    assert not batch.others
    assert [batch.frame(n) for n in range(3)] == [Decoder(use_yes_price=False).decode(raw)] * 3


def test_own_order_and_unknown_market_go_through_the_typed_decoder() -> None:
    raw = _deltas()[0]
    own = raw.replace(b'"side":', b'"client_order_id":"alice-1","side":')
    new = raw.replace(b'"market_ticker":"', b'"market_ticker":"X')
    batch = _warm(False).decode([own, new])
    assert set(batch.others) == {0, 1}
    first = batch.frame(0)
    assert isinstance(first, DeltaFrame)
    assert first.client_order_id == "alice-1"


def test_markets_with_like_names_are_told_apart() -> None:
    raw = _deltas()[0]
    names = [b"A", b"AB", b"ABC", b"BBC", b"ABD", b"AB", b"ABC", b"A"]
    frames = [re.sub(rb'"market_ticker":"[^"]*"', b'"market_ticker":"%s"' % name, raw) for name in names]
    decoder = Decoder(use_yes_price=False)
    batches = BatchDecoder(decoder)
    for name in sorted(set(names)):
        batches.number(name.decode())
    batch = batches.decode(frames)
    assert not batch.others
    assert [batch.frame(n) for n in range(len(names))] == [decoder.decode(frame) for frame in frames]
    picked = [len(batch.deltas_of(batches.number(t), price_grid(DECI_CENT))) for t in ("A", "AB", "ABC", "ABD", "X")]
    assert picked == [2, 2, 2, 1, 0]


def test_columns_feed_the_compiled_book_to_the_same_top_as_the_plain_one() -> None:
    grid = price_grid(DECI_CENT)
    decoder = Decoder(use_yes_price=False)
    # One connection's market from its first snapshot until the next frame with levels for it is a snapshot.
    frames = [f.raw for f in read_recording(ws_recording(NAMES[0])) if f.raw.startswith(b'{"type":"orderbook_')]
    first = decoder.decode(frames[0])
    assert isinstance(first, SnapshotFrame)
    run = list(takewhile(lambda raw: raw.startswith(b'{"type":"orderbook_delta"'), frames[1:]))
    assert len(run) > 1000
    batches = BatchDecoder(decoder)
    number = batches.number(first.book.ticker)
    batch = batches.decode(run)
    assert not batch.others
    compiled, plain = BatchBook(grid), Book(grid)
    for book in (compiled, plain):
        book.apply_snapshot(first.book.bids, first.book.asks)
    compiled.apply(batch.deltas_of(number, grid))
    for raw in run:
        delta = decoder.decode(raw)
        assert isinstance(delta, DeltaFrame)
        plain.apply_delta(delta.side, delta.price, delta.delta, delta.ts_ms)
    for side in Side:
        assert compiled.levels(side) == plain.levels(side)
    with pytest.raises(OffGridPrice):
        batch.deltas_of(number, price_grid(LINEAR_CENT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"price_dollars":"0.', b'"price_dollars":"0.0000","x":"0.'),
        (b'"seq":', b'"seq":0'),
        (b'"seq":', b'"seq":99999999999999999'),
        (b'"sid":2', b'"sid":-2'),
        (b'"sid":2', b'"sid":002'),
        (b'"delta_fp":"', b'"delta_fp":"--'),
        (b'"delta_fp":"', b'"delta_fp":"+'),
        (b'"delta_fp":"', b'"delta_fp":"00000000000000'),
        (b'"delta_fp":"', b'"delta_fp":"-0.00","y":"'),
        (b'"ts_ms":', b'"ts_ms":9999999999999999'),
        (b'"ts_ms":', b'"ts_ms":0'),
        (b'"ts":"', b'"ts":"\x1f'),
        (b'"ts":"', b'"ts":"\\u00zz'),
        (b'"market_id":"', b'"market_id":"\xff'),
        (b'"side":"', b'"side":"yes","side":"'),
        (b"}}", b"}} "),
        (b"}}", b"}}}"),
        (b"}}", b"}"),
        (b'{"type"', b' {"type"'),
    ],
)
def test_near_misses_mean_the_same_in_a_batch(old: bytes, new: bytes) -> None:
    for raw in _deltas()[:3]:
        assert old in raw
        changed = raw.replace(old, new, 1)
        assert _in_batch(_warm(False), changed) == _alone(Decoder(use_yes_price=False), changed)


def test_a_zero_price_and_a_leading_zero_are_refused_in_a_batch_too() -> None:
    zero = re.sub(rb'"price_dollars":"0\.\d{4}"', b'"price_dollars":"0.0000"', _deltas()[0])
    padded = re.sub(rb'"seq":(\d+)', rb'"seq":0\1', _deltas()[0])
    batch = _warm(True).decode([zero, padded])
    assert [type(batch.others[n]) for n in (0, 1)] == [BadField, MalformedFrame]


_PIECES = st.sampled_from(
    [
        b"0",
        b"9",
        b"-",
        b".",
        b'"',
        b"\\",
        b",",
        b"{",
        b"}",
        b"\x00",
        b"\xff",
        b"\xc3\xa9",
        b" ",
        b"e",
        b"yes",
        b"no",
        b"null",
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(0, 300),
    st.integers(0, 4),
    st.lists(_PIECES, max_size=3),
    st.booleans(),
)
def test_mutated_deltas_mean_the_same_in_a_batch(
    which: int, at: int, cut: int, pieces: list[bytes], use_yes_price: bool
) -> None:
    raw = _deltas()[which % len(_deltas())]
    at = min(at, len(raw))
    mutated = raw[:at] + b"".join(pieces) + raw[at + cut :]
    batches = _warm(use_yes_price)
    assert _in_batch(batches, mutated) == _alone(Decoder(use_yes_price=use_yes_price), mutated)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.binary(max_size=6), st.integers(0, 6))
def test_mutated_frames_give_only_frames_or_typed_errors(which: int, at: int, piece: bytes, cut: int) -> None:
    frames = _recorded()
    raw = frames[which % len(frames)]
    at %= len(raw) + 1
    _alone(Decoder(), raw[:at] + piece + raw[at + cut :])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_only_frames_or_typed_errors(raw: bytes) -> None:
    _alone(Decoder(), raw)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120))
def test_any_text_gives_only_frames_or_typed_errors(text: str) -> None:
    try:
        Decoder().decode(text)
    except BadMessage:
        return
