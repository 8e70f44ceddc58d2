"""What may be in force, told independently of the code under test: who asked, who signed what, and which rules hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import permutations
from typing import Any

APPROVERS = frozenset({"boss", "operations", "risk"})
RAISERS = frozenset({"boss", "risk"})
PROPOSERS = frozenset({"trader", "operations", "risk", "boss"})
GLASS_BREAKERS = frozenset({"boss", "operations"})
Needs = Mapping[str, int]


@dataclass
class Person:
    name: str
    roles: set[str]
    is_active: bool = True

    def has(self, roles: frozenset[str]) -> bool:
        return self.is_active and bool(self.roles & roles)


@dataclass
class Wording:
    editor: str
    payload: Any
    base: Any
    expires: datetime
    apply_after: datetime | None
    signers: set[str] = field(default_factory=set)


@dataclass
class Asked:
    """One request as the oracle has seen it come about; `is_altered` once anything touched its rows by other means."""

    action: str
    target: str
    requester: str
    wordings: list[Wording]
    is_closed: bool = False
    is_altered: bool = False

    @property
    def last(self) -> Wording:
        return self.wordings[-1]


@dataclass
class Oracle:
    people: dict[str, Person]
    asked: dict[int, Asked] = field(default_factory=dict)
    rules: dict[str, Needs] = field(default_factory=dict)

    def why_not_signed(self, key: int, name: str, revision: int, fresh: bool, now: datetime) -> str:
        """Empty when this person may decide on this revision now."""
        one = self.asked[key]
        problems = {
            "closed": one.is_closed,
            "altered": one.is_altered,
            "another revision": revision != len(one.wordings),
            "requester": name == one.requester,
            "editor": name == one.last.editor,
            "no right": not self.people[name].has(APPROVERS),
            "stale factor": not fresh,
            "expired": now >= one.last.expires,
            "twice": name in one.last.signers,
        }
        return ", ".join(word for word, is_so in problems.items() if is_so)

    def why_not_applied(self, key: int, current: Any, now: datetime) -> str:
        """Empty when the request may take effect on a target that stands at `current`."""
        one = self.asked[key]
        problems = {
            "closed": one.is_closed,
            "altered": one.is_altered,
            "base": one.last.base != current,
            "expired": now >= one.last.expires,
            "too early": one.last.apply_after is not None and now < one.last.apply_after,
            "signatures": not self._is_signed(one),
        }
        return ", ".join(word for word, is_so in problems.items() if is_so)

    def _is_signed(self, one: Asked) -> bool:
        barred = {one.requester, one.last.editor}
        raising = one.action == "governance.signoff.change" or one.last.payload >= one.last.base
        able = [p for p in self.people.values() if p.has(APPROVERS) and p.name not in barred]
        signed = [p for p in able if p.name in one.last.signers]
        held_back = [self.people[name] for name in barred if self.people[name].has(APPROVERS)]
        asked_for: list[Needs] = [{"boss": 1} if raising else {"boss|operations|risk": 1}]
        asked_for += [needs for rule, needs in self.rules.items() if _matches(rule, one.action, raising)]
        return all(_is_met(needs, signed, able, held_back, raising) for needs in asked_for)


def _matches(rule: str, action: str, raising: bool) -> bool:
    pattern, _, direction = rule.split(":")
    return fnmatchcase(action, pattern) and direction in ("", "raises" if raising else "neutral")


def _is_met(
    needs: Needs, signed: Sequence[Person], able: Sequence[Person], barred: Sequence[Person], raising: bool
) -> bool:
    """Some assignment of one person to each place fits, by trying all of them."""
    places = [(role, number) for role, count in needs.items() for number in range(count)]

    def fits(person: Person, role: str, number: int) -> bool:
        if _counts(person, role, raising):
            return True
        present = sum(_counts(other, role, raising) for other in able)
        return number >= present and any(_counts(other, role, raising) for other in barred)

    return any(
        all(fits(person, *place) for person, place in zip(order, places, strict=True))
        for order in permutations(signed, len(places))
    )


def _counts(person: Person, role: str, raising: bool) -> bool:
    return bool(person.roles & set(role.split("|"))) and (not raising or bool(person.roles & RAISERS))
