"""Breaking the glass: at once, alarmed at once, signed by two others afterwards, and never for some changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.stepup import StepUpNeeded
from apps.governance.audit import triggers
from apps.governance.exceptions import (
    AlreadySigned,
    ApprovalClosed,
    ApproverIsRequester,
    ReasonTooShort,
    RequestAltered,
)
from apps.governance.models import ApprovalRequest, ApprovalVote, AuditEvent, SignoffRule, SystemEvent
from apps.governance.selectors import break_glass_outstanding
from apps.governance.services import break_glass_countersign, break_glass_tell_overdue, change_break_glass
from apps.governance.standing import SIGNOFF_CHANGE
from apps.risk.models import TradingState
from tests.factories import NOW, fresh_factor
from tests.governance.conftest import NumberHandler

from .acts import WHY, Team, ask, hire, smash

pytestmark = pytest.mark.django_db
DAY = timedelta(hours=24)


def countersign(request: ApprovalRequest, actor: object, **fields: object) -> ApprovalRequest:
    defaults = {"reason": WHY, "factor": fresh_factor(actor), "now": NOW}  # type: ignore[arg-type]
    return break_glass_countersign(request_id=request.pk, actor=actor, **(defaults | fields))  # type: ignore[arg-type]


def test_emergency_change_is_made_at_once_and_everybody_is_told(team: Team, number: NumberHandler) -> None:
    request = smash(team["cliff"])

    assert number.numbers["1"] == 9
    assert (request.status, request.path, request.countersign_by) == ("applied", "break_glass", NOW + DAY)
    event = SystemEvent.objects.get()
    assert (event.code, event.severity, event.details["request_id"]) == ("BREAK_GLASS", "critical", request.pk)
    assert "cliff" in event.message
    assert AuditEvent.objects.get(action="approval.break_glass").actor == team["cliff"]
    assert break_glass_outstanding() == [request]


@pytest.mark.parametrize("name", ["scalper", "viewer", "eve", "rita"])
def test_it_needs_the_right_to_it(team: Team, number: NumberHandler, name: str) -> None:
    people = team | {"rita": hire("rita", "risk")}
    with pytest.raises(NotPermitted):
        smash(people[name])
    assert (number.numbers["1"], SystemEvent.objects.count()) == (5, 0)


def test_it_needs_a_fresh_factor_and_a_reason(team: Team, number: NumberHandler) -> None:
    with pytest.raises(StepUpNeeded):
        smash(team["craig"], factor=None)
    with pytest.raises(ReasonTooShort):
        smash(team["craig"], reason="hurry")
    assert number.numbers["1"] == 5


@pytest.mark.parametrize(
    ("action", "target_type", "payload"),
    [
        (SIGNOFF_CHANGE, SignoffRule._meta.label, {"needs": {"boss": 1}}),
        ("risk.resume", TradingState._meta.label, {"state": "active"}),
    ],
)
def test_no_emergency_changes_who_must_sign_or_resumes_trading(
    team: Team, action: str, target_type: str, payload: dict[str, object]
) -> None:
    with pytest.raises(Refused, match="No emergency"):
        change_break_glass(
            action=action,
            target_type=target_type,
            target_id="1",
            payload=payload,
            reason=WHY,
            actor=team["craig"],
            factor=fresh_factor(team["craig"]),
            now=NOW,
        )
    assert not ApprovalRequest.objects.exists()


def test_two_other_people_sign_afterwards(team: Team, number: NumberHandler) -> None:
    request, rita = smash(team["cliff"]), hire("rita", "risk")
    with pytest.raises(ApproverIsRequester):
        countersign(request, team["cliff"])
    with pytest.raises(NotPermitted):
        countersign(request, team["scalper"])
    with pytest.raises(StepUpNeeded):
        countersign(request, rita, factor=None)

    countersign(request, team["craig"])
    with pytest.raises(AlreadySigned):
        countersign(request, team["craig"])
    assert break_glass_outstanding() == [request]
    countersign(request, rita)

    assert break_glass_outstanding() == []
    assert AuditEvent.objects.filter(action="approval.countersign").count() == 2


def test_only_emergency_changes_are_signed_afterwards(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    with pytest.raises(ApprovalClosed):
        countersign(request, team["craig"])
    assert not ApprovalVote.objects.exists()


def test_forged_signatures_do_not_settle_it(team: Team, number: NumberHandler) -> None:
    request, rita = smash(team["cliff"]), hire("rita", "risk")
    for person in (team["craig"], rita):
        ApprovalVote.objects.create(
            request=request,
            requester=team["cliff"],
            last_editor=team["cliff"],
            voter=person,
            vote="approve",
            statement="{}",
            digest="0" * 64,
            seal="0" * 64,
            reason=WHY,
            voted_at=NOW,
        )
    assert break_glass_outstanding() == [request]
    with pytest.raises(RequestAltered):
        countersign(request, hire("rolf", "risk"))
    assert SystemEvent.objects.filter(code="APPROVAL_ALTERED").count() == 1


def test_emergency_change_that_was_rewritten_stays_outstanding(team: Team, number: NumberHandler) -> None:
    request = smash(team["cliff"])
    countersign(request, team["craig"])
    countersign(request, hire("rita", "risk"))
    triggers.remove(connection)
    ApprovalRequest.objects.update(payload={"value": 6})
    assert [found.pk for found in break_glass_outstanding()] == [request.pk]


def test_overdue_signatures_escalate_once(team: Team, number: NumberHandler) -> None:
    request = smash(team["cliff"])
    assert break_glass_tell_overdue(now=NOW + DAY - timedelta(microseconds=1)) == 0
    assert break_glass_tell_overdue(now=NOW + DAY) == 1
    assert break_glass_tell_overdue(now=NOW + DAY) == 0
    event = SystemEvent.objects.get(code="BREAK_GLASS_OVERDUE")
    assert (event.severity, event.details["request_id"]) == ("critical", request.pk)


def test_database_wants_a_time_by_which_it_is_signed(team: Team, number: NumberHandler) -> None:
    smash(team["cliff"])
    with pytest.raises(IntegrityError, match="broken_glass_is_signed_afterwards"), transaction.atomic():
        ApprovalRequest.objects.update(countersign_by=None)
