"""Resuming is an act of its own: a checklist ticked by hand, a reason, and a second person."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.console.resuming import CHECKS, checks_known
from apps.engine.switches.catalogue import SWITCHES
from apps.governance.models import ApprovalRequest
from apps.risk.models import SwitchStatus, TradingState
from apps.risk.services import kill_switch_trip
from apps.risk.services.switches import switch_drills_run
from apps.trading.models import Reconciliation
from tests import factories as make

from . import payload

pytestmark = pytest.mark.django_db
NOW = make.NOW
MAY = ("risk.resume_trading", "governance.approve_change", "governance.approve_risk_raise")
REASON = "The runaway quotes came from a bad parameter, which is retired"


@pytest.fixture
def craig(client: Client) -> Client:
    make.account()
    make.user("cliff", perms=MAY, role="risk")
    client.force_login(make.user("craig", perms=MAY))
    kill_switch_trip(scope="global", reason="runaway quotes", actor=None, actor_label="system:test", now=NOW)
    return client


def ticked(**changes: str) -> dict[str, str]:
    return {"scope": "global", "scope_id": "", "reason": REASON} | dict.fromkeys(CHECKS, "on") | changes


def ask(client: Client, data: dict[str, str]) -> Any:
    return client.post(reverse("console:resume"), data)


@pytest.mark.parametrize("missing", CHECKS)
def test_no_line_of_the_checklist_may_be_left_out(craig: Client, missing: str) -> None:
    data = ticked()
    del data[missing]
    response = ask(craig, data)
    assert response.status_code == 422
    assert "Tick this once it is true" in response.content.decode()
    assert not ApprovalRequest.objects.exists()


def test_a_reason_is_needed(craig: Client) -> None:
    assert ask(craig, ticked(reason=" ")).status_code == 422
    assert not ApprovalRequest.objects.exists()


def test_the_request_carries_reason_and_checklist_and_nothing_resumes_yet(craig: Client) -> None:
    response = ask(craig, ticked())
    asked = ApprovalRequest.objects.get()
    assert response.headers["Location"] == reverse("console:approval", args=[asked.pk])
    assert asked.reason.startswith(REASON)
    for line in CHECKS.values():
        assert line.lower() in asked.reason
    assert TradingState.objects.get().state == "halted"


def test_a_second_person_lets_it_trade_and_the_first_cannot(craig: Client) -> None:
    ask(craig, ticked())
    url = reverse("console:approval", args=[ApprovalRequest.objects.get().pk])
    craig.post(url, {"vote": "approve", "revision": "1", "reason": "I am sure of it"})
    assert TradingState.objects.get().state == "halted"
    second = Client()
    second.force_login(User.objects.get(username="cliff"))
    second.post(url, {"vote": "approve", "revision": "1", "reason": "Checked the comparison and the feeds"})
    assert TradingState.objects.get().state == "active"


def test_a_scope_that_is_not_stopped_is_refused(craig: Client) -> None:
    assert ask(craig, ticked(scope="market", scope_id="KXA")).status_code == 422
    assert not ApprovalRequest.objects.exists()


def test_of_several_stops_the_error_stands_at_the_one_that_was_asked_for(craig: Client) -> None:
    kill_switch_trip(scope="market", scope_id="KXA", reason="odd book", actor=None, actor_label="system:test", now=NOW)
    html = ask(craig, ticked(scope="market", scope_id="KXA", reason="")).content.decode()
    market, rest = html.split("Market KXA")[1], html.split("Market KXA")[0]
    assert "This field is required" in market
    assert "This field is required" not in rest


def test_without_a_stop_there_is_nothing_to_tick(viewer: Client) -> None:
    html = viewer.get(reverse("console:resume")).content.decode()
    assert "No stop is in force" in html
    assert 'type="checkbox"' not in html


def compared(**fields: Any) -> None:
    values = {
        "own_cash": Decimal(1),
        "venue_cash": Decimal(1),
        "cash_drift": Decimal(0),
        "orders_open": 0,
        "orders_unknown": 0,
    }
    Reconciliation.objects.create(
        account=make.account(), at=NOW, trigger="timer", **(values | {"is_clean": True} | fields)
    )


def test_what_the_platform_knows_stands_beside_each_line(topics: dict[str, Any]) -> None:
    account = make.account()
    bad = checks_known(account=account, now=NOW)
    assert {name: known.is_good for name, known in bad.items()} == {
        "cause_known": None,
        "reconciled_clean": False,
        "feeds_fresh": False,
        "limits_reviewed": None,
        "switches_live": False,
    }
    compared()
    make.feed()
    topics["risk"] = payload.risk()
    switch_drills_run(by="system:test", now=NOW)
    for key in SWITCHES:
        SwitchStatus.objects.create(account="main", key=key, state="ok", input_at=NOW, evaluated_at=NOW)
    good = checks_known(account=account, now=NOW)
    assert {name: known.is_good for name, known in good.items() if name != "cause_known"} == {
        "reconciled_clean": True,
        "feeds_fresh": True,
        "limits_reviewed": True,
        "switches_live": True,
    }


def test_a_comparison_with_differences_or_an_old_feed_is_no_good(topics: dict[str, Any]) -> None:
    compared(is_clean=False)
    make.feed(last_frame_at=NOW - timedelta(minutes=1), stale_after_s=15)
    known = checks_known(account=make.account(), now=NOW)
    assert (known["reconciled_clean"].is_good, known["feeds_fresh"].is_good) == (False, False)
