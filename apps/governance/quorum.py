"""How many signatures of which roles a change needs, and which of them are still missing. Nothing here reads a row.

Needs map roles to a number of people: {"boss": 1} or, where either role will do, {"boss|risk": 1}. `ANY` stands for
everybody who may approve at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.core.exceptions import Refused

ANY = "*"
MAX_SIGNERS = 5
Needs = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who may approve; `roles` are those that count for the change in question."""

    user_id: int
    name: str
    roles: frozenset[str]

    def fits(self, need: str) -> bool:
        return need == ANY or bool(self.roles & alternatives(need))


def alternatives(need: str) -> frozenset[str]:
    return frozenset(need.split("|"))


def checked_needs(needs: object) -> dict[str, int]:
    """The needs with the alternatives of each in order; raises `Refused` for what asks for nobody or for nonsense."""
    if not isinstance(needs, Mapping) or not needs:
        raise Refused("A rule asks for at least one signature", code="bad_needs", extra={"field": "needs"})
    for need, count in needs.items():
        if not isinstance(need, str) or not need or not isinstance(count, int) or not 1 <= count <= MAX_SIGNERS:
            words = f"A rule asks for 1 to {MAX_SIGNERS} signatures of a role"
            raise Refused(words, code="bad_needs", extra={"field": "needs"})
    return {"|".join(sorted(alternatives(need))): count for need, count in needs.items()}


def strictest(asked: Iterable[Needs]) -> dict[str, int]:
    """What satisfies all of them: the most of each role, people counted once.

    What asks for one kind of signature that another asks for more narrowly adds nothing ("boss" does for "boss|risk").
    """
    rules = [checked_needs(needs) for needs in asked]
    most: dict[str, int] = {}
    for rule in rules:
        if not any(_implies(other, rule) for other in rules):
            most |= {need: max(count, most.get(need, 0)) for need, count in rule.items()}
    return most


def _implies(other: Needs, rule: Needs) -> bool:
    need, count = next(iter(rule.items()))
    return len(rule) == 1 and any(
        alternatives(narrower) < alternatives(need) and enough >= count for narrower, enough in other.items()
    )


def with_stand_ins(needs: Needs, able: Sequence[Signer], barred: Sequence[Signer]) -> dict[str, int]:
    """Where only the requester or the last editor could have filled a place, anybody else who may approve stands in.

    `barred` are those two. A place that is empty for any other reason stays empty, and nothing is applied.
    """
    opened: Counter[str] = Counter()
    for need, count in needs.items():
        short = max(0, count - sum(signer.fits(need) for signer in able))
        stands_in = min(short, sum(signer.fits(need) for signer in barred))
        opened[need] += count - stands_in
        opened[ANY] += stands_in
    return {need: count for need, count in opened.items() if count}


def missing(needs: Needs, signers: Sequence[Signer]) -> dict[str, int]:
    """The places that cannot be filled when each person fills at most one of those that fit."""
    places = [need for need, count in sorted(needs.items()) for _ in range(count)]
    taken: dict[int, int] = {}

    def place(signer: int, tried: set[int]) -> bool:
        for at, need in enumerate(places):
            if at in tried or not signers[signer].fits(need):
                continue
            tried.add(at)
            if at not in taken or place(taken[at], tried):
                taken[at] = signer
                return True
        return False

    for signer in range(len(signers)):
        place(signer, set())
    return dict(Counter(need for at, need in enumerate(places) if at not in taken))
