from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import Conflict, NotPermitted, Refused
from apps.governance.models import AuditEvent, EvidenceSlot, ProposalOption, RedesignProposal
from apps.governance.proposal_content import Axis, Cause, Change, Figure, OptionContent, ProposalContent
from apps.governance.proposal_slots import SlotContent
from apps.governance.services.proposals import (
    option_put,
    proposal_close,
    proposal_create,
    proposal_edit,
    proposal_submit,
    slot_add,
    slot_assign,
)
from apps.governance.services.work_items import work_item_change
from tests.factories import NOW

from .steps import WHY

pytestmark = pytest.mark.django_db
Team = dict[str, User]
CONTENT = ProposalContent(
    "Fewer fills in the morning", "Something is off", baseline=(Figure("Orders filled", "0", "orders"),)
)
OPTION = OptionContent("Later", "Start an hour later", changes=(Change("SESSION_START", "14:00", "15:00", "UTC"),))


def create(actor: User, content: ProposalContent = CONTENT) -> RedesignProposal:
    return proposal_create(content=content, reason=WHY, actor=actor, now=NOW)


def put(proposal: RedesignProposal, actor: User, content: OptionContent = OPTION, **fields: Any) -> ProposalOption:
    proposal.refresh_from_db()
    given = {"revision": proposal.revision, "key": ""} | fields
    return option_put(proposal_id=proposal.pk, content=content, reason=WHY, actor=actor, now=NOW, **given)


def test_a_new_proposal_is_a_draft_that_asks_for_the_standard_evidence(team: Team) -> None:
    made = create(team["scalper"])
    assert (made.status, made.revision, made.author) == ("draft", 1, team["scalper"])
    assert made.slots.filter(is_required=True).count() == 6
    said = AuditEvent.objects.get(action="proposal.create")
    assert (said.object_type, said.object_id, said.actor) == ("governance.RedesignProposal", str(made.pk), made.author)


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_without_the_right_nothing_is_written(case: RedesignProposal, team: Team, name: str) -> None:
    actor, before = team[name], AuditEvent.objects.count()
    attempts: list[Callable[[], object]] = [
        lambda: create(actor),
        lambda: proposal_edit(proposal_id=case.pk, revision=1, content=CONTENT, reason=WHY, actor=actor, now=NOW),
        lambda: put(case, actor),
        lambda: slot_add(
            proposal_id=case.pk, slot=SlotContent("", "More", ""), owner=None, reason=WHY, actor=actor, now=NOW
        ),
        lambda: slot_assign(slot_id=case.slots.all()[0].pk, owner=actor, reason=WHY, actor=actor, now=NOW),
        lambda: proposal_submit(proposal_id=case.pk, reason=WHY, actor=actor, now=NOW),
        lambda: proposal_close(proposal_id=case.pk, outcome=WHY, actor=actor, now=NOW),
    ]
    for attempt in attempts:
        with pytest.raises(NotPermitted):
            attempt()
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (ProposalContent("", "x"), "title"),
        (ProposalContent("x", " "), "problem"),
        (ProposalContent("x", "y", baseline=(Figure("Loss", "", "$"),)), "baseline"),
        (ProposalContent("x", "y", baseline=(Figure("Loss", "NaN", "$"),)), "baseline"),
        (ProposalContent("x", "y", baseline=(Figure("Loss", "much", "$"),)), "baseline"),
        (ProposalContent("x", "y", causes=(Cause("", "z"),)), "causes"),
        (ProposalContent("x", "y", axes=(Axis("Thin", "Fills", ""),)), "axes"),
        (ProposalContent("x", "y", axes=(Axis("Thin", "Fills", "%"), Axis("Thin", "Fills", "$"))), "axes"),
        (ProposalContent("We lost the b" + "et", "y"), "title"),
    ],
    ids=str,
)
def test_content_that_could_not_be_read_is_refused_by_field(team: Team, content: ProposalContent, field: str) -> None:
    with pytest.raises(Refused) as refused:
        create(team["scalper"], content)
    assert refused.value.extra["field"] == field
    assert not RedesignProposal.objects.exists()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (OptionContent("", "x"), "name"),
        (OptionContent("x", ""), "summary"),
        (OptionContent("x", "y", changes=(Change("kappa", "1", "2", "1/$"),)), "changes"),
        (OptionContent("x", "y", changes=(Change("MM_KAPPA", "1", "1", "1/$"),)), "changes"),
        (OptionContent("x", "y", changes=(Change("MM_KAPPA", "", "1", "1/$"),)), "changes"),
        (OptionContent("x", "y", changes=(Change("MM_KAPPA", "1", "2", ""),)), "changes"),
    ],
    ids=str,
)
def test_an_option_that_could_not_be_read_is_refused_by_field(
    case: RedesignProposal, team: Team, content: OptionContent, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        put(case, team["scalper"], content)
    assert refused.value.extra["field"] == field
    assert case.options.count() == 4


def test_options_get_letters_in_order(team: Team) -> None:
    made = create(team["scalper"])
    assert [put(made, team["scalper"]).key for _ in range(8)] == list("ABCDEFGH")
    with pytest.raises(Refused, match="cannot be compared"):
        put(made, team["scalper"])
    with pytest.raises(Refused, match="no option Z"):
        put(made, team["scalper"], key="Z")


def test_an_edit_is_on_record_with_what_was_before(case: RedesignProposal, team: Team) -> None:
    put(case, team["scalper"], key="B")
    said = AuditEvent.objects.filter(action="proposal.option.put").first()
    assert said is not None
    assert said.before["name"] == "Snipe only, no market making"
    assert (said.after["option"], said.after["name"], said.reason) == ("B", "Later", WHY)
    case.refresh_from_db()
    assert case.last_editor == team["scalper"]


def test_nobody_overwrites_what_they_have_not_read(case: RedesignProposal, team: Team) -> None:
    seen = case.revision
    put(case, team["scalper"], key="B")
    with pytest.raises(Conflict):
        put(case, team["cliff"], key="B", revision=seen)
    with pytest.raises(Conflict):
        proposal_edit(proposal_id=case.pk, revision=seen, content=CONTENT, reason=WHY, actor=team["cliff"], now=NOW)
    assert case.options.get(key="B").revision == 2


def test_a_draft_needs_two_options_before_evidence_is_collected(team: Team) -> None:
    made = create(team["scalper"])
    put(made, team["scalper"])
    with pytest.raises(Refused, match="two options"):
        proposal_submit(proposal_id=made.pk, reason=WHY, actor=team["scalper"], now=NOW)
    put(made, team["scalper"])
    proposal_submit(proposal_id=made.pk, reason=WHY, actor=team["scalper"], now=NOW)
    made.refresh_from_db()
    assert made.status == "evidence"
    with pytest.raises(Refused):
        proposal_submit(proposal_id=made.pk, reason=WHY, actor=team["scalper"], now=NOW)


def test_more_evidence_may_be_asked_for_but_not_twice(case: RedesignProposal, team: Team) -> None:
    def add(title: str) -> EvidenceSlot:
        slot = SlotContent("", title, "Counted per day")
        return slot_add(proposal_id=case.pk, slot=slot, owner=None, reason=WHY, actor=team["scalper"], now=NOW)

    assert add("Queue positions").key == "queue-positions"
    with pytest.raises(Refused, match="already"):
        add("Queue positions")
    with pytest.raises(Refused, match="empty"):
        add(" ")
    assert case.slots.count() == 7


def test_who_brings_evidence_is_on_record_and_moves_nothing(case: RedesignProposal, team: Team) -> None:
    slot = case.slots.get(key="depth")
    slot_assign(slot_id=slot.pk, owner=team["cliff"], reason=WHY, actor=team["scalper"], now=NOW)
    said = AuditEvent.objects.filter(action="proposal.slot.assign").first()
    assert said is not None
    assert (said.before["owner"], said.after["owner"]) == ("scalper", "cliff")
    revision = case.revision
    case.refresh_from_db()
    assert case.revision == revision


def test_an_undecided_proposal_may_be_given_up_once_no_work_is_open(case: RedesignProposal, team: Team) -> None:
    def close() -> None:
        proposal_close(proposal_id=case.pk, outcome="Overtaken by events", actor=team["cliff"], now=NOW)

    with pytest.raises(Refused, match="still open"):
        close()
    for item in case.work_items.all():
        work_item_change(item_id=item.pk, status="dropped", reason=WHY, actor=team["cliff"], now=NOW)
    close()
    case.refresh_from_db()
    assert (case.status, case.outcome, case.closed_at) == ("closed", "Overtaken by events", NOW)
    with pytest.raises(Refused):
        put(case, team["scalper"])
    with pytest.raises(Refused):
        close()


def test_a_proposal_that_is_not_there_is_refused(team: Team) -> None:
    with pytest.raises(Refused, match="no proposal"):
        proposal_submit(proposal_id=99, reason=WHY, actor=team["scalper"], now=NOW)
