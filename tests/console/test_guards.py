"""What guards trading, on mission control: gate, guardian, exchange, switches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.console.live_state import UnreadableState, from_payload
from apps.console.mission import mission_build
from apps.risk.guardian import heartbeat
from apps.risk.models import SwitchStatus
from tests import factories as make

from . import payload

pytestmark = pytest.mark.django_db
NOW = make.NOW


def status_of(key: str, state: str, **fields: Any) -> None:
    SwitchStatus.objects.create(account="main", key=key, state=state, **({"evaluated_at": NOW} | fields))


def built() -> Any:
    return mission_build(selected="", query="", now=NOW)


def test_an_open_gate_and_exchange_and_a_living_guardian(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    status_of("K1", "ok")
    topics["mission"] = payload.mission()
    html = viewer.get("/").content.decode()
    for shown in (
        "Orders can be sent",
        "Orders can be placed and canceled",
        '<span class="lamp ok">alive</span>',
        "all 1 ok",
    ):
        assert shown in html, shown


def test_a_shut_gate_says_each_reason_in_words(viewer: Client, topics: dict[str, Any]) -> None:
    blocks = [{"key": "guardian", "reason": "no guardian is running"}, {"key": "reconcile", "reason": "cash differs"}]
    gate = {"closed_because": "no guardian is running; cash differs", "blocks": blocks}
    topics["mission"] = payload.mission(gate=gate)
    html = viewer.get("/").content.decode()
    assert '<span class="lamp stop">shut</span>' in html
    assert "<li>No guardian is running</li><li>Cash differs</li>" in html


def test_a_reason_that_no_block_holds_comes_first_and_nothing_is_said_twice() -> None:
    gate = {"closed_because": "trading is halted: drill", "blocks": [{"key": "a", "reason": "drill"}]}
    assert from_payload(payload.mission(gate=gate)).gate.reasons == ("trading is halted: drill",)
    gate["blocks"] = [{"key": "feed", "reason": "feed is down"}]
    assert from_payload(payload.mission(gate=gate)).gate.reasons == ("trading is halted: drill", "feed is down")


def test_a_pause_says_that_cancelling_is_impossible(viewer: Client, topics: dict[str, Any]) -> None:
    paused = {"is_exchange_active": False, "is_trading_active": False, "resumes_at": "2026-11-20T12:40:00+00:00"}
    topics["mission"] = payload.mission(exchange=paused)
    html = viewer.get("/").content.decode()
    assert "nothing can be canceled until it resumes (it expects 12:40:00 UTC)" in html
    assert '<span class="lamp stop">paused</span>' in html


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"is_exchange_active": True, "is_trading_active": False}, "no trading"),
        ({"is_exchange_active": None, "is_trading_active": True}, "unknown"),
        ({"is_exchange_active": True, "is_trading_active": None}, "unknown"),
        (None, "unknown"),
    ],
)
def test_what_the_exchange_does_not_say_is_not_open(told: dict[str, Any] | None, state: str) -> None:
    assert from_payload(payload.mission(exchange=told)).exchange.state == state


def test_a_session_that_does_not_tell_leaves_the_gate_not_known(viewer: Client, topics: dict[str, Any]) -> None:
    old = payload.mission()
    for name in ("gate", "guardian", "exchange"):
        del old[name]
    topics["mission"] = old
    html = viewer.get("/").content.decode()
    assert "not known" in html
    assert "No session tells whether anything could be sent" in html
    assert '<span class="lamp stop">none runs</span>' in html


@pytest.mark.parametrize("broken", [{"gate": {}}, {"gate": 5}, {"exchange": {}}, {"guardian": {"age_ms": "x"}}])
def test_a_part_that_cannot_be_read_refuses_the_whole(broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableState):
        from_payload(payload.mission(**broken))


def test_the_guardian_is_known_by_its_file_too_and_the_newest_word_counts(topics: dict[str, Any]) -> None:
    make.account()
    assert built().guardian.state == "off"
    heartbeat.guardian_beat(int(NOW.timestamp() * 1000) - 6_000)
    assert built().guardian.state == "late"
    topics["mission"] = payload.mission()
    assert built().guardian.state == "alive"


def test_a_silent_guardian_names_the_command(viewer: Client, topics: dict[str, Any]) -> None:
    topics["mission"] = payload.mission(guardian={"age_ms": 9_000})
    html = viewer.get("/").content.decode()
    assert '<span class="lamp stop">silent</span>' in html
    assert "manage.py kill" in html


def test_switches_that_are_not_ok_are_counted_and_named(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    topics["mission"] = payload.mission()
    for key, state in (("K1", "ok"), ("K5", "warn"), ("K8", "tripped"), ("K12", "no_input")):
        status_of(key, state)
    html = viewer.get("/").content.decode()
    assert "3 not ok" in html
    for shown in ("K5 warn", "K8 tripped", "K12 no input"):
        assert shown in html, shown


def test_old_verdicts_are_stale(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    status_of("K1", "ok")
    topics["mission"] = payload.mission()
    with time_machine.travel(NOW + timedelta(seconds=16), tick=False):
        html = viewer.get("/").content.decode()
    assert '<span class="lamp warn">all 1 ok</span>' in html


def test_of_no_account_nothing_is_claimed(viewer: Client) -> None:
    assert "never judged" in viewer.get("/").content.decode()
