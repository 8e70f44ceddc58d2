"""Episodes repeat exactly, pass on the real code, and fail when the code is broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from apps.engine.limits import LimitRule, RiskDecision
from apps.engine.ports import OrderAck
from apps.engine.types import OrderIntent
from apps.gateway.errors import OutcomeUnknown
from apps.gateway.kalshi.venue import KalshiVenue
from apps.simulation.episodes.database import MemoryDatabase
from apps.simulation.episodes.episode import run_episode
from apps.trading.execution.feed import FeedHandler
from apps.trading.execution.risk_view import RiskBook

BATCH = range(7_000, 7_012)
SEARCH = range(1, 150)


def _first_problem(database: MemoryDatabase, word: str) -> str | None:
    """The first problem with this word that the seeds of the search show."""
    for seed in SEARCH:
        for problem in run_episode(database, seed).problems:
            if word in problem:
                return problem
    return None


@pytest.mark.parametrize("seed", [3, 26, 39])
def test_a_seed_is_the_same_run_every_time(database: MemoryDatabase, seed: int) -> None:
    first = run_episode(database, seed, keep_trace=True)
    second = run_episode(database, seed, keep_trace=True)
    assert first.lines == second.lines
    assert first.digest == second.digest
    assert (first.problems, first.faults, first.ends) == (second.problems, second.faults, second.ends)


def test_seeds_differ_from_each_other(database: MemoryDatabase) -> None:
    assert len({run_episode(database, seed).digest for seed in range(1, 5)}) == 4


def test_a_small_batch_passes(database: MemoryDatabase) -> None:
    found = {seed: problems for seed in BATCH if (problems := run_episode(database, seed).problems)}
    assert found == {}


def test_sending_again_when_the_outcome_is_unknown_is_found(
    database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = KalshiVenue.submit

    async def stubborn(self: KalshiVenue, intent: OrderIntent) -> OrderAck:
        try:
            return await submit(self, intent)
        except OutcomeUnknown:
            # Else the session's last look would hold back an order it knows nothing of.
            self.last_look = None
            return await submit(self, replace(intent, client_order_id=f"{intent.client_order_id}-again"))

    monkeypatch.setattr(KalshiVenue, "submit", stubborn)
    assert _first_problem(database, "not in our records") is not None


def test_a_fill_that_is_not_counted_is_found(database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    on_fill = FeedHandler.on_fill

    def forgetful(self: FeedHandler, fill: Any, source: Any) -> Any:
        return False if fill.trade_id < "2" else on_fill(self, fill, source)

    monkeypatch.setattr(FeedHandler, "on_fill", forgetful)
    assert _first_problem(database, "was lost") is not None


def test_limits_that_nobody_asks_are_found(database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(self: RiskBook, desk: Any, intent: OrderIntent) -> RiskDecision:
        return RiskDecision(True, LimitRule.ALLOWED, None, None, "")

    monkeypatch.setattr(RiskBook, "judge", blind)
    assert _first_problem(database, "may take the position") is not None


def test_orders_that_stay_when_a_session_stops_are_found(
    database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.trading.execution.session import Session

    async def careless(self: Session) -> tuple[Any, str]:
        return "stopped", "stopped"

    monkeypatch.setattr(Session, "_wind_down", careless)
    assert _first_problem(database, "rest after the stop") is not None


def test_many_kinds_of_faults_are_injected(database: MemoryDatabase) -> None:
    kinds: Sequence[str] = {kind for seed in range(1, 31) for kind in run_episode(database, seed).faults}  # type: ignore[assignment]
    assert len(kinds) >= 20
