"""Thresholds in force, drills and what the page is told."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.engine.errors import BadNumber
from apps.engine.switches import catalogue
from apps.engine.switches.catalogue import SWITCHES
from apps.governance.models import AuditEvent, SystemEvent
from apps.risk.models import SwitchDrill, SwitchSetting, SwitchStatus
from apps.risk.services import switches
from apps.risk.services.switches import (
    NavRecord,
    StatusRecord,
    drills_due,
    nav_day_newest,
    nav_day_store,
    switch_drills_run,
    switch_rows,
    switch_statuses_store,
    threshold_texts,
    thresholds_in_force,
)
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def setting(key: str, **values: Any) -> SwitchSetting:
    return SwitchSetting.objects.create(key=key, values=values, updated_at=NOW)


def status(key: str = "K1", state: str = "ok", **fields: Any) -> StatusRecord:
    defaults = {"scope": "account", "scope_id": "main", "value": "1.00 %", "threshold": "10.00 %", "message": "fine"}
    return StatusRecord(key, state, **(defaults | fields), input_at=NOW, tripped_at=None)


def broken_k2(monkeypatch: pytest.MonkeyPatch) -> None:
    """K2 as it would be if somebody had taken its guard out."""
    k2 = SWITCHES["K2"]
    dull = replace(k2, judge=lambda i, t, now_ms: SWITCHES["K3"].evaluate(SWITCHES["K3"].calm_case(t3, now_ms), now_ms))
    t3 = SWITCHES["K3"].thresholds
    monkeypatch.setattr(switches, "SWITCHES", {**SWITCHES, "K2": dull})
    assert catalogue.SWITCHES["K2"] is k2


def test_every_drill_is_recorded_with_both_sides() -> None:
    rows = switch_drills_run(by="cliff", now=NOW)
    assert [row.key for row in rows] == list(SWITCHES)
    assert all(row.passed and row.by == "cliff" for row in rows)
    assert all(row.trip_detail.startswith("tripped: ") and row.control_detail.startswith("ok: ") for row in rows)
    assert AuditEvent.objects.get(action="risk.switch.drill").after == dict.fromkeys(SWITCHES, True)


def test_a_drill_uses_the_thresholds_in_force() -> None:
    setting("K1", warn_bps=100, trip_bps=200)
    (row,) = switch_drills_run(by="cliff", now=NOW, keys=["K1"])
    assert row.passed
    assert "halts at 2.00 %" in row.trip_detail


def test_a_switch_whose_guard_is_gone_fails_its_drill_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    broken_k2(monkeypatch)
    (row,) = switch_drills_run(by="cliff", now=NOW, keys=["K2"])
    assert not row.passed
    event = SystemEvent.objects.get(code="SWITCH_DRILL_FAILED")
    assert (event.severity, list(event.details)) == ("critical", ["K2"])
    assert drills_due(now=NOW) == list(SWITCHES)


def test_drills_are_due_when_missing_failed_or_older_than_thirty_days() -> None:
    assert drills_due(now=NOW) == list(SWITCHES)
    switch_drills_run(by="cliff", now=NOW)
    assert drills_due(now=NOW + timedelta(days=30)) == []
    assert drills_due(now=NOW + timedelta(days=30, seconds=1)) == list(SWITCHES)
    SwitchDrill.objects.create(key="K8", at=NOW, passed=False, trip_detail="", control_detail="", by="cliff")
    assert drills_due(now=NOW) == ["K8"]


def test_settings_change_single_thresholds_and_leave_the_others() -> None:
    setting("K8", trip_unfilled=100)
    thresholds = thresholds_in_force()
    assert thresholds["K8"] == replace(SWITCHES["K8"].thresholds, trip_unfilled=100)
    assert thresholds["K1"] == SWITCHES["K1"].thresholds


@pytest.mark.parametrize("values", [{"trip_bps": "10"}, {"trip_bps": 1.5}, {"trip_bps": -1}, {"typo": 1}])
def test_settings_that_cannot_be_used_are_refused_and_shown_as_such(values: dict[str, Any]) -> None:
    setting("K1", **values)
    with pytest.raises(BadNumber, match="K1"):
        thresholds_in_force()
    rows = {row.switch.key: row for row in switch_rows(account="main", now=NOW)}
    assert rows["K1"].thresholds is None
    assert rows["K2"].thresholds == SWITCHES["K2"].thresholds


def test_the_page_has_a_line_per_switch_with_state_thresholds_and_drill() -> None:
    switch_drills_run(by="cliff", now=NOW, keys=["K1"])
    switch_statuses_store(account="main", records=[status()], now=NOW)
    rows = switch_rows(account="main", now=NOW)
    assert [row.switch.key for row in rows] == list(SWITCHES)
    first, second = rows[:2]
    assert first.status is not None
    assert (first.status.value, first.is_drill_due) == ("1.00 %", False)
    assert (second.status, second.drill, second.is_drill_due) == (None, None, True)
    assert first.thresholds is not None
    assert ("trip_bps", 1_000, "bps") in threshold_texts(first.thresholds)


def test_a_status_is_one_row_per_account_and_switch() -> None:
    switch_statuses_store(account="main", records=[status(), status("K2")], now=NOW)
    later = NOW + timedelta(seconds=5)
    long = status("K1", "tripped", value="x" * 500, message="m" * 500)
    switch_statuses_store(account="main", records=[long], now=later)
    row = SwitchStatus.objects.get(account="main", key="K1")
    assert (row.state, row.evaluated_at, len(row.value), len(row.message)) == ("tripped", later, 120, 500)
    assert SwitchStatus.objects.count() == 2
    assert [row.key for row in SwitchStatus.objects.filter(account="main", state="tripped")] == ["K1"]


def test_nav_of_a_day_comes_back_exactly() -> None:
    record = NavRecord(NOW.date(), 10_000_000_001, 5, 10_000_000_002, "small", 9_400_000_003, -7)
    assert nav_day_newest(account="main") is None
    nav_day_store(account="main", record=record, now=NOW)
    nav_day_store(account="main", record=replace(record, nav=1), now=NOW)
    assert nav_day_newest(account="main") == replace(record, nav=1)
    following = replace(record, day=record.day + timedelta(days=1))
    nav_day_store(account="main", record=following, now=NOW)
    assert nav_day_newest(account="main") == following


def test_the_command_drills_everything_lists_it_and_repeats_only_what_is_due() -> None:
    out = io.StringIO()
    call_command("switch_drill", "--by", "cliff", stdout=out)
    assert "20 switches drilled, all passed" in out.getvalue()
    call_command("switch_drill", "--if-due", stdout=out)
    assert SwitchDrill.objects.count() == 20
    call_command("switch_drill", "--list", stdout=out)
    assert "trip_unfilled 150 count" in out.getvalue()


def test_the_command_fails_when_a_drill_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    broken_k2(monkeypatch)
    with pytest.raises(CommandError, match="1 of 1 drills failed: K2"):
        call_command("switch_drill", "--only", "K2", stdout=io.StringIO())


def test_the_command_refuses_thresholds_that_cannot_be_used() -> None:
    setting("K1", trip_bps=None)
    with pytest.raises(CommandError, match="K1"):
        call_command("switch_drill", stdout=io.StringIO())
