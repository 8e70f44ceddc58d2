"""Four eyes: nothing is applied without a second person, and nothing but what that person saw."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import Conflict, NotPermitted, Refused
from apps.governance import tasks  # noqa: F401  registers the task
from apps.governance.choices import ApprovalStatus, Vote
from apps.governance.digest import canonical_json, digest_of
from apps.governance.exceptions import (
    ApprovalClosed,
    ApproverIsRequester,
    NoApprover,
    OpenRequestExists,
    ReasonTooShort,
    RequestAltered,
    TargetChanged,
    UnknownAction,
)
from apps.governance.models import ApprovalRequest, ApprovalVote, AuditEvent, SystemEvent
from apps.governance.selectors import approval_can_vote, approval_list_open, approval_rows
from apps.governance.services import approval_expire_due, approval_request, approval_withdraw
from tests.factories import NOW
from tests.governance.approvals.acts import WHY, Team, ask, hire, sign
from tests.governance.conftest import ACTION, TARGET, NumberHandler

pytestmark = pytest.mark.django_db


def assert_untouched(request: ApprovalRequest, number: NumberHandler) -> None:
    request.refresh_from_db()
    assert request.status == ApprovalStatus.OPEN
    assert number.numbers["1"] == 5
    assert not ApprovalVote.objects.exists()
    assert list(AuditEvent.objects.exclude(action="people.role.sync").values_list("action", flat=True)) == [
        "approval.request"
    ]


def test_request_stores_what_would_change_and_changes_nothing(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])

    assert request.status == ApprovalStatus.OPEN
    assert request.payload == {"value": 9}
    assert request.current == {"value": 5}
    assert request.expires_at == NOW + timedelta(hours=24)
    assert request.digest == digest_of(request)
    assert number.numbers["1"] == 5
    event = AuditEvent.objects.get(action="approval.request")
    assert (event.actor, event.actor_label, event.object_type, event.object_id, event.reason) == (
        team["scalper"],
        "scalper",
        "governance.ApprovalRequest",
        str(request.pk),
        WHY,
    )
    assert event.after == {"change": ACTION, "payload": {"value": 9}, "digest": request.digest}


def test_approval_by_a_second_person_applies_at_once(team: Team, number: NumberHandler) -> None:
    request = sign(ask(team["scalper"]), team["craig"])

    assert number.numbers["1"] == 9
    request.refresh_from_db()
    assert (request.status, request.closed_at) == (ApprovalStatus.APPLIED, NOW)
    cast = ApprovalVote.objects.get()
    assert (cast.voter, cast.requester, cast.last_editor, cast.vote, cast.factor) == (
        team["craig"],
        team["scalper"],
        team["scalper"],
        Vote.APPROVE,
        "totp",
    )
    events = AuditEvent.objects.exclude(action="people.role.sync").order_by("id")
    assert [e.action for e in events] == ["approval.request", "approval.approve", ACTION, "approval.apply"]
    assert events[1].after == {"digest": request.digest, "signature": cast.digest, "missing": {}}
    assert events[3].before == {"status": "open"}
    assert events[3].after == {"status": "applied", "digest": request.digest, "signed": ["craig"]}


def test_rejection_closes_and_changes_nothing(team: Team, number: NumberHandler) -> None:
    request = sign(ask(team["scalper"]), team["cliff"], "reject")

    assert request.status == ApprovalStatus.REJECTED
    assert number.numbers["1"] == 5
    assert AuditEvent.objects.filter(action="approval.reject", actor=team["cliff"]).count() == 1


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_requester_cannot_decide_on_own_request(team: Team, number: NumberHandler, decision: str) -> None:
    request = ask(team["craig"])

    with pytest.raises(ApproverIsRequester):
        sign(request, team["craig"], decision)

    assert_untouched(request, number)


def test_database_itself_refuses_the_requesters_vote(team: Team, number: NumberHandler) -> None:
    request = ask(team["craig"])
    with pytest.raises(IntegrityError, match="voter_is_not_requester"), transaction.atomic():
        ApprovalVote.objects.create(
            request=request,
            requester=team["craig"],
            last_editor=team["cliff"],
            voter=team["craig"],
            vote=Vote.APPROVE,
            digest=request.digest,
            reason=WHY,
            voted_at=NOW,
        )


@pytest.mark.parametrize("name", ["scalper", "viewer", "eve"])
def test_vote_needs_the_right_to_approve(team: Team, number: NumberHandler, name: str) -> None:
    request = ask(team["craig"])

    with pytest.raises(NotPermitted):
        sign(request, team[name])

    assert_untouched(request, number)


def test_superuser_without_the_right_does_not_satisfy_four_eyes(team: Team, number: NumberHandler) -> None:
    root = User.objects.create_superuser("root")
    request = ask(team["scalper"])

    with pytest.raises(NotPermitted):
        sign(request, root)

    assert_untouched(request, number)


def test_raised_risk_needs_more_than_the_operations_role(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], 9)

    with pytest.raises(NotPermitted):
        sign(request, team["cliff"])

    assert_untouched(request, number)


def test_operations_stands_in_when_the_boss_asks(team: Team, number: NumberHandler) -> None:
    sign(ask(team["craig"], 8), team["cliff"])
    assert number.numbers["1"] == 8


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_proposing_needs_its_right(team: Team, number: NumberHandler, name: str) -> None:
    with pytest.raises(NotPermitted):
        ask(team[name])
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize("reason", ["", "too short", "   padding   "])
def test_reason_must_say_something(team: Team, number: NumberHandler, reason: str) -> None:
    with pytest.raises(ReasonTooShort):
        ask(team["scalper"], reason=reason)
    request = ask(team["scalper"])
    with pytest.raises(ReasonTooShort):
        sign(request, team["craig"], reason=reason)
    assert_untouched(request, number)


def test_target_that_changed_meanwhile_refuses_the_vote(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    number.numbers["1"] = 6

    with pytest.raises(TargetChanged) as error:
        sign(request, team["craig"])

    assert isinstance(error.value, Conflict)
    assert number.numbers["1"] == 6
    request.refresh_from_db()
    assert request.status == ApprovalStatus.OPEN
    assert not ApprovalVote.objects.exists()


@pytest.mark.parametrize(
    "edit",
    [
        {"payload": {"value": 900}},
        {"current": {"value": 4}},
        {"action": "test.other.change"},
        {"target_id": "2"},
        {"expires_at": NOW + timedelta(days=9)},
        {"apply_after": NOW - timedelta(days=1)},
        {"params_hash": "0" * 64},
        {"base_version": "another"},
        {"environment": "paper"},
        {"risk": "lowers"},
        {"rows": []},
        {"evidence_digest": "0" * 64},
        {"revision": 2},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_request_edited_after_it_was_made_is_not_applied(
    team: Team, number: NumberHandler, edit: dict[str, Any]
) -> None:
    request = ask(team["scalper"])
    ApprovalRequest.objects.filter(pk=request.pk).update(**edit)

    with pytest.raises(RequestAltered):
        sign(request, team["craig"], revision=edit.get("revision", 1))

    assert number.numbers == {"1": 5, "2": 7}
    assert not ApprovalVote.objects.exists()
    request.refresh_from_db()
    assert (request.status, request.closed_at) == (ApprovalStatus.VOID, NOW)
    assert AuditEvent.objects.filter(action="approval.void", object_id=str(request.pk)).count() == 1
    event = SystemEvent.objects.get()
    assert (event.code, event.severity, event.details) == (
        "APPROVAL_ALTERED",
        "critical",
        {"request_id": request.pk},
    )


def test_request_moved_to_another_requester_is_not_applied(team: Team, number: NumberHandler) -> None:
    request = ask(team["craig"])
    ApprovalRequest.objects.filter(pk=request.pk).update(requester=team["scalper"], editor=team["scalper"])

    with pytest.raises(RequestAltered):
        sign(request, team["craig"])
    assert number.numbers["1"] == 5


def test_vote_at_the_moment_of_expiry_is_too_late(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    with pytest.raises(ApprovalClosed):
        sign(request, team["craig"], now=request.expires_at)
    assert_untouched(request, number)
    sign(request, team["craig"], now=request.expires_at - timedelta(microseconds=1))
    assert number.numbers["1"] == 9


def test_expired_requests_are_closed_once_and_free_the_target(team: Team, number: NumberHandler) -> None:
    old, young = ask(team["scalper"]), ask(team["scalper"], target="2", now=NOW + timedelta(hours=1))
    later = NOW + timedelta(hours=24)

    assert approval_expire_due(now=later) == 1
    assert approval_expire_due(now=later) == 0

    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.status, young.status) == (ApprovalStatus.EXPIRED, ApprovalStatus.OPEN)
    event = AuditEvent.objects.get(action="approval.expire")
    assert (event.actor, event.actor_label, event.object_id) == (None, "system:approvals", str(old.pk))
    with pytest.raises(ApprovalClosed):
        sign(old, team["craig"], now=later)
    ask(team["scalper"], now=later)


def test_only_the_requester_withdraws(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    with pytest.raises(NotPermitted):
        approval_withdraw(request_id=request.pk, reason=WHY, actor=team["craig"], now=NOW)
    assert_untouched(request, number)

    approval_withdraw(request_id=request.pk, reason=WHY, actor=team["scalper"], now=NOW)

    request.refresh_from_db()
    assert request.status == ApprovalStatus.WITHDRAWN
    assert AuditEvent.objects.filter(action="approval.withdraw", actor=team["scalper"]).count() == 1
    with pytest.raises(ApprovalClosed):
        sign(request, team["craig"])
    assert number.numbers["1"] == 5


def test_one_open_request_per_target_and_action(team: Team, number: NumberHandler) -> None:
    first = ask(team["scalper"])
    with pytest.raises(OpenRequestExists):
        ask(team["cliff"], 8)
    ask(team["cliff"], 8, target="2")
    sign(first, team["craig"], "reject")
    ask(team["cliff"], 8)


def test_second_vote_is_too_late(team: Team, number: NumberHandler) -> None:
    request = sign(ask(team["craig"]), team["cliff"])
    with pytest.raises(ApprovalClosed):
        sign(request, hire("rita", "risk"), "reject")
    assert ApprovalVote.objects.count() == 1


def test_failing_handler_leaves_no_vote_and_no_audit(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    number.fails = True

    with pytest.raises(Refused, match="half way"):
        sign(request, team["craig"])

    number.fails = False
    assert_untouched(request, number)


def test_request_that_nobody_else_could_approve_is_refused(team: Team, number: NumberHandler) -> None:
    team["craig"].is_active = False
    team["craig"].save()
    with pytest.raises(NoApprover):
        ask(team["scalper"], 9)
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize("value", ["9", None])
def test_handlers_refusal_stores_nothing(team: Team, number: NumberHandler, value: object) -> None:
    with pytest.raises(Refused):
        ask(team["scalper"], value)
    assert not ApprovalRequest.objects.exists()


def test_unknown_action_and_wrong_target_type_are_refused(team: Team, number: NumberHandler) -> None:
    fields = {"target_id": "1", "payload": {"value": 1}, "reason": WHY, "actor": team["scalper"], "now": NOW}
    with pytest.raises(UnknownAction):
        approval_request(action="test.unknown", target_type=TARGET, **fields)
    with pytest.raises(ValueError, match=r"test\.Number"):
        approval_request(action=ACTION, target_type="auth.User", **fields)


@pytest.mark.parametrize("bad", [1.5, {"a": [0.1]}, {1: "x"}, NOW])
def test_digest_refuses_what_a_database_might_not_return_as_it_was(bad: object) -> None:
    with pytest.raises(Refused):
        canonical_json({"value": bad})


def test_canonical_json_ignores_the_order_of_names() -> None:
    assert canonical_json({"b": [1, "2"], "a": None}) == canonical_json({"a": None, "b": [1, "2"]})
    assert canonical_json({"a": "1"}) != canonical_json({"a": 1})


def test_selectors_show_what_waits_for_whom(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    assert list(approval_list_open(now=NOW)) == [request]
    assert list(approval_list_open(now=request.expires_at)) == []
    assert [(row.old, row.new, row.direction) for row in approval_rows(request)] == [("5", "9", "raises")]
    allowed = {name for name, user in team.items() if approval_can_vote(request=request, user=user, now=NOW)}
    assert allowed == {"craig", "cliff"}
    request.action, request.rows = "test.gone", []
    assert approval_rows(request) == []


def test_periodic_job_closes_what_has_expired(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], now=NOW - timedelta(days=3650))
    current_app.tasks["governance.expire_approvals"]()
    request.refresh_from_db()
    assert request.status == ApprovalStatus.EXPIRED
