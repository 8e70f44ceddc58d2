"""The command's verdict over many episodes, and messages of a changed schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.simulation.episodes.drift import drifted
from apps.simulation.episodes.episode import Result
from apps.simulation.episodes.faults import FaultKind
from apps.simulation.management.commands import simulate

EVERY = {kind.value: 1 for kind in FaultKind}


def run_with(monkeypatch: pytest.MonkeyPatch, *results: Result) -> None:
    def run_all(seeds: Any, *, jobs: int) -> Iterator[Result]:
        yield from results

    monkeypatch.setattr(simulate, "run_all", run_all)
    monkeypatch.setattr(simulate, "EVERY_KIND_FROM", len(results))
    call_command("simulate", episodes=len(results))


def test_episodes_without_a_problem_pass(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run_with(monkeypatch, Result(1, faults=EVERY), Result(2))
    assert f"2 episodes ({len(EVERY)} fault kinds" in capsys.readouterr().out


def test_one_problem_fails_the_run_and_names_its_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="1 of 2 episodes failed"):
        run_with(monkeypatch, Result(1, faults=EVERY), Result(7, problems=["fill t-1 was lost"]))
    assert "seed 7: fill t-1 was lost" in capsys.readouterr().out


def test_a_kind_of_fault_that_never_occurred_fails_a_large_run(monkeypatch: pytest.MonkeyPatch) -> None:
    most = {kind: count for kind, count in EVERY.items() if kind != FaultKind.REPLY_LOST}
    with pytest.raises(CommandError, match="never occurred: reply_lost"):
        run_with(monkeypatch, Result(1, faults=most))


def test_a_drifted_message_is_still_json_and_differs() -> None:
    message = {"type": "fill", "msg": {"trade_id": "t-1", "levels": [["0.5600", "10.00"]]}}
    payload = json.dumps(message).encode()
    seen = {drifted(payload, Random(seed)) for seed in range(40)}
    assert len(seen) > 5
    assert all(json.loads(text) != message for text in seen)
    assert drifted(b"no json", Random(1)) == b"no json"
    assert drifted(b"[]", Random(1)) == b"[]"
