"""Any edit starts the signatures anew and keeps what there was; the last editor cannot sign."""

from __future__ import annotations

import pytest

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.evidence import EvidenceLink
from apps.governance.exceptions import (
    ApprovalClosed,
    ApproverIsEditor,
    ApproverIsRequester,
    ReasonTooShort,
    RevisionMoved,
    TargetChanged,
)
from apps.governance.models import ApprovalEvidence, ApprovalRevision, ApprovalVote, AuditEvent
from apps.governance.selectors import approval_standing
from apps.governance.services import approval_rebase
from tests.factories import NOW
from tests.governance.conftest import NumberHandler

from .acts import WHY, Team, ask, edit, hire, sign

pytestmark = pytest.mark.django_db


def test_edit_makes_a_revision_and_voids_signatures_without_removing_them(
    team: Team, number: NumberHandler, two_signers: None
) -> None:
    rita, request = hire("rita", "risk"), ask(team["scalper"])
    sign(request, rita)

    edited = edit(request, team["cliff"], 90)

    assert (edited.revision, edited.editor, edited.requester) == (2, team["cliff"], team["scalper"])
    assert list(ApprovalRevision.objects.values_list("number", "content__payload__value", "editor__username")) == [
        (1, 9, "scalper"),
        (2, 90, "cliff"),
    ]
    assert ApprovalVote.objects.get().revision == 1
    event = AuditEvent.objects.get(action="approval.edit")
    after = event.after or {}
    assert (event.actor, after["signatures_void"], after["revision"]) == (team["cliff"], 1, 2)
    sign(edited, team["craig"])
    assert number.numbers["1"] == 5
    sign(edited, rita)
    assert number.numbers["1"] == 90


def test_last_editor_cannot_sign_and_somebody_else_stands_in(team: Team, number: NumberHandler) -> None:
    rita = hire("rita", "risk")
    edited = edit(ask(team["cliff"]), team["craig"], 8)
    with pytest.raises(ApproverIsEditor):
        sign(edited, team["craig"])
    with pytest.raises(ApproverIsRequester):
        sign(edited, team["cliff"])
    sign(edited, rita)
    assert number.numbers["1"] == 8


def test_editor_of_an_earlier_revision_may_sign_the_later_one(team: Team, number: NumberHandler) -> None:
    edited = edit(edit(ask(team["scalper"]), team["craig"], 8), team["cliff"], 7)
    sign(edited, team["craig"])
    assert number.numbers["1"] == 7


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_edit_needs_the_right_to_propose(team: Team, number: NumberHandler, name: str) -> None:
    request = ask(team["scalper"])
    with pytest.raises(NotPermitted):
        edit(request, team[name], 90)
    request.refresh_from_db()
    assert (request.revision, request.payload) == (1, {"value": 9})


def test_edit_of_what_was_edited_meanwhile_is_refused(team: Team, number: NumberHandler) -> None:
    seen = ask(team["scalper"])
    edit(seen, team["cliff"], 90)
    with pytest.raises(RevisionMoved):
        edit(seen, team["craig"], 10)
    assert ApprovalRevision.objects.count() == 2


def test_edit_that_changes_nothing_is_refused_and_keeps_the_signatures(
    team: Team, number: NumberHandler, two_signers: None
) -> None:
    rita, request = hire("rita", "risk"), ask(team["scalper"])
    sign(request, rita)
    with pytest.raises(Refused, match="Nothing would change"):
        edit(request, team["cliff"], 9)
    with pytest.raises(ReasonTooShort):
        edit(request, team["cliff"], 10, reason="short")
    standing = approval_standing(request)
    assert standing is not None
    assert [signer.name for signer in standing.signed] == ["rita"]


def test_closed_request_cannot_be_edited(team: Team, number: NumberHandler) -> None:
    request = sign(ask(team["scalper"]), team["craig"])
    with pytest.raises(ApprovalClosed):
        edit(request, team["cliff"], 10)


def test_moved_base_refuses_until_the_request_is_put_on_the_new_one(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    number.numbers["1"] = 7
    with pytest.raises(TargetChanged):
        sign(request, team["craig"])

    rebased = approval_rebase(request_id=request.pk, revision=1, reason=WHY, actor=team["scalper"], now=NOW)

    assert (rebased.current, rebased.payload, rebased.rows[0]["old"]) == ({"value": 7}, {"value": 9}, "7")
    sign(rebased, team["craig"])
    assert number.numbers["1"] == 9


def test_evidence_stays_with_its_revision(team: Team, number: NumberHandler) -> None:
    first, second = EvidenceLink("note", "First", "why"), EvidenceLink("note", "Second", "why not")
    request = edit(ask(team["scalper"], evidence=[first]), team["cliff"], 90)
    edit(request, team["cliff"], evidence=[second])
    assert list(ApprovalEvidence.objects.values_list("revision", "title")) == [
        (1, "First"),
        (2, "First"),
        (3, "Second"),
    ]


def test_edit_that_nobody_could_sign_is_refused(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    team["cliff"].delete()
    with pytest.raises(Refused, match="Too few other people"):
        edit(request, team["craig"], 8)
    request.refresh_from_db()
    assert (request.revision, request.editor) == (1, team["scalper"])
