"""What is offered in support of a change: typed references, never copies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from apps.core.exceptions import Refused
from apps.core.wording import checked_words

from .choices import LinkKind
from .digest import sha256_of
from .models import ApprovalEvidence, ApprovalRequest

MAX_LINKS = 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class EvidenceLink(NamedTuple):
    """`kind` is a `LinkKind`, `reference` a number, an address or the note itself, `sha256` 64 hex digits or empty."""

    kind: str
    title: str
    reference: str = ""
    sha256: str = ""


def checked_evidence(links: Sequence[EvidenceLink]) -> list[EvidenceLink]:
    """The links without surrounding space; raises `Refused` for one that nobody could follow."""
    if len(links) > MAX_LINKS:
        raise Refused(f"At most {MAX_LINKS} pieces of evidence", code="bad_evidence", extra={"field": "evidence"})
    return [_checked(link) for link in links]


def _checked(link: EvidenceLink) -> EvidenceLink:
    kind, title, reference, sha256 = (text.strip() for text in link)
    problem = ""
    if kind not in LinkKind.values:
        problem = f"{kind!r} is no kind of evidence"
    elif not title or len(title) > 160 or len(reference) > 300:
        problem = "Evidence has a title of at most 160 characters and a reference of at most 300"
    elif sha256 and not _SHA256.fullmatch(sha256.lower()):
        problem = f"{title}: the SHA-256 has 64 hexadecimal digits"
    elif kind == LinkKind.FILE and not sha256:
        problem = f"{title}: a file needs its SHA-256, so that it is found again as it was"
    elif kind != LinkKind.FILE and not reference:
        problem = f"{title}: say where it is found, or what it says"
    if problem:
        raise Refused(problem, code="bad_evidence", extra={"field": "evidence"})
    return EvidenceLink(kind, checked_words(title, field="evidence"), reference, sha256.lower())


def evidence_digest(links: Sequence[EvidenceLink]) -> str:
    return sha256_of([list(link) for link in links])


def evidence_of(request: ApprovalRequest) -> list[EvidenceLink]:
    """That of the present revision, in the order it was given."""
    rows = ApprovalEvidence.objects.filter(request=request, revision=request.revision).order_by("id")
    return [EvidenceLink(row.kind, row.title, row.reference, row.sha256) for row in rows]
