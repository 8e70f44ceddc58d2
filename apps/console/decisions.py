"""Decisions for the eye: what was decided again and again is one row with a count and a time span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.trading.models import Account
from apps.trading.selectors import DecisionRow, decision_list

READ = 150
"""How many stored decisions are looked at; the screen says so."""


@dataclass(frozen=True, slots=True)
class DecisionGroup:
    """Consecutive decisions of one market with the same outcome, told by the newest of them."""

    newest: DecisionRow
    count: int
    first_at: datetime


def decision_groups(*, account: Account | None, ticker: str = "", limit: int = 12) -> tuple[DecisionGroup, ...]:
    rows = decision_list(account=account, ticker=ticker, limit=READ) if account else ()
    return grouped(rows)[:limit]


def grouped(rows: Iterable[DecisionRow]) -> tuple[DecisionGroup, ...]:
    """`rows` newest first; another market's decision between two of one market does not part them."""
    runs: list[list[DecisionRow]] = []
    running: dict[str, list[DecisionRow]] = {}
    for row in rows:
        run = running.get(row.ticker)
        if run is not None and _outcome(run[0]) == _outcome(row):
            run.append(row)
        else:
            running[row.ticker] = [row]
            runs.append(running[row.ticker])
    return tuple(DecisionGroup(run[0], len(run), run[-1].at) for run in runs)


def _outcome(row: DecisionRow) -> tuple[Any, ...]:
    return (
        row.reason,
        row.bid_reason,
        row.ask_reason,
        row.bid_price,
        row.bid_quantity,
        row.ask_price,
        row.ask_quantity,
        row.parameters_number,
    )
