"""What was pressed without the database reaches it later, once, and never halts what was resumed since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apps.engine.ports import VenueOrder
from apps.engine.types import Side
from apps.governance.models import AuditEvent, SystemEvent
from apps.marketdata.models import Series
from apps.risk.blocks import Block, block_write_file, blocks_prepare, blocks_read_files
from apps.risk.guardian import records
from apps.risk.guardian.request import KillRequest
from apps.risk.models import KillRun, Theme, TradingState
from apps.risk.services import kill_switch_trip
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
PRESS = KillRequest("r-1", "account", "main", "looks wrong", "command:craig", NOW, "command")
LATER = NOW + timedelta(minutes=5)


def ended(**fields: Any) -> dict[str, Any]:
    """A finished run as the kill file keeps it."""
    at = (NOW + timedelta(seconds=1)).isoformat()
    done = {"outcome": "proved_zero", "proved_zero_at": at, "cancel_sent_at": NOW.isoformat(), "report": "Zero"}
    return {"request": PRESS.as_json(), "fields": done | fields, "is_recorded": False}


def test_press_made_without_the_database_is_brought_there_once() -> None:
    for _ in range(3):
        records.file_record(state=ended(steps=[{"step": "begun"}], canceled=7), now=LATER)
    run = KillRun.objects.get()
    assert (run.request_id, run.source, run.pressed_at, run.outcome, run.canceled) == (
        "r-1", "command", NOW, "proved_zero", 7,
    )  # fmt: skip
    assert run.proved_zero_at == NOW + timedelta(seconds=1)
    assert run.steps == [{"step": "begun"}]
    row = TradingState.objects.get()
    assert (row.scope, row.scope_id, row.state, row.changed_at) == ("account", "main", "halted", NOW)
    events = AuditEvent.objects.filter(action__startswith="risk.kill").values_list("action", "actor_label")
    assert sorted(events) == [
        ("risk.kill_run.outcome", "system:kill-ladder"),
        ("risk.kill_switch.trip", "command:craig"),
    ]


def test_press_that_a_resume_has_overtaken_is_evidence_and_halts_nothing() -> None:
    TradingState.objects.create(
        scope="account", scope_id="main", state="active", reason="checked", changed_at=NOW + timedelta(minutes=1)
    )
    block_write_file(Block("account", "main", "looks wrong", "craig", NOW, "r-1"))
    records.file_record(state=ended(), now=LATER)
    assert TradingState.objects.get().state == "active"
    assert KillRun.objects.get().outcome == "proved_zero"
    assert AuditEvent.objects.filter(action="risk.kill_switch.late").count() == 1
    assert blocks_read_files() == []


@pytest.mark.parametrize(("resumed_after_s", "is_gone"), [(60, True), (-60, False), (None, False)])
def test_flag_goes_only_when_a_resume_is_newer(resumed_after_s: int | None, is_gone: bool) -> None:
    block = Block("global", "", "drill", "craig", NOW, "r-1")
    block_write_file(block)
    if resumed_after_s is not None:
        changed_at = NOW + timedelta(seconds=resumed_after_s)
        TradingState.objects.create(scope="global", state="active", reason="checked", changed_at=changed_at)
    assert records.leftover_clear(block=block) is is_gone
    assert (blocks_read_files() == []) is is_gone


def test_runs_wait_until_somebody_climbs_and_again_when_he_fell_off() -> None:
    run = kill_switch_trip(scope="global", reason="x", actor=None, actor_label="switch:K8", now=NOW, source="switch")
    assert [request.request_id for request in records.runs_waiting(now=NOW)] == [run.request_id]
    KillRun.objects.update(taken_at=NOW)
    assert records.runs_waiting(now=NOW + timedelta(seconds=44)) == []
    assert len(records.runs_waiting(now=NOW + timedelta(seconds=46))) == 1
    KillRun.objects.update(outcome="proved_zero", proved_zero_at=NOW)
    assert records.runs_waiting(now=LATER) == []


def test_second_ladder_for_the_same_press_changes_nothing_that_was_proved() -> None:
    records.file_record(state=ended(), now=LATER)
    records.progress_write(request=PRESS, fields={"outcome": "running", "canceled": 0}, now=LATER)
    assert KillRun.objects.get().outcome == "proved_zero"


def test_dead_man_becomes_a_critical_event() -> None:
    request = {"request_id": "dead-man-main-1", "account": "main", "beat_ms": 5, "at": NOW.isoformat()}
    state = {"request": request, "fields": {"is_zero": True, "report": "Zero"}, "is_dead_man": True}
    records.file_record(state=state, now=LATER)
    event = SystemEvent.objects.get()
    assert (event.code, event.severity, event.created_at) == ("DEAD_MAN", "critical", NOW)
    assert event.details["last_beat_ms"] == 5
    assert "taken off" in event.message
    records.file_record(state=state | {"fields": {"is_zero": False}}, now=LATER)
    assert "NOT proved" in SystemEvent.objects.first().message


def test_heartbeats_of_sessions_that_have_not_ended(settings: Any) -> None:
    account = factories.account()
    factories.session(account, heartbeat_at=NOW - timedelta(seconds=30))
    factories.session(account, heartbeat_at=NOW)
    factories.session(account, heartbeat_at=LATER, ended_at=LATER)
    factories.session(factories.account("other", environment="live"), heartbeat_at=NOW)
    found = records.beats_read()
    assert {name: beat.at_ms for name, beat in found.items()} == {"main": int(NOW.timestamp() * 1000)}
    assert not found["main"].is_stopped
    assert records.accounts_elsewhere() == {"other"}


def resting(ticker: str, client_order_id: str = "c") -> VenueOrder:
    return VenueOrder("v", client_order_id, ticker, Side.BID, 5000, 100, 0, 100, "resting", 0, 0)


@pytest.mark.parametrize(
    ("scope", "scope_id", "covered"),
    [
        ("global", "", {"odd", "T50", "OTHER"}),
        ("series", "KXTEST", {"odd", "T50"}),
        ("event", "KXTEST-26NOV20", {"odd", "T50"}),
        ("market", "KXTEST-26NOV20-T50", {"T50"}),
        ("category", "Weather", {"odd", "T50"}),
        ("theme", "storms", {"T50", "OTHER"}),
        ("theme", "no-such", {"odd", "T50", "OTHER"}),
    ],
)
def test_scope_covers_by_our_records_even_where_the_ticker_does_not_tell(
    scope: str, scope_id: str, covered: set[str]
) -> None:
    factories.market("KXTEST-26NOV20-T50")
    factories.market("KXODDNAME-1")
    Series.objects.filter(ticker="KXTEST").update(category="Weather")
    Theme.objects.create(slug="storms", name="Storms", members=["KXTEST-26NOV20-T50", "KXOTHER"], updated_at=NOW)
    orders = {"odd": resting("KXODDNAME-1"), "T50": resting("KXTEST-26NOV20-T50"), "OTHER": resting("KXOTHER-2-T1")}
    reach = records.reach_of(scope=scope, scope_id=scope_id)
    assert {name for name, order in orders.items() if reach.covers(order)} == covered
    assert reach.is_everything is (scope == "global" or scope_id == "no-such")


def test_strategy_covers_its_own_open_orders() -> None:
    order = factories.order(client_order_id="own-a")
    factories.order(client_order_id="own-b", closed_at=NOW)
    reach = records.reach_of(scope="strategy", scope_id=order.config.version.strategy.slug)
    assert reach.covers(resting("KXTEST-1", "own-a"))
    assert not reach.covers(resting("KXTEST-1", "own-b"))
    assert not reach.covers(resting("KXTEST-1", "somebody-else"))


def test_flag_made_by_hand_gets_the_same_request_each_time_it_is_read() -> None:
    block = Block("global", "", "touched", "a file", NOW)
    blocks_prepare()
    first = KillRequest.of_block(block)
    assert first == KillRequest.of_block(block)
    assert first.request_id != KillRequest.of_block(replace(block, at=LATER)).request_id
    assert len(first.request_id) <= 40
