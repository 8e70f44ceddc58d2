"""The named guards: for each a change to the source that switches it off, and the tests that must notice.

They stand in engine.toml, gateway.toml and session.toml beside this module. A change is a text that stands exactly
once in its file and what it becomes; `first` names the test that is known to notice, which is run before the others so
that a run over all guards is short. When the source moves on so that the text is no longer there, the guard is
reported as changed, never left out.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILES = ("engine", "gateway", "session")


@dataclass(frozen=True, slots=True)
class Guard:
    """`old` becomes `new` in `path`; at least one of `tests` (paths or test ids) has to fail then."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


class GuardChanged(Exception):
    """The text of a guard does not stand exactly once in its file."""


def mutated(guard: Guard, root: Path) -> str:
    """The file's text with the guard off. Raises `GuardChanged`."""
    path = root / guard.path
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if (count := text.count(guard.old)) != 1:
        raise GuardChanged(f"{guard.name}: its text stands {count} times in {guard.path}, not once:\n{guard.old}")
    return text.replace(guard.old, guard.new)


def all_guards() -> list[Guard]:
    """Every named guard. Raises `ValueError` when two share a name."""
    found = [guard for name in FILES for guard in _read(Path(__file__).with_name(f"{name}.toml"))]
    names = [guard.name for guard in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"guards share a name: {sorted(twice)}")
    return found


def _read(path: Path) -> list[Guard]:
    return [
        Guard(guard["name"], file["path"], guard["old"], guard["new"], (*first_of(guard), *file["tests"]))
        for file in tomllib.loads(path.read_text(encoding="utf-8"))["file"]
        for guard in file["guard"]
    ]


def first_of(guard: dict[str, str]) -> tuple[str, ...]:
    return (guard["first"],) if "first" in guard else ()
