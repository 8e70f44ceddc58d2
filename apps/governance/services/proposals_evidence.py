"""What fills a proposal's slots, and what the scenarios gave for its options. Facts are added, never replaced."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.wording import checked_words
from apps.governance.choices import ProposalEvidenceKind
from apps.governance.models import EvidenceSlot, OptionResult, ProposalEvidence, ProposalOption, RedesignProposal
from apps.governance.proposal_content import BadProposal, filled

from .drafts import checked_reason
from .proposals_ground import OPEN_GROUND, ground_moved, proposal_audit, proposal_lock, require_status, writer

_SHA256 = re.compile(r"[0-9a-f]{64}")


def evidence_attach(
    *,
    slot_id: int,
    kind: str,
    title: str,
    reference: str,
    sha256: str,
    note: str,
    actor: User,
    now: datetime,
) -> ProposalEvidence:
    """Fills a slot with something that can be found again: a reference, a SHA-256, or both; `note` says what it shows.

    What a decision would rest on has moved, so an open request for one is void. Raises `NotPermitted`,
    `ReasonTooShort`, `BadProposal`, `ProposalLocked`.
    """
    writer(actor)
    note = checked_words(checked_reason(note), field="note")
    filled(title, field="title")
    reference, sha256 = reference.strip(), checked_sha256(sha256)
    if not reference and not sha256:
        raise BadProposal("Say where it is, or give its SHA-256", extra={"field": "reference"})
    with transaction.atomic():
        slot = EvidenceSlot.objects.filter(pk=slot_id).first()
        if slot is None:
            raise BadProposal("There is no such slot")
        proposal = proposal_lock(slot.proposal_id)
        require_status(proposal, OPEN_GROUND, "Attaching evidence")
        made = ProposalEvidence.objects.create(
            slot=slot,
            kind=ProposalEvidenceKind(kind),
            title=title.strip(),
            reference=reference,
            sha256=sha256,
            note=note,
            filled_by=actor,
            filled_at=now,
        )
        ground_moved(proposal, actor=actor, editor=None, why=f"Evidence came in: {slot.title}", now=now)
        after = {"slot": slot.key, "kind": kind, "title": made.title, "reference": reference, "sha256": sha256}
        proposal_audit(proposal, "proposal.evidence.attach", actor=actor, now=now, reason=note, after=after)
    return made


def option_result_record(
    *,
    option_id: int,
    regime: str,
    metric: str,
    value: Decimal,
    low: Decimal,
    high: Decimal,
    sample: int,
    reference: str,
    now: datetime,
    sha256: str = "",
    actor: User | None = None,
    actor_label: str | None = None,
) -> OptionResult:
    """What a run gave for an option as it stands now, on one of the proposal's axes.

    `low` to `high` is the interval around `value`, in the axis' unit; `sample` is how many independent observations
    it rests on. A program gives `actor_label` ("system:scenarios") instead of an actor. Raises `BadProposal` for an
    unknown axis, a value outside its interval or no sample, and else like `evidence_attach`.
    """
    label = writer(actor).get_username() if actor is not None else actor_label
    if not label:
        raise ValueError("a result without an actor needs actor_label")
    filled(reference, field="reference")
    sha256 = checked_sha256(sha256)
    _require_interval(value, low, high, sample)
    with transaction.atomic():
        proposal, option = _locked_option(option_id)
        made = OptionResult.objects.create(
            option=option,
            option_revision=option.revision,
            regime=regime,
            metric=metric,
            unit=_unit(proposal.axes, regime, metric),
            value=value,
            low=low,
            high=high,
            sample=sample,
            reference=reference.strip(),
            sha256=sha256,
            recorded_by=actor,
            recorded_label=label,
            recorded_at=now,
        )
        ground_moved(proposal, actor=actor, editor=None, why=f"A result for option {option.key} came in", now=now)
        after = {"option": option.key, "regime": regime, "metric": metric, "value": value, "low": low, "high": high}
        proposal_audit(
            proposal,
            "proposal.result.record",
            actor=actor,
            actor_label=actor_label,
            now=now,
            reason=reference.strip(),
            after={**after, "n": sample, "unit": made.unit, "sha256": sha256},
        )
    return made


def _locked_option(option_id: int) -> tuple[RedesignProposal, ProposalOption]:
    option = ProposalOption.objects.filter(pk=option_id).first()
    if option is None:
        raise BadProposal("There is no such option")
    proposal = proposal_lock(option.proposal_id)
    require_status(proposal, OPEN_GROUND, "Recording a result")
    option.refresh_from_db()
    return proposal, option


def checked_sha256(text: str) -> str:
    """64 hexadecimal digits in lower case, or nothing. Raises `BadProposal`."""
    text = text.strip().lower()
    if text and not _SHA256.fullmatch(text):
        raise BadProposal("A SHA-256 has 64 hexadecimal digits", extra={"field": "sha256"})
    return text


def _require_interval(value: Decimal, low: Decimal, high: Decimal, sample: int) -> None:
    if not all(one.is_finite() for one in (value, low, high)):
        raise BadProposal("A result is a number with an interval", extra={"field": "value"})
    if not low <= value <= high:
        raise BadProposal("The value lies outside its own interval", extra={"field": "value"})
    if sample < 1:
        raise BadProposal("A result rests on at least one observation", extra={"field": "sample"})


def _unit(axes: list[dict[str, str]], regime: str, metric: str) -> str:
    for axis in axes:
        if (axis["regime"], axis["metric"]) == (regime, metric):
            return axis["unit"]
    raise BadProposal("The options are not compared on this axis", extra={"field": "axis"})
