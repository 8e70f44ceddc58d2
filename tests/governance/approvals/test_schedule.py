"""What is set to a later time is applied then, if everything still holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import current_app

from apps.core.exceptions import Refused
from apps.governance import tasks  # noqa: F401  registers the tasks
from apps.governance.models import ApprovalRequest, AuditEvent, SystemEvent
from apps.governance.services import approval_apply_due, approval_expire_due
from tests.factories import NOW
from tests.governance.conftest import NumberHandler

from .acts import Team, ask, edit, sign

pytestmark = pytest.mark.django_db
AT = NOW + timedelta(hours=3)


@pytest.fixture
def signed(team: Team, number: NumberHandler) -> ApprovalRequest:
    """A raise that craig has signed and that is set to three hours later."""
    return sign(ask(team["scalper"], apply_after=AT), team["craig"])


def test_signed_change_waits_for_its_time(signed: ApprovalRequest, team: Team, number: NumberHandler) -> None:
    assert (signed.status, number.numbers["1"]) == ("open", 5)
    assert approval_apply_due(now=AT - timedelta(microseconds=1)) == 0
    assert approval_apply_due(now=AT) == 1
    assert approval_apply_due(now=AT) == 0
    assert number.numbers["1"] == 9
    event = AuditEvent.objects.get(action="approval.apply")
    assert (event.actor_label, (event.after or {})["signed"]) == ("system:approvals", ["craig"])


def test_unsigned_change_is_not_applied_by_time(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], apply_after=AT)
    assert approval_apply_due(now=AT) == 0
    sign(request, team["craig"], now=AT)
    assert number.numbers["1"] == 9


def test_moved_base_stops_it_and_says_so_once(signed: ApprovalRequest, number: NumberHandler) -> None:
    number.numbers["1"] = 6
    assert approval_apply_due(now=AT) == approval_apply_due(now=AT) == 0
    assert number.numbers["1"] == 6
    event = SystemEvent.objects.get(code="APPROVAL_NOT_APPLIED")
    assert event.details["request_id"] == signed.pk
    assert approval_expire_due(now=signed.expires_at) == 1


def test_signer_who_lost_the_role_no_longer_counts(signed: ApprovalRequest, team: Team, number: NumberHandler) -> None:
    team["craig"].groups.clear()
    assert approval_apply_due(now=AT) == 0
    assert number.numbers["1"] == 5


def test_signer_who_left_no_longer_counts(signed: ApprovalRequest, team: Team, number: NumberHandler) -> None:
    team["craig"].is_active = False
    team["craig"].save()
    assert approval_apply_due(now=AT) == 0
    assert number.numbers["1"] == 5


def test_rule_made_meanwhile_counts(signed: ApprovalRequest, number: NumberHandler) -> None:
    number.raising_needs = {"boss": 1, "operations": 1}
    assert approval_apply_due(now=AT) == 0
    assert number.numbers["1"] == 5


def test_altered_request_becomes_void(signed: ApprovalRequest, number: NumberHandler) -> None:
    ApprovalRequest.objects.filter(pk=signed.pk).update(apply_after=NOW)
    assert approval_apply_due(now=NOW) == 0
    signed.refresh_from_db()
    assert (signed.status, number.numbers["1"]) == ("void", 5)


def test_edit_takes_the_signatures_off_what_was_scheduled(
    signed: ApprovalRequest, team: Team, number: NumberHandler
) -> None:
    edit(signed, team["cliff"], 50, apply_after=AT)
    assert approval_apply_due(now=AT) == 0
    assert number.numbers["1"] == 5


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(seconds=-1), timedelta(days=7, seconds=1)])
def test_time_that_cannot_be_is_refused(team: Team, number: NumberHandler, wait: timedelta) -> None:
    with pytest.raises(Refused):
        ask(team["scalper"], apply_after=NOW + wait)


def test_expiry_counts_from_the_time_it_is_set_to(signed: ApprovalRequest) -> None:
    assert signed.expires_at == AT + timedelta(hours=24)


@pytest.mark.parametrize("task", ["governance.apply_approvals", "governance.review_steps"])
def test_periodic_jobs_run(team: Team, number: NumberHandler, task: str) -> None:
    current_app.tasks[task]()
