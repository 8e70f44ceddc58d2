"""The guardian starts before anything that trades, ends after it, and has a key of its own only where there is one."""

from __future__ import annotations

from pathlib import Path

from deploy.launcher import plan as planning
from deploy.launcher import stack

from .test_plan import OUTSIDE_EXCHANGE, make

KILL_KEY = {"KALSHI_KILL_KEY_ID": "key-kill", "KALSHI_KILL_PRIVATE_KEY_FILE": "kill.pem"}


def test_guardian_is_up_before_the_workers_and_goes_after_them(tmp_path: Path) -> None:
    plan = make(tmp_path)
    programs = {program.name: program for program in [*stack.foundations(plan), *stack.workers(plan)]}
    assert stack.workers(plan)[0].name == "guardian"
    assert programs["trading"].stage < programs["guardian"].stage < programs["exchange"].stage
    assert programs["guardian"].stage < programs["redis"].stage
    assert "guardian" not in stack.WORKING


def test_simulator_knows_no_kill_key(tmp_path: Path) -> None:
    assert not set(KILL_KEY) & set(make(tmp_path, **KILL_KEY).environment)
    assert not set(KILL_KEY) & set(make(tmp_path, is_check=True, **OUTSIDE_EXCHANGE, **KILL_KEY).environment)


def test_kill_key_of_an_outside_exchange_reaches_every_shell(tmp_path: Path) -> None:
    plan = make(tmp_path, **OUTSIDE_EXCHANGE, **KILL_KEY)
    assert plan.environment["KALSHI_KILL_KEY_ID"] == "key-kill"
    written = planning.write_platform_env(plan).read_text()
    assert "KALSHI_KILL_KEY_ID=key-kill\n" in written
    assert "KALSHI_KILL_PRIVATE_KEY_FILE=kill.pem\n" in written
