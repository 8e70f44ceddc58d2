"""The chain by itself: what its hash covers, and that every way of tampering is found and called by its name."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.governance.audit.chain import GENESIS, Entry, canonical, entry_hash, linked, value_hash
from apps.governance.audit.verification import MAX_BREAKS, Kind, Mark, Unreadable, verify

from . import tampering
from .tampering import NEED_ANCHOR, START, WAYS, Tampered, chain_of, head_of, judged

TRIALS = 150
SIZE = 12
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.builds(
    Entry,
    sequence=st.integers(1, 2**62),
    previous=st.text(max_size=64),
    hash=st.just(""),
    at=st.datetimes(timezones=st.just(UTC)),
    actor_id=st.none() | st.integers(1, 2**40),
    actor=st.text(),
    action=st.text(),
    object_type=st.text(),
    object_id=st.text(),
    before=JSON,
    after=JSON,
    reason=st.text(),
    request_id=st.text(),
    release=st.text(),
)


@given(ENTRIES)
@settings(max_examples=200)
def test_the_hash_is_that_of_the_canonical_json_of_every_field(entry: Entry) -> None:
    said: dict[str, Any] = {**entry._asdict(), "at": entry.at.isoformat(timespec="microseconds")}
    del said["hash"]
    said |= {name: value_hash(said[name]) for name in ("before", "after")}
    assert entry_hash(entry) == hashlib.sha256(canonical(said).encode()).hexdigest()


@given(JSON)
@settings(max_examples=200)
def test_a_value_has_the_same_hash_after_a_trip_through_json(value: Any) -> None:
    assert value_hash(json.loads(json.dumps(value))) == value_hash(value)


def test_the_same_moment_in_another_zone_is_the_same_entry() -> None:
    (entry,) = chain_of(1, Random(1))
    moved = entry._replace(at=entry.at.astimezone(timezone(timedelta(hours=-5))))
    assert entry_hash(moved) == entry.hash


def test_a_time_without_a_zone_is_refused() -> None:
    (entry,) = chain_of(1, Random(1))
    with pytest.raises(ValueError, match="aware"):
        entry_hash(entry._replace(at=datetime(2026, 11, 20)))  # noqa: DTZ001  the point of the test


def test_an_untouched_chain_is_intact_down_to_its_head() -> None:
    rows = chain_of(SIZE, Random(2))
    verdict = judged(Tampered(rows, head_of(rows), 0), [Mark(SIZE, rows[-1].hash, "x"), Mark(5, rows[4].hash, "x")])
    assert (verdict.is_intact, verdict.rows, verdict.last, verdict.hash) == (True, SIZE, SIZE, rows[-1].hash)


def test_an_empty_chain_is_intact() -> None:
    assert verify([], head=(0, GENESIS)).is_intact


@pytest.mark.parametrize("name", WAYS)
def test_every_way_of_tampering_is_found(name: str) -> None:
    rng = Random(name)
    for _ in range(TRIALS):
        rows = chain_of(SIZE, rng)
        outside = Mark(SIZE, rows[-1].hash, "outside")
        verdict = judged(WAYS[name](rows, rng), [outside])
        assert not verdict.is_intact


@pytest.mark.parametrize("name", NEED_ANCHOR)
def test_what_needs_a_signed_head_is_not_found_without_one(name: str) -> None:
    """This is the window: what is younger than the newest anchor kept outside can be cut or written anew."""
    rng = Random(name)
    for _ in range(20):
        rows = chain_of(SIZE, rng)
        assert judged(WAYS[name](rows, rng), []).is_intact


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("edit a row", {Kind.EDITED}),
        ("edit and re-hash it", {Kind.EDITED}),
        ("delete a row", {Kind.REMOVED}),
        ("swap two rows", {Kind.SWAPPED}),
        ("insert a row", {Kind.INSERTED}),
        ("cut the tail", {Kind.TAIL_CUT}),
        ("rewrite everything after a point", {Kind.ANCHOR_MISMATCH}),
    ],
)
def test_it_is_called_by_its_name_and_row(name: str, kinds: set[Kind]) -> None:
    rng = Random(name + "named")
    for _ in range(TRIALS):
        rows = chain_of(SIZE, rng)
        tampered = WAYS[name](rows, rng)
        verdict = judged(tampered, [Mark(SIZE, rows[-1].hash, "outside")])
        named = [found for found in verdict.breaks if found.kind in kinds]
        assert named, (tampered.touched, verdict.breaks)
        if name in NEED_ANCHOR:
            continue
        assert named[0].sequence == tampered.touched, verdict.breaks


def test_an_anchor_narrows_down_where_a_chain_was_rewritten() -> None:
    rows = chain_of(SIZE, Random(3))
    rest = tampering._relinked([rows[7]._replace(reason="other"), *rows[8:]], rows[6].hash, 8)
    marks = [Mark(6, rows[5].hash, "b"), Mark(10, rows[9].hash, "b"), Mark(12, rows[11].hash, "b")]
    (found,) = verify([*rows[:7], *rest], marks=marks, head=head_of(rest)).breaks
    assert (found.kind, found.sequence) == (Kind.ANCHOR_MISMATCH, 10)
    assert "after row 6" in found.detail


def test_a_walk_may_begin_behind_a_known_row() -> None:
    rows = chain_of(SIZE, Random(4))
    assert verify(rows[5:], start=(5, rows[4].hash), head=head_of(rows)).is_intact
    (found,) = verify(rows[5:], start=(5, "f" * 64), head=head_of(rows)).breaks
    assert (found.kind, found.sequence) == (Kind.EDITED, 6)


def test_a_row_that_cannot_be_read_does_not_hide_the_next_finding() -> None:
    rows = chain_of(SIZE, Random(5))
    spoiled = [*rows[:3], Unreadable(4, "bad JSON"), *rows[4:8], rows[8]._replace(reason="x"), *rows[9:]]
    found = verify(spoiled, head=head_of(rows)).breaks
    assert [(f.kind, f.sequence) for f in found] == [(Kind.EDITED, 4), (Kind.EDITED, 9)]
    assert verify([*rows, Unreadable(None, "its number is no number")], head=head_of(rows)).count == 1


def test_the_head_is_part_of_it() -> None:
    rows = chain_of(SIZE, Random(6))
    for head, kind in [
        ((SIZE, "f" * 64), Kind.HEAD_MISMATCH),
        ((SIZE + 1, rows[-1].hash), Kind.TAIL_CUT),
        ((SIZE - 1, rows[-2].hash), Kind.INSERTED),
    ]:
        (found,) = verify(rows, head=head).breaks
        assert found.kind is kind


def test_many_breaks_are_counted_but_not_all_told() -> None:
    rows = chain_of(3 * MAX_BREAKS, Random(7))
    verdict = verify([row._replace(reason="x") for row in rows], head=head_of(rows))
    assert len(verdict.breaks) <= MAX_BREAKS
    assert verdict.count >= len(rows)


def test_odd_values_are_hashed_as_they_are_kept() -> None:
    """Empty and missing are different, and so are texts that look alike."""
    base = chain_of(1, Random(8))[0]
    odd: list[Any] = [None, {}, {"a": None}, {"a": ""}, {"a": 0}, {"a": False}, {"a": "0"}, {"a": [0]}, {"á": 1}]
    hashes = {linked(base._replace(after=value), previous=GENESIS).hash for value in odd}
    assert len(hashes) == len(odd)
    assert START.tzinfo is UTC
