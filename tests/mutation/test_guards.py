"""Every listed guard is still where its mutation says, and the mutator changes what it claims to change."""

from __future__ import annotations

import pytest

from .guards import Guard, GuardChanged, all_guards, mutated
from .operators import EQUIVALENT, TARGETS, applied, changes, sampled
from .trees import ROOT

GUARDS = all_guards()


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.name for guard in GUARDS])
def test_every_guard_can_still_be_switched_off(guard: Guard) -> None:
    text = mutated(guard, ROOT)
    assert text != (ROOT / guard.path).read_text(encoding="utf-8")
    compile(text, guard.path, "exec")
    for test in guard.tests:
        assert (ROOT / test.split("::")[0]).exists(), test


def test_a_guard_whose_text_has_changed_is_an_error() -> None:
    guard = Guard("gone", "apps/engine/types.py", "this stands nowhere", "", ())
    with pytest.raises(GuardChanged):
        mutated(guard, ROOT)
    with pytest.raises(GuardChanged):
        mutated(Guard("twice", "apps/engine/types.py", "\n", "", ()), ROOT)
    with pytest.raises(GuardChanged):
        mutated(Guard("no file", "apps/engine/nothing.py", "x", "", ()), ROOT)


def test_operators_are_changed_one_at_a_time_and_words_are_left_alone() -> None:
    source = '''
def f(a: int, b: int) -> int:
    """A text with 1 number and a < b."""
    if a < b and a != 3:
        raise ValueError(f"{a + 1} of 7")
    return a + b
'''
    found = {change.what: applied(source, change) for change in changes(source)}
    assert set(found) == {
        "line 4: < to <=", "line 4: != to ==", "line 4: and to or", "line 4: 3 to 4", "line 6: + to -",
        "line 6: return None",
    }  # fmt: skip
    assert "if a <= b and a != 3:" in found["line 4: < to <="]
    assert "if a < b or a != 3:" in found["line 4: and to or"]
    assert "return a - b" in found["line 6: + to -"]


def test_the_sample_is_seeded_and_its_targets_and_tests_exist() -> None:
    mutants = sampled(ROOT, 30, 5)
    assert [mutant.name for mutant in mutants] == [mutant.name for mutant in sampled(ROOT, 30, 5)]
    assert len(mutants) == 30
    for path, tests in TARGETS.items():
        assert (ROOT / path).is_file()
        assert all((ROOT / test).exists() for test in tests)


def test_every_change_said_to_change_nothing_still_stands() -> None:
    for path, text, what in EQUIVALENT:
        source = (ROOT / path).read_text(encoding="utf-8")
        numbers = [number for number, line in enumerate(source.splitlines(), 1) if line.strip() == text]
        found = {change.what for change in changes(source)}
        assert any(f"line {number}: {what}" in found for number in numbers), (path, text, what)
