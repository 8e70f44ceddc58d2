"""After the change: a window in which what was forecast is held against what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.wording import checked_words
from apps.governance.choices import ProposalStatus
from apps.governance.models import RedesignProposal
from apps.governance.proposal_content import BadProposal, WatchLine

from .drafts import checked_reason
from .proposals import status_set
from .proposals_ground import proposal_audit, proposal_lock, require_status, writer


def watch_start(
    *,
    proposal_id: int,
    until: datetime,
    lines: Sequence[WatchLine],
    reason: str,
    actor: User,
    now: datetime,
) -> RedesignProposal:
    """From implementing to watching, with the forecast written down before anything is measured.

    Raises `NotPermitted`, `ReasonTooShort`, `ProposalLocked`, `BadProposal` for no forecast or a window in the past.
    """
    writer(actor)
    reason = checked_words(checked_reason(reason))
    if not lines:
        raise BadProposal("Write down at least one forecast to hold the result against", extra={"field": "lines"})
    if until <= now:
        raise BadProposal("The window ends before it begins", extra={"field": "until"})
    for line in lines:
        line.check()
    if any(line.actual is not None for line in lines):
        raise BadProposal("Nothing has been measured before the window begins", extra={"field": "lines"})
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, [ProposalStatus.IMPLEMENTING], "Watching the result")
        proposal.watch_from, proposal.watch_until = now, until
        proposal.watch = [asdict(line) for line in lines]
        status_set(
            proposal, ProposalStatus.WATCHING, "proposal.watch.start", reason=reason, actor=actor, now=now,
            extra={"until": until, "forecast": proposal.watch},
        )  # fmt: skip
    return proposal


def watch_measure(
    *, proposal_id: int, actuals: Sequence[str | None], reason: str, actor: User, now: datetime
) -> RedesignProposal:
    """What was measured, one per forecast in its order; None leaves a line as it is. Forecasts cannot be changed."""
    writer(actor)
    reason = checked_words(checked_reason(reason))
    with transaction.atomic():
        proposal = proposal_lock(proposal_id)
        require_status(proposal, [ProposalStatus.WATCHING], "Measuring")
        before = proposal.watch
        if len(actuals) != len(before):
            raise BadProposal("There is one measurement per forecast", extra={"field": "lines"})
        lines = [
            WatchLine(**(line | {"actual": line["actual"] if actual is None else actual.strip()}))
            for line, actual in zip(before, actuals, strict=True)
        ]
        for line in lines:
            line.check()
        proposal.watch, proposal.updated_at = [asdict(line) for line in lines], now
        proposal.save(update_fields=["watch", "updated_at"])
        proposal_audit(
            proposal, "proposal.watch.measure", actor=actor, now=now, reason=reason,
            before={"watch": before}, after={"watch": proposal.watch},
        )  # fmt: skip
    return proposal
