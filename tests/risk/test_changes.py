"""Loosening takes two people: resume and limits."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from celery import current_app
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.engine.limits import TradingState as EngineState
from apps.governance.exceptions import ApproverIsRequester, TargetChanged
from apps.governance.models import ApprovalRequest, AuditEvent
from apps.governance.selectors import approval_rows
from apps.governance.services import approval_request, approval_vote
from apps.risk.choices import ResumeCheck
from apps.risk.exceptions import BadScope, NotHalted, WouldLoosen
from apps.risk.models import RiskLimit, TradingState
from apps.risk.selectors import state_for
from apps.risk.services import (
    kill_switch_trip,
    limit_change_request,
    limit_lower,
    resume_request,
    trading_state_reduce,
)
from tests.factories import NOW, fresh_factor
from tests.governance.approvals.acts import hire

pytestmark = pytest.mark.django_db
Team = dict[str, User]
WHY = "a reason that is long enough"


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app, "send_task", lambda *args, **kwargs: None)


def halt(team: Team) -> TradingState:
    kill_switch_trip(scope="global", reason="stop", actor=team["viewer"], now=NOW)
    return TradingState.objects.get()


def vote(request: ApprovalRequest, actor: User) -> ApprovalRequest:
    return approval_vote(
        request_id=request.pk,
        revision=request.revision,
        vote="approve",
        reason=WHY,
        actor=actor,
        factor=fresh_factor(actor),
        now=NOW,
    )


def limit(rule: str = "max_order_dollars", value: str = "500") -> RiskLimit:
    return RiskLimit.objects.create(
        scope="account", scope_id="main", rule=rule, value=Decimal(value), updated_at=NOW - timedelta(days=1)
    )


def propose(team: Team, value: str, rule: str = "max_order_dollars", who: str = "scalper") -> ApprovalRequest:
    return limit_change_request(
        scope="account", scope_id="main", rule=rule, value=value, reason=WHY, actor=team[who], now=NOW
    )


def test_resume_waits_for_the_second_person(team: Team) -> None:
    row = halt(team)
    request = resume_request(scope="global", reason=WHY, checked=ResumeCheck.values, actor=team["scalper"], now=NOW)
    assert state_for(account="main") is EngineState.HALTED
    assert [(r.old, r.new, r.direction) for r in approval_rows(request)] == [("halted", "active", "raises")]

    vote(request, team["craig"])

    assert state_for(account="main") is EngineState.ACTIVE
    row.refresh_from_db()
    assert (row.state, row.changed_by) == ("active", team["craig"])
    assert row.reason.startswith(WHY + "\nChecked: the cause is known")
    event = AuditEvent.objects.get(action="risk.resume")
    assert event.before == {"state": "halted", "reason": "stop"}
    assert event.after == {"state": "active", "approval": request.pk, "requester": "scalper"}


def test_resume_cannot_be_approved_by_its_requester_or_by_operations(team: Team) -> None:
    halt(team)
    request = resume_request(scope="global", reason=WHY, checked=ResumeCheck.values, actor=team["scalper"], now=NOW)
    with pytest.raises(NotPermitted):
        vote(request, team["cliff"])
    with pytest.raises(NotPermitted):
        vote(request, team["scalper"])
    assert state_for(account="main") is EngineState.HALTED


@pytest.mark.parametrize("second", ["craig", "rita"])
def test_nobody_resumes_alone_and_boss_or_risk_is_the_second_person(team: Team, second: str) -> None:
    people = team | {"rita": hire("rita", "risk")}
    halt(team)
    request = resume_request(scope="global", reason=WHY, checked=ResumeCheck.values, actor=team["cliff"], now=NOW)
    with pytest.raises(ApproverIsRequester):
        vote(request, team["cliff"])
    assert state_for(account="main") is EngineState.HALTED
    vote(request, people[second])
    assert state_for(account="main") is EngineState.ACTIVE


def test_old_resume_does_not_lift_a_newer_stop(team: Team) -> None:
    halt(team)
    request = resume_request(scope="global", reason=WHY, checked=ResumeCheck.values, actor=team["scalper"], now=NOW)
    later = NOW + timedelta(seconds=1)
    kill_switch_trip(scope="global", reason="stop", actor=team["viewer"], now=later)
    with pytest.raises(TargetChanged):
        vote(request, team["craig"])
    assert state_for(account="main") is EngineState.HALTED


def test_only_what_is_stopped_can_be_resumed_and_only_by_those_who_may_ask(team: Team) -> None:
    with pytest.raises(NotHalted):
        resume_request(scope="global", reason=WHY, checked=ResumeCheck.values, actor=team["scalper"], now=NOW)
    trading_state_reduce(scope="market", scope_id="KXTEST-1", reason="x", actor=team["viewer"], now=NOW)
    for name in ("viewer", "eve"):
        with pytest.raises(NotPermitted):
            resume_request(
                scope="market", scope_id="KXTEST-1", reason=WHY, checked=ResumeCheck.values, actor=team[name], now=NOW
            )
    vote(
        resume_request(
            scope="market", scope_id="KXTEST-1", reason=WHY, checked=ResumeCheck.values, actor=team["cliff"], now=NOW
        ),
        team["craig"],
    )
    assert state_for(account="main", market="KXTEST-1") is EngineState.ACTIVE


def test_limit_changes_when_another_person_agrees(team: Team) -> None:
    row = limit()
    request = propose(team, "600.50")
    row.refresh_from_db()
    assert row.value == 500

    vote(request, team["craig"])

    row.refresh_from_db()
    assert (row.value, row.version, row.updated_at) == (Decimal("600.5"), 2, NOW)
    event = AuditEvent.objects.get(action="risk.limit.change")
    assert event.before == {"value": "500", "version": 1}
    assert event.after == {"value": "600.5", "version": 2, "approval": request.pk, "requester": "scalper"}


@pytest.mark.parametrize(
    ("rule", "old", "new", "direction"),
    [
        ("max_order_dollars", "500", "501", "raises"),
        ("max_order_dollars", "500", "499", "lowers"),
        ("max_contracts_per_market", "30", "30.01", "raises"),
        ("max_total_exposure", "2000", "1", "lowers"),
        ("max_price", "0.98", "0.99", "raises"),
        ("min_price", "0.02", "0.01", "raises"),
        ("min_price", "0.02", "0.03", "lowers"),
    ],
)
def test_direction_of_a_limit(team: Team, rule: str, old: str, new: str, direction: str) -> None:
    limit(rule, old)
    request = propose(team, new, rule)
    assert [(r.old, r.new, r.direction) for r in approval_rows(request)] == [(old, new, direction)]


def test_raising_a_limit_needs_the_boss(team: Team) -> None:
    row = limit()
    request = propose(team, "600")
    with pytest.raises(NotPermitted):
        vote(request, team["cliff"])
    vote(request, team["craig"])
    row.refresh_from_db()
    assert row.value == 600


def test_new_limit_on_a_narrower_scope_is_a_tightening(team: Team) -> None:
    above = limit("max_contracts_per_market", "30")
    request = limit_change_request(
        scope="market",
        scope_id="KXTEST-1",
        rule="max_contracts_per_market",
        value="5",
        reason=WHY,
        actor=team["scalper"],
        now=NOW,
    )
    assert [(r.old, r.direction) for r in approval_rows(request)] == [("no limit here", "lowers")]
    assert request.status == "applied"
    row = RiskLimit.objects.exclude(pk=above.pk).get()
    assert (row.scope, row.scope_id, row.value, row.version) == ("market", "KXTEST-1", 5, 1)


def test_limit_that_moved_meanwhile_is_not_overwritten(team: Team) -> None:
    row = limit()
    request = propose(team, "600")
    RiskLimit.objects.filter(pk=row.pk).update(value=Decimal(300), version=2)
    with pytest.raises(TargetChanged):
        vote(request, team["craig"])
    row.refresh_from_db()
    assert row.value == 300


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("max_order_dollars", ""),
        ("max_order_dollars", "NaN"),
        ("max_order_dollars", "Infinity"),
        ("max_order_dollars", "-5"),
        ("max_order_dollars", "0"),
        ("max_order_dollars", "1.0000001"),
        ("max_order_dollars", "1e30"),
        ("max_order_dollars", "five"),
        ("max_order_dollars", "500"),
        ("max_contracts_per_market", "1.005"),
        ("max_price", "1"),
        ("max_price", "0.00001"),
        ("max_price", "0.01"),
    ],
)
def test_limit_value_that_makes_no_sense_is_refused(team: Team, rule: str, value: str) -> None:
    limit()
    limit("min_price", "0.02")
    with pytest.raises(Refused):
        propose(team, value, rule)
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize("target", ["nonsense", "max_price", "max_price:planet:x", "max_price:market:"])
def test_limit_target_must_exist(team: Team, target: str) -> None:
    with pytest.raises(BadScope):
        approval_request(
            action="risk.limit.change",
            target_type="risk.RiskLimit",
            target_id=target,
            payload={"value": "0.5"},
            reason=WHY,
            actor=team["scalper"],
            now=NOW,
        )


def lower(team: Team, value: str, rule: str = "max_order_dollars", who: str = "scalper", **where: str) -> RiskLimit:
    scope = {"scope": "account", "scope_id": "main"} | where
    return limit_lower(rule=rule, value=value, reason=WHY, actor=team[who], now=NOW, **scope)


def test_one_person_lowers_a_limit_at_once(team: Team) -> None:
    row = limit()
    lower(team, "400.50")
    row.refresh_from_db()
    assert (row.value, row.version, row.updated_at) == (Decimal("400.5"), 2, NOW)
    event = AuditEvent.objects.get(action="risk.limit.lower")
    assert (event.actor, event.reason) == (team["scalper"], WHY)
    assert event.before == {"value": "500", "version": 1}
    assert event.after == {"value": "400.5", "version": 2}


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("max_order_dollars", "500", "500.01"),
        ("max_nav_share", "0.15", "0.16"),
        ("max_depth_share", "0.15", "1"),
        ("max_orders_per_minute", "60", "61"),
        ("max_price", "0.98", "0.99"),
        ("min_price", "0.02", "0.01"),
    ],
)
def test_one_person_cannot_raise_a_limit(team: Team, rule: str, old: str, new: str) -> None:
    row = limit(rule, old)
    with pytest.raises(WouldLoosen):
        lower(team, new, rule, who="craig")
    row.refresh_from_db()
    assert (row.value, row.version) == (Decimal(old), 1)
    assert not AuditEvent.objects.filter(action="risk.limit.lower").exists()


def test_one_person_sets_a_limit_where_there_was_none(team: Team) -> None:
    for rule, scope, which, value in (
        ("max_nav_share", "theme", "*", "0.15"),
        ("max_contracts", "category", "Crypto", "100"),
        ("max_orders_per_minute", "global", "", "600"),
    ):
        row = lower(team, value, rule, scope=scope, scope_id=which)
        assert (row.scope, row.scope_id, row.value, row.version) == (scope, which, Decimal(value), 1)


def test_the_first_limit_that_lets_orders_through_takes_two(team: Team) -> None:
    """Without a limit of such a rule nothing is sent, so setting it is no tightening."""
    with pytest.raises(WouldLoosen):
        lower(team, "500")
    limit()
    with pytest.raises(WouldLoosen):
        lower(team, "500", scope_id="other")
    with pytest.raises(WouldLoosen):
        lower(team, "500", scope="global", scope_id="")
    assert lower(team, "100", scope="series", scope_id="KX").version == 1


@pytest.mark.parametrize("value", ["", "NaN", "-5", "0", "five", "500"])
def test_a_value_that_makes_no_sense_is_refused_at_once(team: Team, value: str) -> None:
    limit()
    with pytest.raises(Refused):
        lower(team, value)
    assert RiskLimit.objects.get().value == 500


def test_lowering_keeps_a_price_to_trade_at_and_needs_the_right(team: Team) -> None:
    limit("min_price", "0.02")
    limit("max_price", "0.98")
    with pytest.raises(Refused, match="empty"):
        lower(team, "0.01", "max_price")
    for name in ("viewer", "eve"):
        with pytest.raises(NotPermitted):
            lower(team, "0.9", "max_price", who=name)
    with pytest.raises(BadScope):
        lower(team, "0.9", "max_price", scope="planet")


def test_limit_change_needs_the_right_to_propose(team: Team) -> None:
    limit()
    with pytest.raises(NotPermitted):
        propose(team, "400", who="viewer")
    assert not ApprovalRequest.objects.exists()
