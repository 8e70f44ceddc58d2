"""Lowering risk and stopping take one person; another looks at it within a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.exceptions import ReasonTooShort, TargetChanged
from apps.governance.models import ApprovalRequest, ApprovalVote, AuditEvent, ReviewItem, SystemEvent
from apps.governance.selectors import review_list
from apps.governance.services import review_close, review_open_for_stops, review_tell_overdue
from apps.risk.models import RiskLimit
from apps.risk.services import kill_switch_trip, limit_change_request, limit_lower
from tests.factories import NOW
from tests.governance.conftest import ACTION, NumberHandler

from .acts import WHY, Team, ask, sign

pytestmark = pytest.mark.django_db
DAY = timedelta(hours=24)


def test_lowering_is_applied_at_once_by_one_person_and_opens_a_review(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], 3)

    assert number.numbers["1"] == 3
    assert (request.status, request.path, request.risk) == ("applied", "lowered", "lowers")
    assert not ApprovalVote.objects.exists()
    events = AuditEvent.objects.exclude(action="people.role.sync").order_by("id")
    assert [event.action for event in events] == [ACTION, "approval.lower"]
    item = ReviewItem.objects.get()
    assert (item.kind, item.opened_by, item.due_at, item.request) == ("lowered", team["scalper"], NOW + DAY, request)


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_lowering_still_needs_the_right_to_propose(team: Team, number: NumberHandler, name: str) -> None:
    with pytest.raises(NotPermitted):
        ask(team[name], 3)
    assert number.numbers["1"] == 5


def test_lowering_moves_the_base_of_a_raise_that_waits(team: Team, number: NumberHandler) -> None:
    raised = ask(team["scalper"], 9)
    ask(team["cliff"], 3)
    with pytest.raises(TargetChanged):
        sign(raised, team["craig"])
    assert number.numbers["1"] == 3


def test_lowering_set_to_a_later_time_is_signed_like_any_other(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], 3, apply_after=NOW + timedelta(hours=1))
    assert (request.status, number.numbers["1"]) == ("open", 5)


def test_database_lets_only_signed_requests_wait(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], 9)
    with pytest.raises(IntegrityError, match="only_signed_requests_wait"), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(path="lowered")


def test_limit_lowered_alone_opens_a_review_and_a_raise_does_not(team: Team) -> None:
    RiskLimit.objects.create(
        rule="max_order_dollars", scope="global", scope_id="", value=100, version=1, updated_at=NOW
    )
    limit_lower(scope="global", rule="max_order_dollars", value="50", reason=WHY, actor=team["scalper"], now=NOW)
    item = ReviewItem.objects.get()
    assert (item.object_type, item.object_id) == ("risk.RiskLimit", str(RiskLimit.objects.get().pk))
    limit_change_request(
        scope="global", rule="max_order_dollars", value="90", reason=WHY, actor=team["scalper"], now=NOW
    )
    assert ReviewItem.objects.count() == 1


def test_stop_by_a_person_is_reviewed_and_one_by_the_platform_is_not(team: Team) -> None:
    kill_switch_trip(scope="global", reason="looks wrong", actor=team["viewer"], now=NOW)
    kill_switch_trip(scope="account", scope_id="main", reason="", actor=None, actor_label="system:k1", now=NOW)

    assert review_open_for_stops(now=NOW + timedelta(minutes=1)) == 1
    assert review_open_for_stops(now=NOW + timedelta(minutes=2)) == 0

    item = ReviewItem.objects.get()
    assert (item.kind, item.opened_by, item.opened_at, item.due_at) == ("stopped", team["viewer"], NOW, NOW + DAY)
    assert "looks wrong" in item.what


def test_review_is_another_persons_with_the_right_to_approve(team: Team, number: NumberHandler) -> None:
    ask(team["cliff"], 3)
    item = ReviewItem.objects.get()
    for name in ("cliff", "scalper", "viewer", "eve"):
        with pytest.raises(NotPermitted):
            review_close(review_id=item.pk, note=WHY, actor=team[name], now=NOW)
    with pytest.raises(ReasonTooShort):
        review_close(review_id=item.pk, note="fine", actor=team["craig"], now=NOW)
    assert list(review_list(is_open=True)) == [item]

    review_close(review_id=item.pk, note="was right to do so", actor=team["craig"], now=NOW)

    item.refresh_from_db()
    assert (item.reviewed_by, item.reviewed_at, item.note) == (team["craig"], NOW, "was right to do so")
    assert AuditEvent.objects.get(action="review.close").actor == team["craig"]
    assert list(review_list(is_open=False)) == [item]
    with pytest.raises(Refused, match="already"):
        review_close(review_id=item.pk, note=WHY, actor=team["craig"], now=NOW)


def test_database_refuses_a_review_of_ones_own(team: Team, number: NumberHandler) -> None:
    ask(team["cliff"], 3)
    steal = "UPDATE governance_reviewitem SET reviewed_by_id = opened_by_id, reviewed_at = opened_at"
    with (
        pytest.raises(IntegrityError, match="reviewer_is_another_person"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(steal)


def test_review_that_nobody_makes_is_told_once_when_it_is_due(team: Team, number: NumberHandler) -> None:
    ask(team["cliff"], 3)
    assert review_tell_overdue(now=NOW + DAY - timedelta(microseconds=1)) == 0
    assert review_tell_overdue(now=NOW + DAY) == 1
    assert review_tell_overdue(now=NOW + DAY) == 0
    assert review_list(is_open=True).filter(due_at__lte=NOW + DAY).count() == 1
    event = SystemEvent.objects.get(code="REVIEW_OVERDUE")
    assert event.details == {"review_id": ReviewItem.objects.get().pk}
