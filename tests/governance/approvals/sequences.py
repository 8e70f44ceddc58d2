"""Random sequences of everything people and an intruder with a database connection can do, against the oracle."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import DatabaseError, transaction

from apps.core.exceptions import ApplicationError
from apps.core.stepup import FreshFactor, StepUpNeeded
from apps.governance.models import ApprovalRequest
from apps.governance.services import (
    approval_apply_due,
    approval_expire_due,
    approval_withdraw,
    signoff_change_request,
)
from tests.factories import NOW, fresh_factor
from tests.governance.conftest import ACTION, NumberHandler

from .acts import WHY, ask, edit, sign, smash
from .intruder import Intruder
from .oracle import GLASS_BREAKERS, PROPOSERS, RAISERS, Asked, Oracle, Person, Wording

TEAM = {
    "craig": "boss",
    "cliff": "operations",
    "rita": "risk",
    "rolf": "risk",
    "scalper": "trader",
    "viewer": "viewer",
    "root": "technical_admin",
    "eve": "",
}
RULES = (f"{ACTION}::raises", "*::", "governance.*::")
NEEDS = ({"risk": 1}, {"boss": 1, "risk": 1}, {"risk": 2}, None)


class Bypass(AssertionError):
    """Something is in force that nobody signed for."""


class Sequence(Intruder):
    """One sequence; the caller rolls the database back afterwards. `counts` says what came of the steps."""

    def __init__(self, number: NumberHandler, people: dict[str, User], seed: int, only: Collection[str] = ()) -> None:
        self.number, self.people, self.random = number, people, random.Random(seed)
        self.now, self.counts = NOW, Counter[str]()
        self.oracle = Oracle({name: Person(name, {role} - {""}) for name, role in TEAM.items()})
        number.numbers = {"1": 5, "2": 7}
        self.steps: list[Callable[[], None]] = [
            *[self.ask] * 3, *[self.sign] * 8, *[self.edit] * 2, self.reject, self.withdraw, self.glass, self.rule,
            self.clock, self.beat, self.role, self.tamper, self.forge, self.reopen, self.weaken_rule, self.replay,
        ]  # fmt: skip
        if only:
            self.steps = [step for step in self.steps if step.__name__ in only]

    def run(self, length: int) -> None:
        for _ in range(length):
            step = self.random.choice(self.steps)
            before = dict(self.number.numbers)
            self.allowed: set[tuple[str, int]] = set()
            try:
                step()
                self.counts[f"{step.__name__} done"] += 1
            except (ApplicationError, StepUpNeeded, DatabaseError):
                self.counts[f"{step.__name__} refused"] += 1
            self._settle(before, step.__name__)

    # What people do

    def ask(self) -> None:
        name, target = self._name(), self.random.choice("12")
        old, value = self.number.numbers[target], self.random.randrange(3, 15)
        wait = self.random.choice([None, None, timedelta(hours=1)])
        if value < old and wait is None and self.oracle.people[name].has(PROPOSERS):
            self.allowed.add((target, value))
        made = ask(
            self.people[name], value, target=target, now=self.now, apply_after=None if wait is None else self.now + wait
        )
        if not self.oracle.people[name].has(PROPOSERS):
            raise Bypass(f"{name} asked without the right")
        if made.status == "open":
            self._note(made, name, value, old)

    def rule(self) -> None:
        name, key, needs = self._name(), self.random.choice(RULES), self.random.choice(NEEDS)
        action, environment, direction = key.split(":")
        made = signoff_change_request(
            action=action,
            environment=environment,
            direction=direction,
            needs=needs,
            reason=WHY,
            actor=self.people[name],
            now=self.now,
        )
        self._note(made, name, needs, self.oracle.rules.get(key))

    def sign(self, vote: str = "approve") -> None:
        """Half of the time by somebody who may well sign, with all in order; else anybody, anyhow."""
        key, name = self._key(), self._name()
        revision, factor = len(self.oracle.asked[key].wordings), self._factor(name)
        if self.random.random() < 0.5:
            name = self.random.choice([n for n, p in self.oracle.people.items() if p.roles & RAISERS] or ["craig"])
            factor = fresh_factor(self.people[name], self.now)
        else:
            revision -= self.random.choice([0, 0, 1])
        fresh = factor is not None and factor.user_id == self.people[name].pk and factor.verified_at == self.now
        sign(self._row(key), self.people[name], vote, revision=revision, factor=factor, now=self.now)
        if why := self.oracle.why_not_signed(key, name, revision, fresh, self.now):
            raise Bypass(f"{name} decided on {key}: {why}")
        if vote == "approve":
            self.oracle.asked[key].last.signers.add(name)

    def reject(self) -> None:
        self.sign("reject")

    def edit(self) -> None:
        key, name = self._key(), self._name()
        one = self.oracle.asked[key]
        value = self.random.choice([None, self.random.randrange(1, 12)]) if one.action == ACTION else None
        made = edit(self._row(key), self.people[name], value, revision=len(one.wordings), now=self.now)
        if one.is_closed or one.is_altered or not self.oracle.people[name].has(PROPOSERS):
            raise Bypass(f"{name} edited {key}")
        payload = made.payload["value"] if one.action == ACTION else made.payload["needs"]
        one.wordings.append(self._wording(made, name, payload, self._current(one)))

    def withdraw(self) -> None:
        key, name = self._key(), self._name()
        approval_withdraw(request_id=key, reason=WHY, actor=self.people[name], now=self.now)
        if name != self.oracle.asked[key].requester:
            raise Bypass(f"{name} withdrew {key}")

    def glass(self) -> None:
        name, value = self._name(), self.random.randrange(1, 12)
        factor = self._factor(name)
        fresh = factor == fresh_factor(self.people[name], self.now)
        if fresh and self.oracle.people[name].has(GLASS_BREAKERS):
            self.allowed.add(("1", value))
        smash(self.people[name], value, factor=factor, now=self.now)

    # What happens by itself

    def clock(self) -> None:
        self.now += timedelta(minutes=self.random.choice([1, 30, 61, 600, 1441]))

    def beat(self) -> None:
        approval_apply_due(now=self.now)
        approval_expire_due(now=self.now)

    def role(self) -> None:
        """The technical admin gives or takes a role, or lets somebody go."""
        name = self._name()
        person, user = self.oracle.people[name], self.people[name]
        if self.random.random() < 0.3:
            person.is_active = not person.is_active
            User.objects.filter(pk=user.pk).update(is_active=person.is_active)
            return
        role = self.random.choice(["boss", "operations", "risk", "trader"])
        person.roles ^= {role}
        group = Group.objects.get(name=role)
        (user.groups.add if role in person.roles else user.groups.remove)(group)

    # The oracle's eye on it

    def _settle(self, before: dict[str, int], step: str) -> None:
        """Everything that came into force in this step must be allowed, and is taken over into the oracle."""
        for key, status, path in ApprovalRequest.objects.values_list("pk", "status", "path"):
            one = self.oracle.asked.get(key)
            if one is None or path != "signed" or one.is_closed or status == "open":
                continue
            if status == "applied":
                current = before[one.target] if one.action == ACTION else self.oracle.rules.get(one.target)
                if why := self.oracle.why_not_applied(key, current, self.now):
                    raise Bypass(f"{step}: request {key} was applied: {why}")
                self._in_force(one)
            one.is_closed = True
        for target, value in self.number.numbers.items():
            if value != before[target] and (target, value) not in self.allowed:
                raise Bypass(f"{step}: number {target} went from {before[target]} to {value}")

    def _in_force(self, one: Asked) -> None:
        self.counts["applied"] += 1
        if one.action == ACTION:
            self.allowed.add((one.target, one.last.payload))
            self.counts["raised by signature"] += one.last.payload > one.last.base
        else:
            self.oracle.rules.pop(one.target, None)
            if one.last.payload is not None:
                self.oracle.rules[one.target] = one.last.payload
            self.counts["rule changed"] += 1

    def _note(self, made: ApprovalRequest, name: str, payload: Any, base: Any) -> None:
        target = made.target_id
        self.oracle.asked[made.pk] = Asked(made.action, target, name, [self._wording(made, name, payload, base)])

    def _wording(self, made: ApprovalRequest, name: str, payload: Any, base: Any) -> Wording:
        return Wording(name, payload, base, made.expires_at, made.apply_after)

    def _current(self, one: Asked) -> Any:
        return self.number.numbers[one.target] if one.action == ACTION else self.oracle.rules.get(one.target)

    def _name(self) -> str:
        return self.random.choice(["craig", "rita", "cliff", "rolf", "scalper", *TEAM])

    def _key(self) -> int:
        """A request, mostly one that still waits."""
        keys = list(self.oracle.asked)
        if not keys:
            raise ApplicationError("nothing was asked for yet")
        waiting = [key for key in keys if not self.oracle.asked[key].is_closed]
        return self.random.choice(waiting if waiting and self.random.random() < 0.9 else keys)

    def _factor(self, name: str) -> FreshFactor | None:
        user = self.people[name]
        return self.random.choice(
            [
                *[fresh_factor(user, self.now)] * 8,
                None,
                fresh_factor(user, self.now - timedelta(minutes=6)),
                fresh_factor(self.people["eve"] if name != "eve" else self.people["cliff"], self.now),
            ]
        )


def run_sequences(
    number: NumberHandler, people: dict[str, User], *, seeds: range, length: int, only: Collection[str] = ()
) -> tuple[Counter[str], list[str]]:
    """Runs one sequence per seed, each in a transaction that is rolled back; returns counts and what got through.

    `only` narrows the steps to those named.
    """
    counts, found = Counter[str](), []
    for seed in seeds:
        sequence = Sequence(number, people, seed, only)
        with transaction.atomic():
            try:
                sequence.run(length)
            except Bypass as bypass:
                found.append(f"seed {seed}: {bypass}")
            transaction.set_rollback(True)
        counts += sequence.counts
    return counts, found
