from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.models import AuditEvent, OptionResult, ProposalEvidence, RedesignProposal
from apps.governance.proposal_content import OptionContent
from apps.governance.proposal_selectors import comparison, option_list, slot_list, slots_missing
from apps.governance.services.proposals import option_put
from tests.factories import NOW

from .steps import WHY, attach, fill, record

pytestmark = pytest.mark.django_db
Team = dict[str, User]
HASH = "ab" * 32


def missing(proposal: RedesignProposal) -> list[str]:
    proposal.refresh_from_db()
    return [slot.key for slot in slots_missing(proposal, slot_list(proposal), option_list(proposal))]


def test_evidence_says_who_when_what_and_where(case: RedesignProposal, team: Team) -> None:
    attach(case, "depth", team["scalper"], kind="measurement", title="Depth in March", sha256=HASH.upper())
    row = ProposalEvidence.objects.get()
    assert (row.filled_by, row.filled_at, row.kind, row.sha256) == (team["scalper"], NOW, "measurement", HASH)
    said = AuditEvent.objects.get(action="proposal.evidence.attach")
    assert (said.after["slot"], said.after["title"], said.reason) == ("depth", "Depth in March", WHY)
    assert "depth" not in missing(case)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"reference": " "}, "reference"),
        ({"sha256": "abc"}, "sha256"),
        ({"sha256": "g" * 64}, "sha256"),
        ({"title": ""}, "title"),
    ],
    ids=str,
)
def test_evidence_nobody_could_find_again_is_refused(
    case: RedesignProposal, team: Team, wrong: dict[str, str], field: str
) -> None:
    with pytest.raises(Refused) as refused:
        attach(case, "depth", team["scalper"], **wrong)
    assert refused.value.extra["field"] == field
    assert not ProposalEvidence.objects.exists()


def test_an_unknown_kind_and_a_missing_word_are_refused(case: RedesignProposal, team: Team) -> None:
    with pytest.raises(ValueError, match="rumour"):
        attach(case, "depth", team["scalper"], kind="rumour")
    with pytest.raises(Refused, match="at least"):
        attach(case, "depth", team["scalper"], note="see it")
    assert not ProposalEvidence.objects.exists()


def test_the_viewer_brings_no_evidence_and_no_results(case: RedesignProposal, team: Team) -> None:
    with pytest.raises(NotPermitted):
        attach(case, "depth", team["viewer"])
    with pytest.raises(NotPermitted):
        record(case.options.all()[0], case.axes[0], team["viewer"])
    assert not ProposalEvidence.objects.exists()
    assert not OptionResult.objects.exists()


def test_the_matrix_is_filled_by_results_not_by_a_document(case: RedesignProposal, team: Team) -> None:
    attach(case, "scenario-matrix", team["cliff"], kind="scenario")
    assert "scenario-matrix" in missing(case)
    options = list(case.options.all())
    for option in options:
        for axis in case.axes:
            assert "scenario-matrix" in missing(case)
            record(option, axis)
    assert "scenario-matrix" not in missing(case)
    fill(case, team["scalper"])
    assert missing(case) == []


def test_results_of_other_parameters_count_no_longer(case: RedesignProposal, team: Team) -> None:
    fill(case, team["scalper"])
    case.refresh_from_db()
    option_put(
        proposal_id=case.pk, revision=case.revision, key="A", reason=WHY, actor=team["cliff"], now=NOW,
        content=OptionContent("Tighter", "Other parameters"),
    )  # fmt: skip
    assert missing(case) == ["scenario-matrix"]
    rows = comparison(case, option_list(case))
    assert all(row.cells[0].result is None and row.cells[1].result is not None for row in rows)


def test_every_option_lies_on_the_same_scale_as_the_others(case: RedesignProposal) -> None:
    first, second, *_ = case.options.all()
    record(first, case.axes[3], value=Decimal("-10"), low=Decimal("-20"), high=Decimal("5"))
    record(second, case.axes[3], value=Decimal("20"), low=Decimal("0"), high=Decimal("20"))
    record(first, case.axes[3], value=Decimal("0"), low=Decimal("-20"), high=Decimal("5"))
    row = comparison(case, option_list(case))[3]
    assert (row.metric, row.regime, row.unit, row.zero) == ("Net result", "Thin books", "$ per day", Decimal("0.5"))
    assert [(cell.low, cell.at, cell.high) for cell in row.cells[:2]] == [
        (Decimal(0), Decimal("0.5"), Decimal("0.625")),
        (Decimal("0.5"), Decimal(1), Decimal(1)),
    ]
    assert row.cells[2].result is None
    assert row.cells[2].at is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": Decimal("9")},
        {"low": Decimal("6")},
        {"sample": 0},
        {"high": Decimal("Infinity")},
        {"value": Decimal("NaN")},
    ],
    ids=str,
)
def test_a_result_without_a_true_interval_is_refused(case: RedesignProposal, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        record(case.options.all()[0], case.axes[0], **wrong)
    assert not OptionResult.objects.exists()


def test_results_are_only_for_axes_that_are_compared(case: RedesignProposal) -> None:
    with pytest.raises(Refused, match="not compared"):
        record(case.options.all()[0], {"regime": "Holidays", "metric": "Fill rate"})


def test_the_database_refuses_a_value_outside_its_interval(case: RedesignProposal) -> None:
    record(case.options.all()[0], case.axes[0])
    row = OptionResult.objects.get()
    row.pk, row._state.adding, row.value = None, True, Decimal("99")
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_a_program_that_records_says_its_name(case: RedesignProposal) -> None:
    record(case.options.all()[0], case.axes[0])
    assert OptionResult.objects.get().recorded_label == "system:scenarios"
    assert AuditEvent.objects.get(action="proposal.result.record").actor_label == "system:scenarios"


def test_evidence_and_results_are_facts(case: RedesignProposal, team: Team) -> None:
    attach(case, "depth", team["scalper"])
    record(case.options.all()[0], case.axes[0])
    for row in (ProposalEvidence.objects.get(), OptionResult.objects.get()):
        with pytest.raises(Refused):
            row.delete()
        with pytest.raises(Refused):
            row.save()
