"""Counts what went wrong in the logs: one for each ERROR or CRITICAL record and each traceback outside of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# The platform's own form, Celery's, uvicorn's and Redis's.
_RECORD = re.compile(
    r"^(?:\[?\d{4}-\d\d-\d\d[ T][\d:,.]+:? ?(?P<level>[A-Z]+)\b|(?P<uvicorn>[A-Z]+): {2,}|\d+:[A-Z] \d)"
)
_SERIOUS = {"ERROR", "CRITICAL"}


@dataclass(frozen=True, slots=True)
class Incident:
    log: str
    line: str


def find(paths: Iterable[Path]) -> list[Incident]:
    return [Incident(path.stem, line) for path in sorted(paths) for line in scan(path.read_text(errors="replace"))]


def scan(text: str) -> Sequence[str]:
    """The first line of each incident."""
    found: list[str] = []
    is_open = False
    for line in text.splitlines():
        record = _RECORD.match(line)
        if record:
            is_open = (record["level"] or record["uvicorn"]) in _SERIOUS
            if is_open:
                found.append(line)
        elif line.startswith("Traceback (most recent call last)") and not is_open:
            is_open = True
            found.append(line)
    return found
