"""Words and paths that appear nowhere the team writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .sources import ROOT, name_of, written_files

# Put together from parts, so that this file does not find itself.
BANNED = re.compile(
    r"(?<![A-Za-z])(?:"
    + "|".join(
        [
            "b" + "et(?:s|ting|tor|tors)?",
            "w" + "ager(?:s|ed|ing|er|ers)?",
            "o" + "dds",
            "g" + "ambl(?:e|es|ed|er|ers|ing)",
        ]
    )
    + r")(?![A-Za-z])",
    re.IGNORECASE,
)
# The exchange's own field name, allowed only where its messages are read, made or tested.
VENUE_FIELD = re.compile("(?<![A-Za-z])p" + "ayouts?(?![A-Za-z])", re.IGNORECASE)
VENUE_FIELD_PLACES = ("apps/gateway/", "apps/simulation/exchange/", "tests/gateway/", "tests/simulation/")
# A path that exists on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:ro" + r"ot|wo" + r"rk|home/\w+|Users/\w+|tmp/w)(?:/|\b)")


def hits(pattern: re.Pattern[str], *, skip: tuple[str, ...] = ()) -> list[str]:
    found = []
    for path in written_files():
        if name_of(path).startswith(skip) if skip else False:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{name_of(path)}:{number} {match.group()}")
    return found


def test_banned_words_appear_nowhere() -> None:
    assert hits(BANNED) == []


def test_venue_field_stays_with_the_venue() -> None:
    assert hits(VENUE_FIELD, skip=VENUE_FIELD_PLACES) == []


def test_no_path_of_one_machine() -> None:
    assert hits(MACHINE_PATH) == []


@pytest.mark.parametrize("text", ["a b" + "et", "b" + "et_size", "O" + "DDS", "w" + "agers", "g" + "ambling"])
def test_banned_words_would_be_found(text: str) -> None:
    assert BANNED.search(text)


@pytest.mark.parametrize("text", ["between", "better", "beta", "alphabet", "goddess", "swagger"])
def test_innocent_words_are_left_alone(text: str) -> None:
    assert BANNED.search(text) is None


def test_the_screens_and_documents_are_looked_at() -> None:
    names = {name_of(path) for path in written_files()}
    assert {"README.md", "kalshiops/settings.py", "deploy/up"} <= names
    assert all((ROOT / name).is_file() for name in names)
    assert isinstance(ROOT, Path)
