"""Chains made for tests, and everything somebody with the whole database in their hands could do to one.

Each way of tampering takes a chain and returns what is in the database afterwards: rows and head. A thorough insider
keeps the head in step with the rows wherever that helps them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from apps.governance.audit.chain import GENESIS, Entry, linked
from apps.governance.audit.verification import Mark, Verdict, verify

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ACTIONS = ("risk.limit.change", "approval.approve", "trading.parameters.change", "risk.kill_switch.trip")
PEOPLE = ("craig", "cliff", "scalper", "system:trading-session")


@dataclass(frozen=True, slots=True)
class Tampered:
    """`touched` is the first row that is not as it was, or, for a cut tail, would have been next."""

    rows: Sequence[Entry]
    head: tuple[int, str]
    touched: int


def chain_of(size: int, rng: Random) -> list[Entry]:
    rows: list[Entry] = []
    previous = GENESIS
    for number in range(1, size + 1):
        entry = linked(
            Entry(
                sequence=number,
                previous="",
                hash="",
                at=START + timedelta(microseconds=rng.randrange(10**12)),
                actor_id=rng.choice((None, 1, 2, 3)),
                actor=rng.choice(PEOPLE),
                action=rng.choice(ACTIONS),
                object_type="risk.RiskLimit",
                object_id=str(rng.randrange(1000)),
                before=rng.choice((None, {"value": str(rng.random()), "status": "open"})),
                after={"value": str(rng.random()), "by": rng.choice(PEOPLE), "rows": [1, None, True, "ä"]},
                reason=rng.choice(("", "the spread has widened since the open", "quote “as is”\n")),
                request_id=f"{rng.getrandbits(128):032x}",
                release="a114963",
            ),
            previous=previous,
        )
        rows.append(entry)
        previous = entry.hash
    return rows


def head_of(rows: Sequence[Entry]) -> tuple[int, str]:
    return (rows[-1].sequence, rows[-1].hash) if rows else (0, GENESIS)


def _changed(entry: Entry, rng: Random) -> Entry:
    name = rng.choice(
        ("at", "actor", "actor_id", "action", "object_type", "object_id", "before", "after", "reason", "request_id",
         "release")
    )  # fmt: skip
    value = getattr(entry, name)
    if name == "at":
        changed: object = value + timedelta(microseconds=rng.choice((-1, 1, 3_600_000_000)))
    elif name == "actor_id":
        changed = 99
    elif name in ("before", "after"):
        changed = rng.choice(({"value": "0"}, {**(value or {}), "x": rng.getrandbits(20)}))
    else:
        changed = f"{value}{rng.choice('x 0')}"
    return entry._replace(**{name: changed})


def _relinked(rows: Sequence[Entry], previous: str, first: int) -> list[Entry]:
    """The rows hashed anew, one behind the other, numbered from `first`."""
    made = []
    for number, row in enumerate(rows, first):
        made.append(linked(row._replace(sequence=number), previous=previous))
        previous = made[-1].hash
    return made


def edit(rows: list[Entry], rng: Random) -> Tampered:
    at = rng.randrange(len(rows))
    return Tampered([*rows[:at], _changed(rows[at], rng), *rows[at + 1 :]], head_of(rows), at + 1)


def edit_and_rehash(rows: list[Entry], rng: Random) -> Tampered:
    at = rng.randrange(len(rows) - 1)
    row = linked(_changed(rows[at], rng), previous=rows[at].previous)
    return Tampered([*rows[:at], row, *rows[at + 1 :]], head_of(rows), at + 1)


def delete(rows: list[Entry], rng: Random) -> Tampered:
    """One row; in every second trial the rows behind are renumbered, with the head, so that no number is missing."""
    at = rng.randrange(len(rows) - 1)
    if rng.random() < 0.5:
        return Tampered([*rows[:at], *rows[at + 1 :]], head_of(rows), at + 1)
    rest = [row._replace(sequence=row.sequence - 1) for row in rows[at + 1 :]]
    return Tampered([*rows[:at], *rest], (rows[-1].sequence - 1, rows[-1].hash), at + 1)


def swap(rows: list[Entry], rng: Random) -> Tampered:
    """Two rows change places: with their hashes, or only what they say."""
    one, other = sorted(rng.sample(range(len(rows)), 2))
    changed, keeps = list(rows), ("sequence",) if rng.random() < 0.5 else ("sequence", "previous", "hash")
    changed[one] = rows[other]._replace(**{name: getattr(rows[one], name) for name in keeps})
    changed[other] = rows[one]._replace(**{name: getattr(rows[other], name) for name in keeps})
    return Tampered(changed, head_of(rows), one + 1)


def insert(rows: list[Entry], rng: Random) -> Tampered:
    """A row that was never recorded, rightly hashed: the rest renumbered, or with a number that another has."""
    at = rng.randrange(1, len(rows) - 1)
    forged = linked(_changed(rows[at], rng)._replace(sequence=at + 1), previous=rows[at - 1].hash)
    if rng.random() < 0.5:
        both = [forged, rows[at]] if rng.random() < 0.5 else [rows[at], forged]
        return Tampered([*rows[:at], *both, *rows[at + 1 :]], head_of(rows), at + 1)
    rest = [row._replace(sequence=row.sequence + 1) for row in rows[at:]]
    return Tampered([*rows[:at], forged, *rest], (rows[-1].sequence + 1, rows[-1].hash), at + 1)


def cut_tail(rows: list[Entry], rng: Random) -> Tampered:
    kept = rows[: rng.randrange(len(rows))]
    return Tampered(kept, head_of(kept), len(kept) + 1)


def rewrite_after(rows: list[Entry], rng: Random) -> Tampered:
    """One row changed and everything behind it hashed anew: as good as the real thing, but for the signed head."""
    at = rng.randrange(len(rows))
    before = rows[at].previous
    rest = _relinked([_changed(rows[at], rng), *rows[at + 1 :]], before, at + 1)
    return Tampered([*rows[:at], *rest], head_of(rest), at + 1)


Way = Callable[[list[Entry], Random], Tampered]
WAYS: dict[str, Way] = {
    "edit a row": edit,
    "edit and re-hash it": edit_and_rehash,
    "delete a row": delete,
    "swap two rows": swap,
    "insert a row": insert,
    "cut the tail": cut_tail,
    "rewrite everything after a point": rewrite_after,
}
NEED_ANCHOR = ("cut the tail", "rewrite everything after a point")
"""Ways that leave a chain which is right in itself: without a signed head kept outside they cannot be found."""


def judged(tampered: Tampered, marks: Sequence[Mark]) -> Verdict:
    return verify(tampered.rows, marks=marks, head=tampered.head)
