"""Steps of a redesign that most tests need behind them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from apps.core.stepup import FreshFactor
from apps.governance.models import ApprovalRequest, ProposalDecision, ProposalOption, RedesignProposal
from apps.governance.services.proposals_decision import direction_ask, direction_choose
from apps.governance.services.proposals_evidence import evidence_attach, option_result_record
from tests.factories import NOW

WHY = "because the numbers say so"
LATER = NOW + timedelta(minutes=1)


def factor(user: User, **fields: Any) -> FreshFactor:
    return FreshFactor(**({"user_id": user.pk, "verified_at": LATER, "method": "totp"} | fields))


def attach(proposal: RedesignProposal, key: str, actor: User, **fields: Any) -> None:
    given = {"kind": "report", "title": f"Report on {key}", "reference": "reports/1", "sha256": "", "note": WHY}
    evidence_attach(slot_id=proposal.slots.get(key=key).pk, actor=actor, now=NOW, **(given | fields))


def record(option: ProposalOption, axis: dict[str, str], actor: User | None = None, **fields: Any) -> None:
    given: dict[str, Any] = {"value": Decimal("5"), "low": Decimal("3"), "high": Decimal("8"), "sample": 40}
    label = None if actor else "system:scenarios"
    option_result_record(
        option_id=option.pk, regime=axis["regime"], metric=axis["metric"], reference="run 7", actor=actor,
        actor_label=label, now=NOW, **(given | fields),
    )  # fmt: skip


def fill(proposal: RedesignProposal, actor: User) -> None:
    """Every slot: five reports, and a result for every option on every axis."""
    for slot in proposal.slots.filter(is_matrix=False):
        attach(proposal, slot.key, actor)
    for option in proposal.options.all():
        for axis in proposal.axes:
            record(option, axis)


def ask(proposal: RedesignProposal, actor: User) -> ApprovalRequest:
    return direction_ask(proposal_id=proposal.pk, reason="please choose a direction", actor=actor, now=NOW)


def choose(proposal: RedesignProposal, actor: User, **fields: Any) -> ProposalDecision:
    proposal.refresh_from_db()
    given: dict[str, Any] = {
        "revision": proposal.revision,
        "primary": "B",
        "fallback": "D",
        "waivers": {},
        "reason": WHY,
        "factor": factor(actor),
    }
    return direction_choose(proposal_id=proposal.pk, actor=actor, now=LATER, **(given | fields))
