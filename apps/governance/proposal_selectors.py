"""Redesign proposals as they are looked at: what is missing, how the options compare, what is overdue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db.models import Count, Prefetch, Q, QuerySet

from apps.core.permissions import holders, is_holder

from .choices import ApprovalStatus, Permission, ProposalPermission, ProposalStatus, WorkStatus
from .models import (
    ApprovalRequest,
    Comment,
    EvidenceSlot,
    LessonLink,
    OptionResult,
    ProposalDecision,
    ProposalEvidence,
    ProposalOption,
    RedesignProposal,
    WorkItem,
)

LABEL = RedesignProposal._meta.label
CHOOSE_DIRECTION = "governance.direction.choose"
WORK_ENDED = (WorkStatus.DONE, WorkStatus.DROPPED)


@dataclass(frozen=True, slots=True)
class Cell:
    """One option on one axis; no result is None, never a number. Fractions are places on the row's own scale."""

    option: str
    result: OptionResult | None
    at: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AxisRow:
    """One axis with all options on one scale; `zero` is where nothing lies on it, `places` the decimals to show."""

    regime: str
    metric: str
    unit: str
    cells: tuple[Cell, ...]
    zero: Decimal | None
    places: int = 0


def proposal_list(*, now: datetime) -> QuerySet[RedesignProposal]:
    """Newest first, each with `work_open`, `work_overdue` and the decision that was carried out."""
    is_open = ~Q(work_items__status__in=WORK_ENDED) & Q(work_items__isnull=False)
    found = RedesignProposal.objects.select_related("author").prefetch_related(Prefetch("decisions", _applied()))
    return found.annotate(
        work_open=Count("work_items", filter=is_open, distinct=True),
        work_overdue=Count("work_items", filter=is_open & Q(work_items__due_at__lt=now), distinct=True),
    )


def option_list(proposal: RedesignProposal) -> list[ProposalOption]:
    """By letter, each with its results in the order they came."""
    return list(proposal.options.prefetch_related("results"))


def slot_list(proposal: RedesignProposal) -> list[EvidenceSlot]:
    evidence = Prefetch("evidence", ProposalEvidence.objects.select_related("filled_by"))
    return list(proposal.slots.select_related("owner").prefetch_related(evidence))


def results_in_force(option: ProposalOption) -> dict[tuple[str, str], OptionResult]:
    """By regime and metric, the latest that was made with the option's present parameters."""
    return {
        (result.regime, result.metric): result
        for result in option.results.all()
        if result.option_revision == option.revision
    }


def is_matrix_full(proposal: RedesignProposal, options: Iterable[ProposalOption]) -> bool:
    """Every option has a result on every axis, and there is at least one of both."""
    options = list(options)
    wanted = {(axis["regime"], axis["metric"]) for axis in proposal.axes}
    return bool(options and wanted) and all(wanted <= set(results_in_force(option)) for option in options)


def slots_missing(
    proposal: RedesignProposal, slots: Iterable[EvidenceSlot], options: Iterable[ProposalOption]
) -> list[EvidenceSlot]:
    """Required slots that nothing fills yet. A matrix is filled by results alone."""
    is_full = is_matrix_full(proposal, options)
    return [
        slot for slot in slots if slot.is_required and not (is_full if slot.is_matrix else bool(slot.evidence.all()))
    ]


def comparison(proposal: RedesignProposal, options: Iterable[ProposalOption]) -> list[AxisRow]:
    """The options side by side, one row per axis; every row has one scale for all its options."""
    known = {option.key: results_in_force(option) for option in options}
    return [_axis_row(axis["regime"], axis["metric"], axis["unit"], known) for axis in proposal.axes]


def _axis_row(regime: str, metric: str, unit: str, known: dict[str, dict[tuple[str, str], OptionResult]]) -> AxisRow:
    found = {key: results.get((regime, metric)) for key, results in known.items()}
    ends = [end for result in found.values() if result for end in (result.low, result.high)]
    low, high = min([*ends, Decimal(0)]), max([*ends, Decimal(0)])
    span = (high - low) or Decimal(1)
    cells = tuple(
        Cell(key, result, *((one - low) / span for one in (result.value, result.low, result.high)))
        if result
        else Cell(key, None)
        for key, result in found.items()
    )
    shown = [*ends, *(result.value for result in found.values() if result)]
    return AxisRow(regime, metric, unit, cells, (0 - low) / span if ends else None, max(map(_places, shown), default=0))


def _places(value: Decimal) -> int:
    """Decimals that say something."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def request_open(proposal: RedesignProposal, *, now: datetime) -> ApprovalRequest | None:
    """The request for a decision that can still be signed."""
    return (
        ApprovalRequest.objects.filter(
            action=CHOOSE_DIRECTION,
            target_type=LABEL,
            target_id=str(proposal.pk),
            status=ApprovalStatus.OPEN,
            expires_at__gt=now,
        )
        .select_related("requester")
        .first()
    )


def decision_in_force(proposal: RedesignProposal) -> ProposalDecision | None:
    """The decision whose request was carried out; one that still waits for more signatures is none yet."""
    return _applied().filter(proposal=proposal).last()


def _applied() -> QuerySet[ProposalDecision]:
    found = ProposalDecision.objects.filter(request__status=ApprovalStatus.APPLIED)
    return found.select_related("primary", "fallback", "decided_by", "request", "switch", "switch__switched_by")


def choosers(proposal: RedesignProposal) -> QuerySet[User]:
    """Those with the right to choose a direction who neither wrote the proposal nor edited it last."""
    return holders(ProposalPermission.CHOOSE.full).exclude(pk__in=[proposal.author_id, proposal.last_editor_id])


def may_choose(user: User, proposal: RedesignProposal) -> bool:
    """Where nobody with the right is left, whoever may approve changes stands in; the author and last editor never."""
    if user.pk in (proposal.author_id, proposal.last_editor_id):
        return False
    return choosers(proposal).filter(pk=user.pk).exists() or (
        is_holder(user, Permission.APPROVE_CHANGE.full) and not choosers(proposal).exists()
    )


def why_not_choose(*, proposal: RedesignProposal, request: ApprovalRequest | None, user: User) -> str:
    """Why this person cannot choose the direction now; empty if they can. The service decides again."""
    if proposal.status != ProposalStatus.DECISION or request is None:
        return "Nobody has asked for a decision"
    if user.pk == proposal.author_id:
        return "You wrote this proposal, so another person decides"
    if user.pk == proposal.last_editor_id:
        return "You edited it last, so another person decides"
    if user.pk == request.requester_id:
        return "You asked for the decision, so another person makes it"
    return "" if may_choose(user, proposal) else "Choosing a direction is not among your rights"


def work_list(proposal: RedesignProposal) -> list[WorkItem]:
    return list(proposal.work_items.select_related("done_by").prefetch_related("owners", "depends_on"))


def work_open() -> QuerySet[WorkItem]:
    """What is promised and not ended, of all proposals, soonest first."""
    found = WorkItem.objects.exclude(status__in=WORK_ENDED).select_related("proposal")
    return found.prefetch_related("owners")


def work_overdue(*, now: datetime) -> QuerySet[WorkItem]:
    """The same, of which the time has passed."""
    return work_open().filter(due_at__lt=now)


def comment_list(*, obj_type: str, obj_id: object) -> QuerySet[Comment]:
    """Remarks on one object, oldest first."""
    found = Comment.objects.filter(object_type=obj_type, object_id=str(obj_id))
    return found.select_related("author", "supplements__author")


def lessons_of(proposal: RedesignProposal) -> QuerySet[LessonLink]:
    return LessonLink.objects.filter(object_type=LABEL, object_id=str(proposal.pk)).select_related("lesson")
