from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.models import AuditEvent, RedesignProposal, SystemEvent, WorkItem
from apps.governance.proposal_selectors import proposal_list
from apps.governance.services.work_items import (
    work_item_add,
    work_item_change,
    work_item_done,
    work_overdue_tell,
)
from tests.factories import NOW

from .steps import WHY

pytestmark = pytest.mark.django_db
Team = dict[str, User]
SOON = NOW + timedelta(hours=2)


def task(proposal: RedesignProposal | None, team: Team, *after: WorkItem, **fields: object) -> WorkItem:
    given = {"title": "Measure the depth", "owners": [team["scalper"]], "due_at": SOON} | fields
    return work_item_add(proposal=proposal, depends_on=after, reason=WHY, actor=team["cliff"], now=NOW, **given)  # type: ignore[arg-type]


def done(item: WorkItem, actor: User) -> WorkItem:
    return work_item_done(item_id=item.pk, reason=WHY, actor=actor, now=NOW)


def test_either_of_two_owners_says_it_is_done(case: RedesignProposal, team: Team) -> None:
    item = task(case, team, owners=[team["cliff"], team["scalper"]])
    for name in ("craig", "viewer"):
        with pytest.raises(NotPermitted):
            done(item, team[name])
    made = done(item, team["scalper"])
    assert (made.status, made.done_by, made.done_at) == ("done", team["scalper"], NOW)
    said = AuditEvent.objects.get(action="work.done")
    assert (said.object_type, said.object_id, said.before["status"]) == ("governance.WorkItem", str(item.pk), "todo")
    with pytest.raises(Refused, match="ended"):
        done(item, team["cliff"])


def test_what_it_waits_for_comes_first(case: RedesignProposal, team: Team) -> None:
    first = task(case, team)
    second = task(case, team, first, title="Write it up")
    with pytest.raises(Refused, match="First comes: Measure the depth"):
        done(second, team["scalper"])
    done(first, team["scalper"])
    assert done(second, team["scalper"]).status == "done"


def test_dropping_a_task_frees_what_waits_for_it(case: RedesignProposal, team: Team) -> None:
    first = task(case, team)
    second = task(case, team, first)
    work_item_change(item_id=first.pk, status="dropped", reason=WHY, actor=team["cliff"], now=NOW)
    assert done(second, team["scalper"]).status == "done"


@pytest.mark.parametrize(
    ("fields", "field"), [({"owners": []}, "owners"), ({"status": "done"}, "status"), ({"title": " "}, "title")]
)
def test_a_task_that_is_nobodys_or_nothing_is_refused(
    case: RedesignProposal, team: Team, fields: dict[str, object], field: str
) -> None:
    before = WorkItem.objects.count()
    with pytest.raises(Refused) as refused:
        task(case, team, **fields)
    assert refused.value.extra["field"] == field
    assert WorkItem.objects.count() == before


def test_it_waits_only_for_tasks_of_the_same_proposal(case: RedesignProposal, team: Team) -> None:
    with pytest.raises(Refused, match="same proposal"):
        task(None, team, case.work_items.all()[0])


def test_a_task_is_not_put_into_done_by_changing_it(case: RedesignProposal, team: Team) -> None:
    item = task(case, team)
    for status in ("done", "gone"):
        with pytest.raises(Refused):
            work_item_change(item_id=item.pk, status=status, reason=WHY, actor=team["cliff"], now=NOW)
    with pytest.raises(Refused, match="nobody's"):
        work_item_change(item_id=item.pk, owners=[], reason=WHY, actor=team["cliff"], now=NOW)
    with pytest.raises(NotPermitted):
        work_item_change(item_id=item.pk, status="doing", reason=WHY, actor=team["viewer"], now=NOW)
    item.refresh_from_db()
    assert item.status == "todo"


def test_the_database_wants_to_know_who_did_it(case: RedesignProposal, team: Team) -> None:
    item = task(case, team)
    with pytest.raises(IntegrityError), transaction.atomic():
        WorkItem.objects.filter(pk=item.pk).update(status="done")


def test_overdue_work_is_told_once_per_promise(case: RedesignProposal, team: Team) -> None:
    WorkItem.objects.all().update(due_at=SOON)
    assert work_overdue_tell(now=SOON) == 0
    late = SOON + timedelta(seconds=1)
    assert work_overdue_tell(now=late) == 9
    assert work_overdue_tell(now=late) == 0
    event = SystemEvent.objects.get(code="WORK_OVERDUE")
    assert event.message.startswith("Overdue: Market analysis (scalper); Parameter optimization (cliff); ")
    assert "Implementation (cliff, scalper)" in event.message
    assert (event.severity, event.details["proposal"], len(event.details["tasks"])) == ("warning", case.pk, 9)
    item = case.work_items.get(title="Market analysis")
    later = late + timedelta(hours=1)
    work_item_change(item_id=item.pk, due_at=later, reason=WHY, actor=team["scalper"], now=late)
    assert work_overdue_tell(now=later) == 0
    assert work_overdue_tell(now=later + timedelta(seconds=1)) == 1
    assert SystemEvent.objects.filter(code="WORK_OVERDUE").count() == 2


def test_what_has_ended_is_never_overdue(case: RedesignProposal, team: Team) -> None:
    WorkItem.objects.exclude(title="Market analysis").update(due_at=SOON + timedelta(days=1))
    WorkItem.objects.filter(title="Market analysis").update(due_at=SOON)
    done(case.work_items.get(title="Market analysis"), team["scalper"])
    assert work_overdue_tell(now=SOON + timedelta(seconds=1)) == 0


def test_the_list_counts_open_and_overdue_work(case: RedesignProposal, team: Team) -> None:
    item = case.work_items.get(title="Market analysis")
    done(item, team["scalper"])
    WorkItem.objects.filter(title="Testing").update(due_at=NOW)
    (row,) = proposal_list(now=NOW)
    assert (row.work_open, row.work_overdue) == (8, 7)
    (row,) = proposal_list(now=NOW - timedelta(days=400))
    assert (row.work_open, row.work_overdue) == (8, 0)
