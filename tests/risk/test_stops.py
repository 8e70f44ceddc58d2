"""Stopping takes one person and nothing else that could be away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted
from apps.engine.limits import TradingState as EngineState
from apps.governance.models import AuditEvent, AuditHead, SystemEvent
from apps.risk.blocks import blocks_prepare, blocks_read_files
from apps.risk.exceptions import BadScope, KillRunClosed, WouldLoosen
from apps.risk.guardian import heartbeat
from apps.risk.models import KillRun, TradingState
from apps.risk.selectors import state_for
from apps.risk.services import kill_run_progress, kill_switch_trip, trading_state_reduce
from tests.factories import NOW
from tests.record_guards import record_unguarded

pytestmark = pytest.mark.django_db
Team = dict[str, User]
OnCommit = Callable[..., Any]


def trip(actor: User | None, scope: str = "global", scope_id: str = "", **more: Any) -> KillRun:
    fields = {"reason": "prices look wrong", "now": NOW} | more
    return kill_switch_trip(scope=scope, scope_id=scope_id, actor=actor, **fields)


def test_a_record_that_takes_no_more_rows_stops_no_stop(
    team: Team, django_capture_on_commit_callbacks: OnCommit
) -> None:
    """Somebody took the head away: nothing can be added to the chain, and everything must still be stoppable."""
    with record_unguarded():
        AuditHead.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        run = trip(team["viewer"])
    assert TradingState.objects.get().state == "halted"
    assert [block.request_id for block in blocks_read_files()] == [run.request_id]
    event = SystemEvent.objects.get(code="AUDIT_BLOCKED")
    assert (event.severity, event.details["action"], event.details["actor"], event.details["reason"]) == (
        "critical",
        "risk.kill_switch.trip",
        "viewer",
        "prices look wrong",
    )
    kill_run_progress(kill_run_id=run.pk, now=NOW, outcome="proved_zero", proved_zero_at=NOW)
    assert KillRun.objects.get().outcome == "proved_zero"


@pytest.mark.parametrize("name", ["craig", "cliff", "scalper", "viewer"])
def test_every_role_stops_everything_alone(team: Team, name: str, django_capture_on_commit_callbacks: OnCommit) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        run = trip(team[name])

    row = TradingState.objects.get()
    assert (row.scope, row.scope_id, row.state, row.changed_by, row.changed_at) == (
        "global",
        "",
        "halted",
        team[name],
        NOW,
    )
    assert (run.pressed_by, run.pressed_at, run.blocked_at, run.outcome) == (team[name], NOW, NOW, "running")
    event = AuditEvent.objects.get(action="risk.kill_switch.trip")
    assert (event.actor, event.object_type, event.object_id, event.reason) == (
        team[name],
        "risk.TradingState",
        str(row.pk),
        "prices look wrong",
    )
    assert event.before == {"state": "active"}
    assert event.after == {"scope": "global", "scope_id": "", "state": "halted"}
    assert [(block.key, block.by, block.request_id) for block in blocks_read_files()] == [
        (("global", ""), name, run.request_id)
    ]
    assert state_for(account="main") is EngineState.HALTED


def test_flags_are_written_only_after_the_stop_is_committed(
    team: Team, django_capture_on_commit_callbacks: OnCommit
) -> None:
    blocks_prepare()
    with django_capture_on_commit_callbacks() as callbacks:
        trip(team["viewer"])
    assert blocks_read_files() == []
    assert len(callbacks) == 1


def test_redis_that_is_away_does_not_undo_the_stop(team: Team, django_capture_on_commit_callbacks: OnCommit) -> None:
    heartbeat.guardian_beat(int(NOW.timestamp() * 1000))
    with django_capture_on_commit_callbacks(execute=True):
        run = trip(team["viewer"])
    assert state_for(account="main") is EngineState.HALTED
    event = SystemEvent.objects.get()
    assert (event.code, event.severity, event.details["kill_run_id"]) == ("STOP_FLAG_INCOMPLETE", "warning", run.pk)
    assert "ConnectionError" in event.details["redis"]
    assert event.details["file"] == ""


@pytest.mark.parametrize(
    ("age_s", "source", "is_missed"),
    [(None, "page", True), (6, "page", True), (4, "page", False), (None, "command", False)],
)
def test_missing_guardian_is_said_loudly_unless_a_command_climbs_by_itself(
    team: Team,
    redis_url: str,
    django_capture_on_commit_callbacks: OnCommit,
    age_s: int | None,
    source: str,
    is_missed: bool,
) -> None:
    if age_s is not None:
        heartbeat.guardian_beat(int(NOW.timestamp() * 1000) - age_s * 1000)
    with django_capture_on_commit_callbacks(execute=True):
        trip(team["viewer"], source=source)
    found = list(SystemEvent.objects.values_list("code", "severity"))
    assert found == ([("KILL_NO_GUARDIAN", "critical")] if is_missed else [])


def test_same_request_over_two_ways_is_one_press(team: Team) -> None:
    first = trip(team["viewer"], request_id="r-1")
    assert trip(None, actor_label="system:guardian", request_id="r-1") == first
    assert KillRun.objects.count() == 1
    assert AuditEvent.objects.filter(action="risk.kill_switch.trip").count() == 1


def test_without_the_right_nothing_stops(team: Team) -> None:
    with pytest.raises(NotPermitted):
        trip(team["eve"])
    with pytest.raises(NotPermitted):
        trading_state_reduce(scope="global", reason="x", actor=team["eve"], now=NOW)
    assert not TradingState.objects.exists()
    assert not KillRun.objects.exists()
    assert not AuditEvent.objects.exclude(action="people.role.sync").exists()


def test_platform_stops_under_its_own_name() -> None:
    trip(None, "account", "main", actor_label="system:trading-session")
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_label) == (None, "system:trading-session")


def test_empty_reason_does_not_hold_a_stop_up(team: Team) -> None:
    assert trip(team["viewer"], reason="  ").reason == "(no reason given)"


@pytest.mark.parametrize(("scope", "scope_id"), [("global", "main"), ("market", ""), ("market", "  "), ("planet", "x")])
def test_scope_must_say_what_it_covers(team: Team, scope: str, scope_id: str) -> None:
    with pytest.raises(BadScope):
        trip(team["craig"], scope, scope_id)
    assert not TradingState.objects.exists()


def test_pressing_twice_keeps_one_state_and_records_both(team: Team) -> None:
    trip(team["viewer"])
    trip(team["craig"], now=NOW + timedelta(seconds=3))
    row = TradingState.objects.get()
    assert (row.changed_by, row.changed_at) == (team["craig"], NOW + timedelta(seconds=3))
    assert KillRun.objects.count() == 2
    assert AuditEvent.objects.filter(action="risk.kill_switch.trip").first().before == {"state": "halted"}


def test_reduce_tightens_but_never_loosens(team: Team) -> None:
    row = trading_state_reduce(scope="account", scope_id="main", reason="going home", actor=team["viewer"], now=NOW)
    assert row.state == "reducing"
    assert state_for(account="main") is EngineState.REDUCING
    assert AuditEvent.objects.filter(action="risk.trading_state.reduce", actor=team["viewer"]).count() == 1

    trip(team["viewer"], "account", "main")
    with pytest.raises(WouldLoosen):
        trading_state_reduce(scope="account", scope_id="main", reason="less", actor=team["craig"], now=NOW)
    assert state_for(account="main") is EngineState.HALTED


def test_progress_ends_with_the_proof_of_zero(team: Team) -> None:
    run = trip(team["viewer"])
    later = NOW + timedelta(seconds=2)
    kill_run_progress(kill_run_id=run.pk, now=NOW, cancel_sent_at=NOW, resting_before=4)
    kill_run_progress(
        kill_run_id=run.pk, now=later, canceled=4, proved_zero_at=later, outcome="proved_zero", detail="seen twice"
    )

    run.refresh_from_db()
    assert (run.resting_before, run.canceled, run.proved_zero_at, run.outcome) == (4, 4, later, "proved_zero")
    event = AuditEvent.objects.get(action="risk.kill_run.outcome")
    assert event.after == {"outcome": "proved_zero", "resting_before": 4, "canceled": 4}
    assert not SystemEvent.objects.exists()
    with pytest.raises(KillRunClosed):
        kill_run_progress(kill_run_id=run.pk, now=later, outcome="running")


def test_run_that_cannot_prove_zero_says_so_loudly_and_once(team: Team) -> None:
    run = trip(team["viewer"])
    for _ in range(2):
        kill_run_progress(kill_run_id=run.pk, now=NOW, outcome="blocked_only", detail="venue away")
    event = SystemEvent.objects.get()
    assert (event.code, event.severity) == ("KILL_NOT_PROVED", "critical")
    assert AuditEvent.objects.get(action="risk.kill_run.outcome").reason == "venue away"


@pytest.mark.parametrize(
    "fields", [{"pressed_at": NOW}, {"outcome": "proved_zero"}, {"outcome": "fine"}], ids=lambda f: next(iter(f))
)
def test_progress_refuses_what_was_not_proved(team: Team, fields: dict[str, Any]) -> None:
    run = trip(team["viewer"])
    with pytest.raises(ValueError, match=r"progress|proved|fine"):
        kill_run_progress(kill_run_id=run.pk, now=NOW, **fields)
    run.refresh_from_db()
    assert run.outcome == "running"
