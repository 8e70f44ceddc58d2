"""How a signed choice of a direction is carried out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.exceptions import Refused

from .choices import Direction, ProposalPermission, ProposalStatus
from .digest import JsonDict
from .handlers import ApprovalHandler, ChangeRow
from .models import ApprovalRequest, ProposalDecision, RedesignProposal
from .services.proposals import status_set
from .services.proposals_decision import offered
from .services.proposals_ground import LABEL, proposal_lock

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class DirectionChoiceHandler(ApprovalHandler):
    """The request offers options; the choice among them is made, and stored, on the proposal's own page."""

    target_type = LABEL
    propose_permission = ProposalPermission.WRITE.full
    allows_emergency = False

    def lock(self, target_id: str) -> None:
        proposal_lock(int(target_id))

    def current(self, target_id: str) -> JsonDict:
        proposal = _proposal(target_id)
        return {"status": proposal.status, "revision": proposal.revision}

    def base_version(self, current: JsonDict) -> str:
        return f"revision {current['revision']}"

    def validate(self, target_id: str, payload: JsonDict) -> None:
        proposal = _proposal(target_id)
        if proposal.status != ProposalStatus.DECISION or payload != offered(proposal):
            raise Refused("The options are no longer those that were put up for a decision", code="bad_payload")

    def describe(self, target_id: str, payload: JsonDict, current: JsonDict) -> list[ChangeRow]:
        letters = ", ".join(payload["options"])
        rows = [ChangeRow("Direction", "option", "not chosen", f"one of {letters}, and a fallback", Direction.RAISES)]
        for option in _proposal(target_id).options.all():
            rows += [
                ChangeRow(f"Option {option.key}: {one['name']}", one["unit"], one["old"], one["new"], Direction.UNKNOWN)
                for one in option.changes
            ]
        return rows

    def apply(self, target_id: str, payload: JsonDict, actor: User, now: datetime, request: ApprovalRequest) -> None:
        """Nothing that trades changes here: every parameter of the chosen option still needs its own approval."""
        decision = ProposalDecision.objects.filter(request=request).select_related("decided_by").first()
        if decision is None:
            raise Refused("Choose a primary and a fallback on the proposal's page", code="no_choice")
        status_set(
            _proposal(target_id),
            ProposalStatus.IMPLEMENTING,
            "proposal.implement",
            reason=decision.reason,
            actor=actor,
            now=now,
            extra={"direction": decision.primary.key, "fallback": decision.fallback.key},
        )


def _proposal(target_id: str) -> RedesignProposal:
    found = RedesignProposal.objects.filter(pk=target_id).first()
    if found is None:
        raise Refused("There is no such proposal", code="no_target")
    return found
