"""Verifies the chain against itself, its head, and the signed heads outside the database; keeps every run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection

from apps.governance.audit import triggers
from apps.governance.audit.anchors import Anchor, is_signed, place_read
from apps.governance.audit.chain import GENESIS
from apps.governance.audit.verification import Break, Kind, Mark, Verdict, verify
from apps.governance.audit_selectors import (
    anchor_list,
    anchor_places,
    chain_entries,
    chain_head,
    hash_at,
    rows_beyond_head,
    trusted_keys,
)
from apps.governance.choices import AuditResult, AuditScope
from apps.governance.models import AuditAnchor, AuditVerification

from .audit_alarm import audit_alarm

RECENT_ROWS = 1_000
NIGHTLY_AT = timedelta(hours=2)
"""UTC time of day after which the day's full verification is due."""
DATABASE = "database"


@dataclass(slots=True)
class _Evidence:
    """Signed heads that may be compared with the rows, what is wrong with the others, and what could not be read."""

    marks: list[Mark] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: set[Anchor] = field(default_factory=set)
    outside: int = 0
    is_complete: bool = True


def audit_verify(
    *,
    now: datetime,
    scope: AuditScope = AuditScope.FULL,
    since: int = 0,
    actor: User | None = None,
    actor_label: str = "",
) -> AuditVerification:
    """Walks the chain and stores the run. `since` is the first row to look at, for `AuditScope.SINCE`.

    A broken chain raises AUDIT_BROKEN. `incomplete` means that nothing wrong was found, but that a place outside the
    database could not be asked, so that the end of the chain is only as good as the rest.
    """
    began = time.perf_counter()
    start = _start(scope, since, chain_head()[0])
    evidence = _evidence(start)
    head = chain_head()
    verdict = _walked(start, head, evidence)
    breaks = [*verdict.breaks, *evidence.breaks, *_unguarded()]
    result = AuditResult.INTACT if evidence.is_complete else AuditResult.INCOMPLETE
    run = AuditVerification.objects.create(
        started_at=now,
        seconds=Decimal(f"{time.perf_counter() - began:.3f}"),
        scope=scope,
        result=AuditResult.BROKEN if breaks else result,
        first_sequence=start + 1,
        last_sequence=verdict.last,
        rows=verdict.rows,
        anchored_through=evidence.outside,
        breaks=[{**asdict(found), "kind": str(found.kind)} for found in breaks],
        notes=evidence.notes,
        actor=actor,
        actor_label=actor.get_username() if actor else actor_label,
    )
    if breaks:
        audit_alarm(
            code="AUDIT_BROKEN",
            message=f"The audit record is not as it was written: {breaks[0].detail}",
            details={"verification": run.pk, "found": len(breaks), "kinds": sorted({str(b.kind) for b in breaks})},
            now=now,
        )
    return run


def audit_verify_if_due(*, now: datetime) -> AuditVerification | None:
    """The nightly full verification, at the first look after 02:00 UTC; a restart neither skips nor repeats it."""
    due = now.replace(hour=0, minute=0, second=0, microsecond=0) + NIGHTLY_AT
    if due > now:
        due -= timedelta(days=1)
    if AuditVerification.objects.filter(scope=AuditScope.FULL, started_at__gte=due).exists():
        return None
    return audit_verify(now=now, actor_label="system:nightly")


def _start(scope: AuditScope, since: int, height: int) -> int:
    """Number of the row before the first one to look at: one that a signed head confirms, if the newest are asked."""
    if scope is AuditScope.SINCE:
        return max(0, min(since - 1, height))
    if scope is AuditScope.FULL:
        return 0
    anchors = AuditAnchor.objects.filter(sequence__lte=max(0, height - RECENT_ROWS))
    return anchors.values_list("sequence", flat=True).first() or 0


def _walked(start: int, head: tuple[int, str], evidence: _Evidence) -> Verdict:
    before = hash_at(start)
    if before is None:
        text = f"row {start}, behind which this was to begin, is gone"
        evidence.breaks.append(Break(Kind.REMOVED, start, text))
    # Rows added since the head was read are not judged, unless the head never came to stand behind them.
    entries = chain_entries(after=start, through=max(head[0], rows_beyond_head()))
    return verify(entries, marks=evidence.marks, head=head, start=(start, before or GENESIS))


def _evidence(start: int) -> _Evidence:
    """Signed heads from row `start` on. To be read before the head: then none can be ahead of it by being younger."""
    evidence, keys = _Evidence(), trusted_keys()
    stored = anchor_list(after=start - 1)
    _take(evidence, DATABASE, stored, keys)
    for folder in anchor_places():
        _ask(evidence, folder, start, keys, is_expected=bool(stored))
    if stored and not keys:
        evidence.notes.append("no public key is known, so no signature could be checked")
        evidence.is_complete = False
    return evidence


def _ask(evidence: _Evidence, folder: Path, start: int, keys: frozenset[str], *, is_expected: bool) -> None:
    try:
        kept, bad = place_read(folder)
    except OSError as error:
        evidence.notes.append(f"{folder} could not be read: {error.strerror or error}")
        evidence.is_complete = False
        return
    if bad:
        evidence.notes.append(f"{folder} holds {bad} lines that are no anchors")
    if is_expected and not kept:
        evidence.notes.append(f"{folder} holds no anchors")
        evidence.is_complete = False
    _take(evidence, str(folder), [anchor for anchor in kept if anchor.sequence >= start], keys)
    evidence.outside = max([evidence.outside, *(anchor.sequence for anchor in kept)])


def _take(evidence: _Evidence, source: str, anchors: Sequence[Anchor], keys: frozenset[str]) -> None:
    """Only what is signed is compared with the rows; what is not signed by us is itself a finding."""
    for anchor in anchors:
        if anchor in evidence.checked or is_signed(anchor, keys):
            evidence.checked.add(anchor)
            evidence.marks.append(Mark(anchor.sequence, anchor.hash, source))
        elif keys:
            text = f"the anchor of row {anchor.sequence} ({source}) is not signed by a key of ours"
            evidence.breaks.append(Break(Kind.ANCHOR_FORGED, anchor.sequence, text))


def _unguarded() -> list[Break]:
    missing = triggers.missing_triggers(connection)
    if not missing:
        return []
    return [Break(Kind.UNGUARDED, 0, f"triggers are missing from the database: {', '.join(missing)}")]
