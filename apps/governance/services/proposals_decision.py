"""Which way to go: asked by one person, chosen by another with a second factor, with a fallback approved beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.permissions import holders
from apps.core.stepup import FreshFactor, require_fresh
from apps.core.wording import checked_words
from apps.governance.choices import (
    LinkKind,
    ProposalEvidenceKind,
    ProposalPermission,
    ProposalStatus,
    ReviewKind,
    Severity,
    Vote,
)
from apps.governance.digest import sha256_of
from apps.governance.evidence import MAX_LINKS, EvidenceLink
from apps.governance.exceptions import ApproverIsRequester
from apps.governance.models import (
    ApprovalRequest,
    EvidenceSlot,
    FallbackSwitch,
    ProposalDecision,
    ProposalEvidence,
    ProposalOption,
    RedesignProposal,
)
from apps.governance.proposal_content import BadProposal
from apps.governance.proposal_selectors import (
    choosers,
    decision_in_force,
    may_choose,
    option_list,
    slot_list,
    slots_missing,
)

from .approvals import approval_request, approval_vote
from .drafts import checked_reason
from .proposals_ground import (
    CHOOSE_DIRECTION,
    LABEL,
    ProposalLocked,
    open_requests,
    proposal_audit,
    proposal_lock,
    require_revision,
    require_status,
    writer,
)
from .records import system_event_record
from .reviews import review_open

_LINKS: dict[str, LinkKind] = {
    ProposalEvidenceKind.BACKTEST: LinkKind.BACKTEST,
    ProposalEvidenceKind.SCENARIO: LinkKind.SCENARIO,
}
_ASKABLE = (ProposalStatus.EVIDENCE, ProposalStatus.DECISION)


class EvidenceMissing(Refused):
    """Required evidence is not there and was not waived; `extra["slots"]` names it."""

    code = "evidence_missing"


def direction_ask(*, proposal_id: int, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """Puts the options as they stand before the person who decides. Every later edit voids the request.

    Raises `NotPermitted`, `ReasonTooShort`, `ProposalLocked`, and the errors of `approval_request`.
    """
    writer(actor)
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, _ASKABLE, "Asking for a decision")
        _require_answerable(proposal, actor)
        before = {"status": proposal.status}
        proposal.status, proposal.updated_at = ProposalStatus.DECISION, now
        proposal.save(update_fields=["status", "updated_at"])
        request = approval_request(
            action=CHOOSE_DIRECTION,
            target_type=LABEL,
            target_id=proposal.pk,
            payload=offered(proposal),
            reason=reason,
            actor=actor,
            now=now,
            evidence=_links(proposal),
        )
        after = {"status": proposal.status, "request": request.pk, "revision": proposal.revision}
        proposal_audit(
            proposal, "proposal.direction.ask", actor=actor, now=now, reason=request.reason, before=before, after=after
        )
    return request


def _require_answerable(proposal: RedesignProposal, actor: User) -> None:
    """Whoever alone could decide but wrote or edited the proposal asks in person: then others may stand in."""
    if choosers(proposal).exists():
        return
    barred = holders(ProposalPermission.CHOOSE.full).filter(pk__in=[proposal.author_id, proposal.last_editor_id])
    if barred and not barred.filter(pk=actor.pk).exists():
        names = ", ".join(person.get_username() for person in barred)
        raise Refused(f"{names} wrote or edited this and would decide; {names} has to ask, so that another decides")


def _links(proposal: RedesignProposal) -> list[EvidenceLink]:
    """What fills the slots, for the page of the request."""
    found = ProposalEvidence.objects.filter(slot__proposal=proposal).order_by("-id")[:MAX_LINKS]
    return [
        EvidenceLink(
            _LINKS.get(one.kind, LinkKind.RESEARCH) if one.reference else LinkKind.FILE,
            one.title,
            one.reference,
            one.sha256,
        )
        for one in found
    ]


def offered(proposal: RedesignProposal) -> dict[str, Any]:
    """What a signature is about: the problem, and each option word for word with its parameters, as hashes."""
    problem = {name: getattr(proposal, name) for name in ("title", "problem", "baseline", "causes", "axes")}
    return {
        "revision": proposal.revision,
        "problem": sha256_of(problem),
        "options": {option.key: option_hash(option) for option in proposal.options.all()},
    }


def option_hash(option: ProposalOption) -> str:
    names = ("key", "name", "summary", "changes", "pros", "cons", "trade_off")
    return sha256_of({name: getattr(option, name) for name in names})


def direction_choose(
    *,
    proposal_id: int,
    revision: int,
    primary: str,
    fallback: str,
    waivers: Mapping[str, str],
    reason: str,
    actor: User,
    factor: FreshFactor | None,
    now: datetime,
) -> ProposalDecision:
    """Chooses one option and one fallback by their letters and signs the open request with that.

    `waivers` gives a reason per empty required slot that the decision does without. Raises `NotPermitted`,
    `StepUpNeeded`, `ApproverIsRequester` for the author, the one who asked and the last editor, `ProposalLocked`,
    `ProposalMoved`, `EvidenceMissing`, `BadProposal`, and the errors of `approval_vote`; then nothing has changed.
    """
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        request = _asked(proposal, revision, now)
        _require_chooser(proposal, actor)
        require_fresh(factor, actor=actor, now=now)
        reason = checked_words(checked_reason(reason))
        options = option_list(proposal)
        first, second = _chosen(options, primary, fallback)
        stored = _waivers(slots_missing(proposal, slot_list(proposal), options), waivers)
        choice = {"primary": first.key, "fallback": second.key, "waivers": stored, "reason": reason}
        decision = ProposalDecision.objects.create(
            proposal=proposal,
            request=request,
            primary=first,
            fallback=second,
            waivers=stored,
            reason=reason,
            digest=sha256_of({"request": request.digest, "choice": choice}),
            author=proposal.author,
            decided_by=actor,
            decided_at=now,
        )
        proposal_audit(
            proposal, "proposal.direction.choose", actor=actor, now=now, reason=reason,
            after={**choice, "request": request.pk, "digest": decision.digest},
        )  # fmt: skip
        approval_vote(
            request_id=request.pk,
            revision=request.revision,
            vote=Vote.APPROVE,
            reason=f"Primary {first.key}, fallback {second.key}. {reason}",
            actor=actor,
            factor=factor,
            now=now,
        )
    return decision


def _asked(proposal: RedesignProposal, revision: int, now: datetime) -> ApprovalRequest:
    require_revision(proposal, revision)
    require_status(proposal, [ProposalStatus.DECISION], "Choosing a direction")
    request = open_requests(proposal.pk).filter(expires_at__gt=now).first()
    if request is None:
        raise ProposalLocked("Nobody has asked for a decision, or the request has expired")
    if ProposalDecision.objects.filter(request=request).exists():
        raise ProposalLocked("The direction is chosen; the request waits for more signatures")
    return request


def _require_chooser(proposal: RedesignProposal, actor: User) -> None:
    if actor.pk == proposal.author_id:
        raise ApproverIsRequester("You wrote this proposal, so another person decides")
    if actor.pk == proposal.last_editor_id:
        raise ApproverIsRequester("You edited it last, so another person decides")
    if not may_choose(actor, proposal):
        raise NotPermitted("Choosing a direction is not among your rights")


def _chosen(options: list[ProposalOption], primary: str, fallback: str) -> tuple[ProposalOption, ProposalOption]:
    known = {option.key: option for option in options}
    for field, key in (("primary", primary), ("fallback", fallback)):
        if key not in known:
            raise BadProposal("Choose one of the options", extra={"field": field})
    if primary == fallback:
        raise BadProposal("The fallback is another option than the primary", extra={"field": "fallback"})
    return known[primary], known[fallback]


def _waivers(missing: list[EvidenceSlot], waivers: Mapping[str, str]) -> list[dict[str, str]]:
    empty = {slot.key: slot for slot in missing}
    given = {key: text for key, text in waivers.items() if text.strip()}
    if unknown := sorted(set(given) - set(empty)):
        raise BadProposal(f"There is nothing to waive for {', '.join(unknown)}", extra={"field": None})
    lacking = [slot for key, slot in empty.items() if key not in given]
    if lacking:
        titles = ", ".join(slot.title for slot in lacking)
        raise EvidenceMissing(
            f"Required evidence is missing: {titles}. Get it, or say for each why the decision does without",
            extra={"slots": [slot.key for slot in lacking]},
        )
    return [
        {"slot": key, "title": empty[key].title, "reason": checked_words(checked_reason(text))}
        for key, text in given.items()
    ]


def fallback_activate(*, proposal_id: int, reason: str, actor: User, now: datetime) -> FallbackSwitch:
    """The fallback takes the primary's place at once: it was approved with it. Somebody looks at it afterwards.

    Raises `NotPermitted`, `ReasonTooShort`, `ProposalLocked` when there is no decision or it has happened already.
    """
    writer(actor)
    reason = checked_words(checked_reason(reason))
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, [ProposalStatus.IMPLEMENTING, ProposalStatus.WATCHING], "Switching to the fallback")
        decision = decision_in_force(proposal)
        if decision is None:
            raise ProposalLocked("No direction has been decided")
        if hasattr(decision, "switch"):
            raise ProposalLocked("The fallback is in force already")
        switch = FallbackSwitch.objects.create(decision=decision, reason=reason, switched_by=actor, switched_at=now)
        before, after = {"direction": decision.primary.key}, {"direction": decision.fallback.key}
        proposal_audit(
            proposal, "proposal.fallback.activate", actor=actor, now=now, reason=reason, before=before, after=after
        )
        what = f"{proposal}: option {decision.fallback.key} took the place of option {decision.primary.key}"
        review_open(kind=ReviewKind.FALLBACK, what=what, obj_type=LABEL, obj_id=proposal.pk, actor=actor, now=now)
        system_event_record(
            code="FALLBACK_ACTIVATED",
            severity=Severity.WARNING,
            source="governance",
            message=what,
            details={"proposal": proposal.pk, "by": actor.get_username()},
            now=now,
        )
    return switch
