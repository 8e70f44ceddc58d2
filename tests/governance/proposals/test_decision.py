from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from apps.core.exceptions import Conflict, NotPermitted, Refused
from apps.core.stepup import StepUpNeeded
from apps.governance.choices import ApprovalStatus
from apps.governance.models import ApprovalRequest, ApprovalVote, AuditEvent, ProposalDecision, RedesignProposal
from apps.governance.proposal_content import OptionContent
from apps.governance.proposal_selectors import decision_in_force, request_open, why_not_choose
from apps.governance.services import approval_expire_due, approval_vote, approval_withdraw
from apps.governance.services.proposals import option_put
from tests.factories import NOW

from .steps import LATER, WHY, ask, attach, choose, factor, fill

pytestmark = pytest.mark.django_db
Team = dict[str, User]


@pytest.fixture
def asked(case: RedesignProposal, team: Team) -> RedesignProposal:
    """All evidence in, and scalper has asked for a decision."""
    fill(case, team["scalper"])
    ask(case, team["scalper"])
    case.refresh_from_db()
    return case


def assert_undecided(proposal: RedesignProposal) -> None:
    proposal.refresh_from_db()
    assert proposal.status in ("evidence", "decision")
    assert not ProposalDecision.objects.exists()
    assert not ApprovalVote.objects.exists()
    assert not AuditEvent.objects.filter(action="proposal.direction.choose").exists()


def test_craig_chooses_a_primary_and_a_fallback(asked: RedesignProposal, team: Team) -> None:
    decision = choose(asked, team["craig"])
    asked.refresh_from_db()
    assert (decision.primary.key, decision.fallback.key, decision.decided_at) == ("B", "D", LATER)
    assert asked.status == "implementing"
    request = ApprovalRequest.objects.get()
    assert (request.status, request.requester.get_username()) == (ApprovalStatus.APPLIED, "scalper")
    assert request.votes.get().reason == f"Primary B, fallback D. {WHY}"
    assert decision_in_force(asked) == decision
    said = AuditEvent.objects.get(action="proposal.direction.choose").after
    assert (said["primary"], said["fallback"], said["digest"]) == ("B", "D", decision.digest)


def test_the_request_offers_every_option_with_its_parameters(asked: RedesignProposal) -> None:
    request = ApprovalRequest.objects.get()
    assert sorted(request.payload["options"]) == ["A", "B", "C", "D"]
    assert request.payload["revision"] == asked.revision


@pytest.mark.parametrize(
    "shown", [None, {"verified_at": LATER - timedelta(minutes=6)}, {"user_id": 0}], ids=["none", "old", "another's"]
)
def test_without_a_fresh_factor_nothing_is_decided(
    asked: RedesignProposal, team: Team, shown: dict[str, Any] | None
) -> None:
    with pytest.raises(StepUpNeeded):
        choose(asked, team["craig"], factor=shown and factor(team["craig"], **shown))
    assert_undecided(asked)


@pytest.mark.parametrize("name", ["cliff", "scalper", "viewer", "eve"])
def test_author_asker_and_those_without_the_right_do_not_decide(asked: RedesignProposal, team: Team, name: str) -> None:
    with pytest.raises(Refused):
        choose(asked, team[name])
    assert why_not_choose(proposal=asked, request=request_open(asked, now=LATER), user=team[name])
    assert_undecided(asked)


def test_the_database_refuses_the_authors_own_decision(asked: RedesignProposal, team: Team) -> None:
    first, second = asked.options.all()[:2]
    with pytest.raises(IntegrityError), transaction.atomic():
        ProposalDecision.objects.create(
            proposal=asked, request=ApprovalRequest.objects.get(), primary=first, fallback=second, reason=WHY,
            digest="0", author=asked.author, decided_by=asked.author, decided_at=NOW,
        )  # fmt: skip


def test_who_edited_last_does_not_decide(case: RedesignProposal, team: Team) -> None:
    fill(case, team["scalper"])
    case.refresh_from_db()
    option_put(
        proposal_id=case.pk, revision=case.revision, key="D", reason=WHY, actor=team["craig"], now=NOW,
        content=OptionContent(name="Smaller still", summary="Half of it"),
    )  # fmt: skip
    with pytest.raises(Refused, match="craig has to ask"):
        ask(case, team["scalper"])
    dave = User.objects.create_user("dave", is_staff=True)
    dave.groups.add(Group.objects.get(name="boss"))
    ask(case, team["scalper"])
    with pytest.raises(Refused, match="edited it last"):
        choose(case, team["craig"], waivers={"scenario-matrix": WHY})
    assert_undecided(case)
    assert choose(case, dave, waivers={"scenario-matrix": WHY}).decided_by == dave


def test_where_the_boss_wrote_it_he_asks_and_another_who_approves_decides(case: RedesignProposal, team: Team) -> None:
    RedesignProposal.objects.update(author=team["craig"], last_editor=team["craig"])
    fill(case, team["scalper"])
    case.refresh_from_db()
    with pytest.raises(Refused, match="craig has to ask"):
        ask(case, team["scalper"])
    ask(case, team["craig"])
    with pytest.raises(Refused):
        choose(case, team["craig"])
    with pytest.raises(NotPermitted):
        choose(case, team["scalper"])
    assert choose(case, team["cliff"]).decided_by == team["cliff"]


@pytest.mark.parametrize(
    "choice",
    [{"primary": "E"}, {"fallback": ""}, {"primary": "B", "fallback": "B"}, {"reason": "short"}],
    ids=["unknown", "no fallback", "same", "no reason"],
)
def test_a_choice_that_is_none_is_refused(asked: RedesignProposal, team: Team, choice: dict[str, str]) -> None:
    with pytest.raises(Refused):
        choose(asked, team["craig"], **choice)
    assert_undecided(asked)


def test_missing_evidence_refuses_and_names_what_is_missing(case: RedesignProposal, team: Team) -> None:
    attach(case, "depth", team["scalper"])
    ask(case, team["scalper"])
    with pytest.raises(Refused, match="Liquidity by category, Fill-rate baseline") as refused:
        choose(case, team["craig"])
    slots = ["liquidity", "fill-rate", "sizing", "alternatives", "scenario-matrix"]
    assert refused.value.extra["slots"] == slots
    with pytest.raises(Refused, match="Scenario matrix"):
        choose(case, team["craig"], waivers=dict.fromkeys(slots[:-1], WHY))
    assert_undecided(case)


def test_each_missing_slot_may_be_waived_with_a_reason(case: RedesignProposal, team: Team) -> None:
    attach(case, "depth", team["scalper"])
    ask(case, team["scalper"])
    missing = ["liquidity", "fill-rate", "sizing", "alternatives", "scenario-matrix"]
    with pytest.raises(Refused, match="at least"):
        choose(case, team["craig"], waivers=dict.fromkeys(missing, WHY) | {"sizing": "no"})
    with pytest.raises(Refused, match="nothing to waive for depth"):
        choose(case, team["craig"], waivers=dict.fromkeys([*missing, "depth"], WHY))
    assert_undecided(case)
    decision = choose(case, team["craig"], waivers=dict.fromkeys(missing, WHY))
    assert [waiver["slot"] for waiver in decision.waivers] == missing
    assert decision.waivers[0] == {"slot": "liquidity", "title": "Liquidity by category", "reason": WHY}


def test_an_edit_after_the_question_voids_it(asked: RedesignProposal, team: Team) -> None:
    request = ApprovalRequest.objects.get()
    seen = asked.revision
    option_put(
        proposal_id=asked.pk, revision=seen, key="B", reason=WHY, actor=team["scalper"], now=NOW,
        content=OptionContent(name="Snipe only", summary="Something else entirely"),
    )  # fmt: skip
    asked.refresh_from_db()
    request.refresh_from_db()
    assert (asked.status, request.status) == ("evidence", ApprovalStatus.WITHDRAWN)
    assert AuditEvent.objects.get(action="approval.void").reason == "Option B was edited"
    with pytest.raises(Refused):
        choose(asked, team["craig"])
    with pytest.raises(Conflict):
        choose(asked, team["craig"], revision=seen)
    assert_undecided(asked)


def test_new_evidence_voids_the_question_but_makes_nobody_an_editor(asked: RedesignProposal, team: Team) -> None:
    attach(asked, "depth", team["craig"], title="Depth, measured again")
    assert ApprovalRequest.objects.get().status == ApprovalStatus.WITHDRAWN
    ask(asked, team["scalper"])
    assert choose(asked, team["craig"]).primary.key == "B"


def test_a_signature_without_a_choice_applies_nothing(asked: RedesignProposal, team: Team) -> None:
    request = ApprovalRequest.objects.get()
    with pytest.raises(Refused, match="proposal's page"):
        approval_vote(
            request_id=request.pk, revision=request.revision, vote="approve", reason=WHY, actor=team["craig"],
            factor=factor(team["craig"]), now=LATER,
        )  # fmt: skip
    assert_undecided(asked)


def test_after_a_rejection_a_withdrawal_or_the_expiry_it_is_asked_again(asked: RedesignProposal, team: Team) -> None:
    first = ApprovalRequest.objects.get()
    approval_vote(
        request_id=first.pk, revision=first.revision, vote="reject", reason=WHY, actor=team["craig"],
        factor=factor(team["craig"]), now=LATER,
    )  # fmt: skip
    second = ask(asked, team["scalper"])
    approval_withdraw(request_id=second.pk, reason=WHY, actor=team["scalper"], now=LATER)
    third = ask(asked, team["scalper"])
    approval_expire_due(now=third.expires_at)
    with pytest.raises(Refused, match="Nobody has asked"):
        choose(asked, team["craig"])
    ask(asked, team["scalper"])
    assert choose(asked, team["craig"]).primary.key == "B"


def test_one_question_at_a_time(asked: RedesignProposal, team: Team) -> None:
    with pytest.raises(Conflict):
        ask(asked, team["cliff"])
    assert ApprovalRequest.objects.count() == 1


def test_a_decided_proposal_is_decided(asked: RedesignProposal, team: Team) -> None:
    choose(asked, team["craig"])
    asked.refresh_from_db()
    for attempt in (
        lambda: ask(asked, team["scalper"]),
        lambda: attach(asked, "depth", team["scalper"]),
        lambda: option_put(
            proposal_id=asked.pk, revision=asked.revision, key="B", reason=WHY, actor=team["scalper"], now=NOW,
            content=OptionContent(name="Other", summary="Words"),
        ),
        lambda: choose(asked, team["craig"], primary="A"),
    ):  # fmt: skip
        with pytest.raises(Refused):
            attempt()
    assert decision_in_force(asked).primary.key == "B"


def test_a_decision_is_a_fact(asked: RedesignProposal, team: Team) -> None:
    decision = choose(asked, team["craig"])
    decision.reason = "something else"
    with pytest.raises(Refused):
        decision.save()
    with pytest.raises(Refused):
        decision.delete()
