"""How needs add up, who fills them, and when somebody else stands in."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.exceptions import Refused
from apps.governance.quorum import ANY, Signer, checked_needs, missing, strictest, with_stand_ins

ROLES = ("boss", "operations", "risk")
NEEDS = st.dictionaries(st.sampled_from(["boss", "operations", "risk", "boss|risk"]), st.integers(1, 3), min_size=1)
PEOPLE = st.lists(st.frozensets(st.sampled_from(ROLES)), max_size=5)


def person(number: int, *roles: str) -> Signer:
    return Signer(number, f"p{number}", frozenset(roles))


def people(roles: list[frozenset[str]]) -> list[Signer]:
    return [Signer(number, f"p{number}", held) for number, held in enumerate(roles)]


BOSS, OPERATIONS, RISK = person(1, "boss"), person(2, "operations"), person(3, "risk")


@pytest.mark.parametrize(
    ("asked", "together"),
    [
        ([{"boss": 1}, {"boss": 2}], {"boss": 2}),
        ([{"boss": 1}, {"risk": 1}], {"boss": 1, "risk": 1}),
        ([{"boss": 1}, {"risk|boss": 1}], {"boss": 1}),
        ([{"boss": 1}, {"boss|risk": 2}], {"boss": 1, "boss|risk": 2}),
    ],
)
def test_strictest_of_all_holds(asked: list[dict[str, int]], together: dict[str, int]) -> None:
    assert strictest(asked) == together


@given(asked=st.lists(NEEDS, min_size=1, max_size=3), roles=PEOPLE)
@settings(max_examples=200)
def test_who_satisfies_the_strictest_satisfies_each(asked: list[dict[str, int]], roles: list[frozenset[str]]) -> None:
    if not missing(strictest(asked), people(roles)):
        assert all(not missing(needs, people(roles)) for needs in asked)


@given(needs=NEEDS, roles=PEOPLE)
@settings(max_examples=200)
def test_missing_is_what_no_assignment_of_one_place_each_can_fill(
    needs: dict[str, int], roles: list[frozenset[str]]
) -> None:
    signers = people(roles)
    places = [need for need, count in needs.items() for _ in range(count)]
    order = [*signers, *[None] * len(places)]
    best = (
        max(
            sum(one is not None and one.fits(need) for one, need in zip(chosen, places, strict=True))
            for chosen in permutations(order[: len(signers) + 1], len(places))
        )
        if len(places) <= len(signers) + 1
        else None
    )
    if best is not None:
        assert sum(missing(needs, signers).values()) == len(places) - best


def test_one_person_fills_one_place() -> None:
    both = person(4, "boss", "risk")
    assert missing({"boss": 1, "risk": 1}, [both]) != {}
    assert missing({"boss": 1, "risk": 1}, [both, BOSS]) == {}


def test_somebody_stands_in_only_for_the_one_who_asked() -> None:
    assert with_stand_ins({"boss": 1}, [OPERATIONS], [BOSS]) == {ANY: 1}
    assert with_stand_ins({"boss": 1}, [OPERATIONS], []) == {"boss": 1}
    assert with_stand_ins({"boss": 1}, [OPERATIONS, person(9, "boss")], [BOSS]) == {"boss": 1}
    assert with_stand_ins({"boss": 2}, [OPERATIONS], [BOSS]) == {"boss": 1, ANY: 1}
    assert with_stand_ins({"boss": 1}, [RISK], [OPERATIONS]) == {"boss": 1}


@pytest.mark.parametrize("needs", [{}, None, [], {"boss": 0}, {"boss": 6}, {"boss": "1"}, {"": 1}, {"boss": -1}])
def test_needs_that_ask_for_nobody_are_refused(needs: object) -> None:
    with pytest.raises(Refused):
        checked_needs(needs)
