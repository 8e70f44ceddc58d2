"""Redesign proposals: a problem, its options, and what becomes of them. Nothing is deleted, every step is on record."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.text import slugify

from apps.core.wording import checked_words
from apps.governance.choices import ProposalStatus, WorkStatus
from apps.governance.models import EvidenceSlot, ProposalOption, RedesignProposal
from apps.governance.proposal_content import BadProposal, OptionContent, ProposalContent, filled
from apps.governance.proposal_slots import STANDARD_SLOTS, SlotContent

from .drafts import checked_reason
from .proposals_ground import (
    OPEN_GROUND,
    ground_moved,
    proposal_audit,
    proposal_lock,
    require_revision,
    require_status,
    void_open,
    writer,
)

MAX_OPTIONS = 8
MIN_OPTIONS = 2
_KEYS = "ABCDEFGH"


def proposal_create(
    *, content: ProposalContent, reason: str, actor: User, now: datetime, dated_at: datetime | None = None
) -> RedesignProposal:
    """A draft with the standard evidence slots, all of them empty. Raises `NotPermitted`, `BadProposal`."""
    writer(actor)
    reason = checked_reason(reason)
    values = content.stored()
    with transaction.atomic():
        proposal = RedesignProposal.objects.create(
            **values,
            author=actor,
            last_editor=actor,
            dated_at=dated_at or now,
            created_at=now,
            updated_at=now,
        )
        EvidenceSlot.objects.bulk_create(_slot(proposal, slot, None) for slot in STANDARD_SLOTS)
        slots = [slot.key for slot in STANDARD_SLOTS]
        proposal_audit(
            proposal, "proposal.create", actor=actor, now=now, reason=reason, after={**values, "slots": slots}
        )
    return proposal


def proposal_edit(
    *, proposal_id: int, revision: int, content: ProposalContent, reason: str, actor: User, now: datetime
) -> RedesignProposal:
    """Other words, figures, causes or axes; an open request for a decision is void.

    `revision` is the one the editor saw. Raises `NotPermitted`, `BadProposal`, `ProposalLocked`, `ProposalMoved`.
    """
    writer(actor)
    reason = checked_reason(reason)
    values = content.stored()
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, OPEN_GROUND, "Editing")
        require_revision(proposal, revision)
        before = {name: getattr(proposal, name) for name in values}
        for name, value in values.items():
            setattr(proposal, name, value)
        proposal.save(update_fields=list(values))
        ground_moved(proposal, actor=actor, editor=actor, why="The proposal was edited", now=now)
        proposal_audit(proposal, "proposal.edit", actor=actor, now=now, reason=reason, before=before, after=values)
    return proposal


def option_put(
    *,
    proposal_id: int,
    revision: int,
    content: OptionContent,
    reason: str,
    actor: User,
    now: datetime,
    key: str = "",
) -> ProposalOption:
    """Changes the option with that letter, or adds the next one; an open request for a decision is void.

    Results of a changed option were made with other parameters and count no longer. Raises like `proposal_edit`.
    """
    writer(actor)
    reason = checked_reason(reason)
    values = content.stored()
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, OPEN_GROUND, "Editing an option")
        require_revision(proposal, revision)
        option = _option(proposal, key)
        before = {name: getattr(option, name) for name in values} if option.pk else None
        option.revision += 1 if option.pk else 0
        option.updated_at = now
        for name, value in values.items():
            setattr(option, name, value)
        option.save()
        ground_moved(proposal, actor=actor, editor=actor, why=f"Option {option.key} was edited", now=now)
        proposal_audit(
            proposal,
            "proposal.option.put",
            actor=actor,
            now=now,
            reason=reason,
            before=before,
            after={"option": option.key, **values},
        )
    return option


def _option(proposal: RedesignProposal, key: str) -> ProposalOption:
    known = {option.key: option for option in proposal.options.all()}
    if key:
        if key not in known:
            raise BadProposal(f"There is no option {key}", extra={"field": None})
        return known[key]
    if len(known) >= MAX_OPTIONS:
        raise BadProposal(f"More than {MAX_OPTIONS} options cannot be compared", extra={"field": None})
    return ProposalOption(proposal=proposal, key=_KEYS[len(known)])


def slot_add(
    *, proposal_id: int, slot: SlotContent, owner: User | None, reason: str, actor: User, now: datetime
) -> EvidenceSlot:
    """Asks for one more piece of evidence. A slot is never taken away; whoever decides may waive it with a reason."""
    writer(actor)
    reason = checked_reason(reason)
    filled(slot.title, field="title")
    checked_words(slot.wanted, field="wanted")
    key = slot.key or slugify(slot.title)[:40]
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, OPEN_GROUND, "Asking for evidence")
        if not key or proposal.slots.filter(key=key).exists():
            raise BadProposal("This evidence is asked for already", extra={"field": "title"})
        made = _slot(proposal, slot._replace(key=key), owner)
        made.save()
        ground_moved(proposal, actor=actor, editor=actor, why=f"Evidence is asked for: {made.title}", now=now)
        after = {"slot": key, "title": made.title, "owner": owner.get_username() if owner else None}
        proposal_audit(proposal, "proposal.slot.add", actor=actor, now=now, reason=reason, after=after)
    return made


def slot_assign(*, slot_id: int, owner: User, reason: str, actor: User, now: datetime) -> EvidenceSlot:
    """Says who is to bring the evidence; the ground of a decision does not move."""
    writer(actor)
    reason = checked_reason(reason)
    with transaction.atomic():
        slot = EvidenceSlot.objects.select_related("owner", "proposal").get(pk=slot_id)
        proposal = proposal_lock(slot.proposal_id)
        require_status(proposal, OPEN_GROUND, "Assigning evidence")
        before = {"slot": slot.key, "owner": slot.owner.get_username() if slot.owner else None}
        slot.owner = owner
        slot.save(update_fields=["owner"])
        after = {"slot": slot.key, "owner": owner.get_username()}
        proposal_audit(
            proposal, "proposal.slot.assign", actor=actor, now=now, reason=reason, before=before, after=after
        )
    return slot


def _slot(proposal: RedesignProposal, slot: SlotContent, owner: User | None) -> EvidenceSlot:
    return EvidenceSlot(
        proposal=proposal,
        key=slot.key,
        title=slot.title.strip(),
        wanted=slot.wanted.strip(),
        is_required=slot.is_required,
        is_matrix=slot.is_matrix,
        owner=owner,
    )


def proposal_submit(*, proposal_id: int, reason: str, actor: User, now: datetime) -> RedesignProposal:
    """From draft to collecting evidence; needs two options, because a decision names a fallback."""
    writer(actor)
    reason = checked_reason(reason)
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, [ProposalStatus.DRAFT], "Collecting evidence")
        if proposal.options.count() < MIN_OPTIONS:
            raise BadProposal("A proposal needs two options: one to do and one to fall back on")
        status_set(proposal, ProposalStatus.EVIDENCE, "proposal.submit", reason=reason, actor=actor, now=now)
    return proposal


def proposal_close(*, proposal_id: int, outcome: str, actor: User, now: datetime) -> RedesignProposal:
    """The end: what came of it. An undecided proposal may be given up the same way.

    Refused while work on it is open; finish or drop that first.
    """
    writer(actor)
    outcome = checked_words(checked_reason(outcome), field="outcome")
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, [*OPEN_GROUND, ProposalStatus.WATCHING], "Closing")
        if proposal.work_items.exclude(status__in=[WorkStatus.DONE, WorkStatus.DROPPED]).exists():
            raise BadProposal("Work on this proposal is still open; finish it or drop it first")
        void_open(proposal, actor=actor, why="The proposal was closed", now=now)
        proposal.outcome, proposal.closed_at = outcome, now
        status_set(proposal, ProposalStatus.CLOSED, "proposal.close", reason=outcome, actor=actor, now=now)
    return proposal


def status_set(
    proposal: RedesignProposal,
    status: ProposalStatus,
    action: str,
    *,
    reason: str,
    actor: User,
    now: datetime,
    extra: dict[str, Any] | None = None,
) -> None:
    """For the services of proposals, inside their transaction: the next status and its audit row."""
    before = {"status": proposal.status}
    proposal.status, proposal.updated_at = status, now
    proposal.save()
    after = {"status": status, **(extra or {})}
    proposal_audit(proposal, action, actor=actor, now=now, reason=reason, before=before, after=after)
