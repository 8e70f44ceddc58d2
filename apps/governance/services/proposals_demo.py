"""Loads the case of February 2026, so that a new installation shows a real redesign."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.governance.demo import redesign_case as case
from apps.governance.models import RedesignProposal, WorkItem

from .proposals import option_put, proposal_create, proposal_submit, slot_assign
from .work_items import work_item_add

ENVIRONMENTS = ("simulated", "demo")
REASON = "Loaded from the record of 2026-02-25"


def redesign_case_load(*, environment: str, now: datetime) -> RedesignProposal | None:
    """The proposal with its options, empty slots and tasks, or None when it is there already.

    Nothing of it trades. Raises `Refused` outside the simulated and the demo environment, or without its people.
    """
    if environment not in ENVIRONMENTS:
        raise Refused(f"Demo data does not belong into the {environment} environment", code="not_a_demo")
    with transaction.atomic():
        if RedesignProposal.objects.filter(title=case.CONTENT.title, dated_at=case.DATED_AT).exists():
            return None
        people = _people()
        author = people[case.AUTHOR]
        proposal = proposal_create(content=case.CONTENT, dated_at=case.DATED_AT, reason=REASON, actor=author, now=now)
        for slot in proposal.slots.all():
            owner = people[case.SLOT_OWNERS[slot.key]]
            slot_assign(slot_id=slot.pk, owner=owner, reason=REASON, actor=author, now=now)
        for revision, content in enumerate(case.OPTIONS.values(), start=proposal.revision):
            option_put(
                proposal_id=proposal.pk, revision=revision, content=content, reason=REASON, actor=author, now=now
            )
        _add_tasks(proposal, people, now)
        return proposal_submit(proposal_id=proposal.pk, reason=REASON, actor=author, now=now)


def _people() -> dict[str, User]:
    names = {case.AUTHOR, *case.SLOT_OWNERS.values(), *(name for task in case.TASKS for name in task.owners)}
    found = {person.get_username(): person for person in User.objects.filter(username__in=names)}
    if missing := sorted(names - set(found)):
        raise Refused(f"The case needs these people: {', '.join(missing)}", code="no_people")
    return found


def _add_tasks(proposal: RedesignProposal, people: dict[str, User], now: datetime) -> None:
    made: list[WorkItem] = []
    for task in case.TASKS:
        made.append(
            work_item_add(
                proposal=proposal,
                title=task.title,
                owners=[people[name] for name in task.owners],
                due_at=case.DATED_AT + task.due_after,
                estimate=task.estimate,
                status=task.status,
                depends_on=[made[index] for index in task.after],
                reason=REASON,
                actor=people[case.AUTHOR],
                now=now,
            )
        )
