"""A proposal as its page shows it: everything that is known, and what this person may do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import QuerySet

from apps.core.permissions import is_holder
from apps.governance.choices import ProposalPermission, ProposalStatus
from apps.governance.models import (
    ApprovalRequest,
    Comment,
    EvidenceSlot,
    LessonLink,
    ProposalDecision,
    ProposalOption,
    RedesignProposal,
    WorkItem,
)
from apps.governance.proposal_selectors import (
    LABEL,
    WORK_ENDED,
    AxisRow,
    comment_list,
    comparison,
    decision_in_force,
    lessons_of,
    option_list,
    request_open,
    slot_list,
    slots_missing,
    why_not_choose,
    work_list,
)

_OPEN = (ProposalStatus.DRAFT, ProposalStatus.EVIDENCE, ProposalStatus.DECISION)
_STAGES = list(ProposalStatus)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way; `state` is done, now or wait."""

    label: str
    state: str


@dataclass(frozen=True, slots=True)
class OptionCard:
    """`role` is what the decision made of it."""

    option: ProposalOption
    role: str
    is_in_force: bool


@dataclass(frozen=True, slots=True)
class SlotLine:
    """`waiver` is why the decision did without it."""

    slot: EvidenceSlot
    is_filled: bool
    blocks: bool
    waiver: str


@dataclass(frozen=True, slots=True)
class WorkLine:
    item: WorkItem
    is_over: bool
    is_overdue: bool
    is_mine: bool
    after: tuple[WorkItem, ...]


@dataclass(frozen=True, slots=True)
class ProposalPage:
    proposal: RedesignProposal
    options: list[ProposalOption]
    cards: list[OptionCard]
    rows: list[AxisRow]
    slots: list[SlotLine]
    missing: list[EvidenceSlot]
    request: ApprovalRequest | None
    decision: ProposalDecision | None
    why_not: str
    work: list[WorkLine]
    comments: QuerySet[Comment]
    lessons: QuerySet[LessonLink]
    stages: list[Stage]
    may_write: bool
    may_comment: bool
    label: str = LABEL

    @property
    def is_open(self) -> bool:
        """Whether the ground of a decision may still move."""
        return self.proposal.status in _OPEN

    @property
    def blocking(self) -> int:
        """Empty slots that keep a decision from being made."""
        return sum(line.blocks for line in self.slots)

    @property
    def overdue(self) -> int:
        return sum(line.is_overdue for line in self.work)


def proposal_page(*, proposal: RedesignProposal, user: User, now: datetime) -> ProposalPage:
    options = option_list(proposal)
    slots = slot_list(proposal)
    missing = slots_missing(proposal, slots, options)
    request, decision = request_open(proposal, now=now), decision_in_force(proposal)
    return ProposalPage(
        proposal=proposal,
        options=options,
        cards=[_card(option, decision) for option in options],
        rows=comparison(proposal, options),
        slots=[_slot_line(slot, missing, decision) for slot in slots],
        missing=missing,
        request=request,
        decision=decision,
        why_not=why_not_choose(proposal=proposal, request=request, user=user),
        work=[_work_line(item, user, now) for item in work_list(proposal)],
        comments=comment_list(obj_type=LABEL, obj_id=proposal.pk),
        lessons=lessons_of(proposal),
        stages=_stages(proposal),
        may_write=is_holder(user, ProposalPermission.WRITE.full),
        may_comment=is_holder(user, ProposalPermission.COMMENT.full),
    )


def _card(option: ProposalOption, decision: ProposalDecision | None) -> OptionCard:
    is_switched = decision is not None and hasattr(decision, "switch")
    if decision is not None and option.pk == decision.primary_id:
        return OptionCard(option, "Primary, replaced" if is_switched else "Primary", not is_switched)
    if decision is not None and option.pk == decision.fallback_id:
        return OptionCard(option, "Fallback, in force" if is_switched else "Fallback", is_switched)
    return OptionCard(option, "", False)


def _slot_line(slot: EvidenceSlot, missing: list[EvidenceSlot], decision: ProposalDecision | None) -> SlotLine:
    is_missing = slot in missing
    is_filled = not is_missing if slot.is_required else bool(slot.evidence.all())
    waivers = {one["slot"]: one["reason"] for one in decision.waivers} if decision else {}
    return SlotLine(slot, is_filled, is_missing and decision is None, waivers.get(slot.key, ""))


def _work_line(item: WorkItem, user: User, now: datetime) -> WorkLine:
    is_over = item.status in WORK_ENDED
    return WorkLine(
        item,
        is_over,
        not is_over and item.due_at < now,
        user in item.owners.all(),
        tuple(item.depends_on.all()),
    )


def _stages(proposal: RedesignProposal) -> list[Stage]:
    at = _STAGES.index(ProposalStatus(proposal.status))
    is_closed = proposal.status == ProposalStatus.CLOSED
    names = ["done" if index < at or is_closed else "now" if index == at else "wait" for index in range(len(_STAGES))]
    return [Stage(stage.label, name) for stage, name in zip(_STAGES, names, strict=True)]
