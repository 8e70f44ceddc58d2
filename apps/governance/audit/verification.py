"""Walks the chain and says what is wrong with it, row by row: pure, so that bundles and tests judge alike.

A row can be wrong in itself (its hash is not that of what it says), wrongly linked (it was written behind another row
than the one before it now), or wrongly numbered. Which of these, together with the rows around it, tells what was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

from .chain import GENESIS, Entry, entry_hash

MAX_BREAKS = 50
_NEAR = (1, -1, 2, -2, 3, -3)


class Kind(StrEnum):
    EDITED = "edited"
    REMOVED = "removed"
    INSERTED = "inserted"
    SWAPPED = "swapped"
    TAIL_CUT = "tail cut"
    HEAD_MISMATCH = "head mismatch"
    ANCHOR_MISMATCH = "anchor mismatch"
    ANCHOR_FORGED = "anchor forged"
    UNGUARDED = "unguarded"


@dataclass(frozen=True, slots=True)
class Break:
    """What is wrong, at which row, in words that name the rows."""

    kind: Kind
    sequence: int
    detail: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A stored row that no longer is one: its time, its JSON or its number cannot be read."""

    sequence: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A signed head: at `sequence` the chain had `hash`; `source` says who keeps it."""

    sequence: int
    hash: str
    source: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`last` and `hash` are those of the last row read; `count` of all breaks, of which the first are kept."""

    rows: int
    last: int
    hash: str
    breaks: tuple[Break, ...]
    count: int

    @property
    def is_intact(self) -> bool:
        return self.count == 0


@dataclass(slots=True)
class _Walk:
    expected: int
    last_hash: str
    start: int
    rows: int = 0
    shift: int = 0
    matched: int = 0
    """The newest row that a signed head confirms."""
    breaks: list[Break] = field(default_factory=list)
    count: int = 0
    odd: list[Entry] = field(default_factory=list)
    shifts: dict[int, int] = field(default_factory=dict)
    unlinked: list[int] = field(default_factory=list)
    mismatched: set[str] = field(default_factory=set)

    def found(self, kind: Kind, sequence: int, detail: str) -> None:
        self.count += 1
        if len(self.breaks) < MAX_BREAKS:
            self.breaks.append(Break(kind, sequence, detail))


def verify(
    entries: Iterable[Entry | Unreadable],
    *,
    marks: Sequence[Mark] = (),
    head: tuple[int, str] | None = None,
    start: tuple[int, str] = (0, GENESIS),
) -> Verdict:
    """Walks `entries`, ordered by sequence, which follow the row `start` (number, hash).

    `head` is what the chain says of its own end, `marks` are signed heads kept elsewhere. Rows in `entries` younger
    than the newest mark can have been cut or rewritten together with the head without any of this noticing.
    """
    walk = _Walk(expected=start[0] + 1, last_hash=start[1], start=start[0])
    at: dict[int, list[Mark]] = {}
    for mark in marks:
        at.setdefault(mark.sequence, []).append(mark)
    _compare(walk, at, start[0], start[1])
    for entry in entries:
        walk.rows += 1
        if isinstance(entry, Unreadable):
            _unreadable(walk, entry)
            continue
        is_next = entry.sequence == walk.expected and entry.previous == walk.last_hash and _is_own(entry)
        if not is_next and not _judged(walk, entry):
            continue
        walk.last_hash = entry.hash
        walk.expected = entry.sequence + 1
        if entry.sequence in at:
            _compare(walk, at, entry.sequence, entry.hash)
    _explain(walk)
    _explain_links(walk)
    _judge_end(walk, marks, head)
    walk.breaks.sort(key=lambda broken: broken.sequence)
    return Verdict(walk.rows, walk.expected - 1, walk.last_hash, tuple(walk.breaks), walk.count)


def _is_own(entry: Entry, sequence: int | None = None) -> bool:
    """Whether the stored hash is that of what the row says, under its own number or another."""
    try:
        return entry_hash(entry, sequence=sequence) == entry.hash
    except (TypeError, ValueError):
        return False


def _unreadable(walk: _Walk, row: Unreadable) -> None:
    if row.sequence == walk.expected:
        walk.found(Kind.EDITED, row.sequence, f"row {row.sequence} cannot be read any more: {row.detail}")
        walk.expected += 1
        walk.last_hash = ""
    else:
        walk.found(Kind.INSERTED, row.sequence or walk.expected, f"a row that is none: {row.detail}")


def _judged(walk: _Walk, entry: Entry) -> bool:
    """Whether the walk goes on from this row; what is wrong with it has been noted."""
    if entry.sequence < walk.expected:
        walk.found(Kind.INSERTED, entry.sequence, f"row {entry.sequence} exists more than once")
        return False
    if entry.sequence > walk.expected:
        walk.found(Kind.REMOVED, walk.expected, _rows_text(walk.expected, entry.sequence - 1, "removed"))
        walk.expected, walk.last_hash = entry.sequence, ""
    if walk.shift and _is_own(entry, entry.sequence + walk.shift) and entry.previous == walk.last_hash:
        return True
    if not _is_own(entry):
        _note_odd(walk, entry)
    elif walk.last_hash and entry.previous != walk.last_hash:
        walk.unlinked.append(entry.sequence - 1)
    return True


def _note_odd(walk: _Walk, entry: Entry) -> None:
    """Keeps a row that is wrong in itself until its neighbors are known; a renumbered one tells by how much."""
    for step in _NEAR:
        if entry.sequence + step > 0 and _is_own(entry, entry.sequence + step):
            walk.shift = walk.shifts[entry.sequence] = step
            break
    if len(walk.odd) < MAX_BREAKS:
        walk.odd.append(entry)
    else:
        walk.count += 1


def _explain(walk: _Walk) -> None:
    """Names what was done to the rows that are wrong in themselves."""
    by_sequence = {entry.sequence: entry for entry in walk.odd}
    for one, other in combinations(walk.odd, 2):
        if {one.sequence, other.sequence} <= by_sequence.keys() and _are_swapped(one, other):
            walk.found(Kind.SWAPPED, one.sequence, f"rows {one.sequence} and {other.sequence} changed places")
            del by_sequence[one.sequence], by_sequence[other.sequence]
    for sequence in list(by_sequence):
        step = walk.shifts.get(sequence, 0)
        if step > 0:
            text = f"{_many(step)} removed before row {sequence}, and the rows behind were renumbered"
            walk.found(Kind.REMOVED, sequence, text)
        elif step < 0:
            first = sequence + step
            walk.found(Kind.INSERTED, first, f"{_rows_text(first, sequence - 1, 'inserted')}, the rest renumbered")
            for inserted in range(first, sequence):
                by_sequence.pop(inserted, None)
    for sequence in by_sequence.keys() - walk.shifts.keys():
        walk.found(Kind.EDITED, sequence, f"row {sequence} was edited: its hash is not that of what it says")


def _explain_links(walk: _Walk) -> None:
    """Names the rows whose successors were written on another hash; those wrong in themselves are named already."""
    odd = {entry.sequence for entry in walk.odd}
    for sequence in walk.unlinked:
        if sequence in odd:
            continue
        if sequence <= walk.start:
            text = f"row {sequence + 1} does not follow the row it was written behind"
            walk.found(Kind.EDITED, sequence + 1, text)
        else:
            text = f"row {sequence} was edited and hashed again: the row behind it was written on another hash"
            walk.found(Kind.EDITED, sequence, text)


def _are_swapped(one: Entry, other: Entry) -> bool:
    """Whole rows with their hashes changed places, or only what they say."""
    if _is_own(one, other.sequence) and _is_own(other, one.sequence):
        return True
    try:
        return (
            entry_hash(one, sequence=other.sequence, previous=other.previous) == other.hash
            and entry_hash(other, sequence=one.sequence, previous=one.previous) == one.hash
        )
    except (TypeError, ValueError):
        return False


def _compare(walk: _Walk, at: Mapping[int, list[Mark]], sequence: int, found: str) -> None:
    marks = at.get(sequence, [])
    for mark in marks:
        if mark.hash != found and mark.source not in walk.mismatched:
            walk.mismatched.add(mark.source)
            since = f"after row {walk.matched}" if walk.matched else "from the first row on"
            text = f"row {sequence} is not the one signed ({mark.source}): rewritten somewhere {since}"
            walk.found(Kind.ANCHOR_MISMATCH, sequence, text)
    if marks and all(mark.hash == found for mark in marks):
        walk.matched = sequence


def _judge_end(walk: _Walk, marks: Sequence[Mark], head: tuple[int, str] | None) -> None:
    last = walk.expected - 1
    if beyond := [mark for mark in marks if mark.sequence > last]:
        newest = max(mark.sequence for mark in beyond)
        sources = ", ".join(sorted({mark.source for mark in beyond}))
        text = f"{_rows_text(last + 1, newest, 'cut off the end')}: row {newest} was signed ({sources})"
        walk.found(Kind.TAIL_CUT, last + 1, text)
    if head is None:
        return
    if head[0] > last:
        walk.found(Kind.TAIL_CUT, last + 1, f"{_rows_text(last + 1, head[0], 'missing')}: the head stands at {head[0]}")
    elif head[0] < last:
        walk.found(Kind.INSERTED, head[0] + 1, f"{_rows_text(head[0] + 1, last, 'beyond the head')}")
    elif walk.last_hash and head[1] != walk.last_hash:
        walk.found(Kind.HEAD_MISMATCH, last, f"the head does not hold the hash of the last row {last}")


def _many(count: int) -> str:
    return "1 row was" if count == 1 else f"{count} rows were"


def _rows_text(first: int, last: int, what: str) -> str:
    if first == last:
        return f"row {first} {what}"
    return f"rows {first} to {last} {what}"
