"""`manage.py kill`: it needs nobody, tells everybody it can reach, and its exit code is the proof."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from redis import Redis

from apps.core.live import read
from apps.gateway.errors import ExchangePaused
from apps.marketdata.exceptions import KeyNotConfigured
from apps.risk.blocks import blocks_read_files
from apps.risk.guardian import database, processes, records
from apps.risk.guardian.asking import Tokens
from apps.risk.guardian.connection import Connection
from apps.risk.guardian.request import kill_files_unrecorded
from apps.risk.models import KillRun, TradingState

from .faulty import FaultyVenue, intent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> FaultyVenue:
    """What the command finds behind its own connection."""
    found = FaultyVenue(trip_s=0.001)

    async def nothing() -> None:
        return None

    monkeypatch.setattr(
        processes, "connection_open", lambda clock, rng: Connection(found, Tokens.basic(), nothing, nothing)
    )
    monkeypatch.setattr(processes, "be_impatient", lambda: None)
    real = processes.Timing
    monkeypatch.setattr(
        processes, "Timing", lambda limit_s: real(confirm_s=0.01, pause_pause_s=0.05, limit_s=min(limit_s, 2.0))
    )
    return found


@contextmanager
def database_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(**_: Any) -> int:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(records, "request_record", refuse)
        yield


def kill(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON on stdout, the progress on stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("kill", *arguments, "--json", stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, json.loads(out.getvalue()), err.getvalue()


def test_with_everything_up_the_run_is_in_the_database_and_on_the_page(venue: FaultyVenue, redis_url: str) -> None:
    venue.stock(20, 2)
    code, told, progress = kill("--reason", "looks wrong", "--by", "craig")
    assert (code, told["is_zero"], told["is_confirmed"], told["resting_before"]) == (0, True, True, 20)
    run = KillRun.objects.get()
    assert (run.request_id, run.source, run.reason, run.outcome) == (
        told["request_id"], "command", "looks wrong", "proved_zero",
    )  # fmt: skip
    assert (run.resting_before, run.canceled, run.groups_total, run.groups_triggered) == (20, 20, 2, 2)
    assert [step["step"] for step in run.steps if step["step"] != "look"] == [
        "begun", "triggered", "proved_zero", "ended",
    ]  # fmt: skip
    assert run.triggered_at is not None
    assert run.proved_zero_at is not None
    assert "Zero resting orders" in run.report
    assert TradingState.objects.get().state == "halted"
    assert blocks_read_files()[0].by == "command:craig"
    shown = read(f"kill.{run.pk}")
    assert shown is not None
    assert shown["outcome"] == "proved_zero"
    assert kill_files_unrecorded() == []
    assert "stop flag in Redis: written" in progress
    assert "recorded in the database" in progress


def test_with_database_and_redis_away_it_proves_zero_all_the_same_and_keeps_the_evidence(
    venue: FaultyVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.stock(20, 2)
    with database_away(monkeypatch):
        code, told, progress = kill("--reason", "looks wrong")
    assert code == 0
    assert venue.resting == {}
    assert not KillRun.objects.exists()
    assert [block.reason for block in blocks_read_files()] == ["looks wrong"]
    assert "ConnectionError" in progress
    (state,) = kill_files_unrecorded()
    assert state["request"]["request_id"] == told["request_id"]
    records.file_record(state=state, now=records.moment(1_800_000_000_000))
    assert KillRun.objects.get().outcome == "proved_zero"
    assert TradingState.objects.get().state == "halted"


def test_a_paused_exchange_is_exit_code_one_with_the_reason(venue: FaultyVenue) -> None:
    venue.rest(intent("c", expires_at_s=1_790_000_050), "v-1")
    venue.cancel_answers = [ExchangePaused(status=409, code="exchange_is_paused")] * 1000
    code, told, progress = kill()
    assert (code, told["is_zero"], told["is_paused"]) == (1, False, True)
    assert [left["order_id"] for left in told["left"]] == ["v-1"]
    assert "cancelling is impossible until it resumes; orders expire by 14:14:10 UTC" in progress
    assert KillRun.objects.get().outcome == "blocked_only"


def test_narrow_scope_leaves_the_rest_alone(venue: FaultyVenue) -> None:
    venue.stock(4, 0)
    venue.rest(intent("other", "KXOTHER-1"), "v-other")
    code, _, _ = kill("--scope", "market", "--scope-id", "KXOTHER-1")
    assert code == 0
    assert len(venue.resting) == 4


@pytest.mark.parametrize("arguments", [("--scope", "market"), ("--scope-id", "main")])
def test_wrong_use_is_exit_code_two_and_stops_nothing(venue: FaultyVenue, run_dir: Path, arguments: Any) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("kill", *arguments)
    assert refused.value.returncode == 2
    assert not (run_dir / "stop").exists()


def test_without_a_key_the_stop_stands_and_the_code_says_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_key(*_: Any) -> Connection:
        raise KeyNotConfigured("KALSHI_KEY_ID is not set")

    monkeypatch.setattr(processes, "connection_open", no_key)
    with pytest.raises(CommandError, match="KALSHI_KEY_ID is not set") as failed:
        call_command("kill", stdout=io.StringIO())
    assert failed.value.returncode == 1
    assert len(blocks_read_files()) == 1


async def test_database_that_hangs_is_waited_for_once_and_not_by_every_call() -> None:
    thread, hold = database.DatabaseThread(), threading.Event()
    with pytest.raises(database.DatabaseAway, match="did not answer"):
        await thread.run(hold.wait, wait_s=0.05)
    with pytest.raises(database.DatabaseAway, match="has not answered the call before"):
        await thread.run(lambda: 1)
    hold.set()
    for _ in range(100):
        try:
            assert await thread.run(lambda: 1, wait_s=0.5) == 1
            break
        except database.DatabaseAway:
            continue
    thread.close()


async def test_a_cancel_that_comes_together_with_the_answer_is_not_lost() -> None:
    """Otherwise a guardian told to end would go on asking the database for ever."""
    thread, answered = database.DatabaseThread(), threading.Event()
    asked = asyncio.create_task(thread.run(answered.set))
    await asyncio.sleep(0)
    answered.wait(5)
    asyncio.get_running_loop().call_later(0.05, asked.cancel)
    time.sleep(0.1)  # noqa: ASYNC251  the loop must find the answer and the cancel at once
    with pytest.raises(asyncio.CancelledError):
        await asked
    thread.close()


async def test_an_answer_at_the_last_moment_does_not_shut_the_database_out_for_good() -> None:
    thread, answered = database.DatabaseThread(), threading.Event()
    asked = asyncio.create_task(thread.run(answered.set, wait_s=0.05))
    await asyncio.sleep(0)
    answered.wait(5)
    time.sleep(0.1)  # noqa: ASYNC251  the loop must find the answer and the end of its patience at once
    with suppress(database.DatabaseAway):
        await asked
    assert await thread.run(lambda: 1) == 1
    thread.close()


def test_flag_reaches_redis_before_the_exchange_answers(venue: FaultyVenue, redis_url: str) -> None:
    kill()
    with Redis.from_url(redis_url) as client:
        assert list(client.hgetall("kalshiops:stop")) == [b"global:"]
