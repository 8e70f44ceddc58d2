"""Themes: markets that win and lose together. Widening one tightens limits and acts at once; taking out takes two."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request, audit_record
from apps.risk.exceptions import WouldLoosen
from apps.risk.models import Theme

THEME_SET = "risk.theme.set"
THEME_SHRINK = "risk.theme.shrink"
MAX_MEMBERS = 2_000
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_TICKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,159}")


def theme_set(
    *,
    slug: str,
    name: str,
    members: Iterable[str],
    reason: str,
    now: datetime,
    actor: User | None,
    actor_label: str | None = None,
    description: str = "",
) -> Theme:
    """Creates a theme or widens it; `members` are tickers of series, events or markets.

    Raises `WouldLoosen` when a member would leave (`theme_shrink_request`), `Refused` for a slug or ticker that cannot
    be, and `NotPermitted`. The platform itself acts with `actor=None` and an `actor_label`.
    """
    if actor is not None:
        require(actor, GovernancePermission.PROPOSE_CHANGE.full)
    wanted = checked_members(members)
    if not _SLUG.fullmatch(slug):
        raise Refused(f"{slug!r:.80} is no short name: small letters, digits and dashes", extra={"field": "slug"})
    with transaction.atomic():
        theme = Theme.objects.select_for_update().filter(slug=slug).first()
        before = None if theme is None else {"name": theme.name, "members": theme.members}
        left_out = set(theme.members) - set(wanted) if theme is not None else set()
        if left_out:
            words = f"{', '.join(sorted(left_out))} would leave the theme; that takes a proposal and a second person"
            raise WouldLoosen(words, extra={"field": "members"})
        theme = theme or Theme(slug=slug)
        theme.name, theme.description = name.strip() or slug, description.strip()
        theme.members, theme.updated_at = wanted, now
        theme.save()
        audit_record(
            actor=actor,
            actor_label=actor_label,
            action=THEME_SET,
            obj_type=Theme._meta.label,
            obj_id=theme.pk,
            before=before,
            after={"slug": slug, "name": theme.name, "members": wanted},
            reason=reason.strip() or "(no reason given)",
            now=now,
        )
    return theme


def theme_shrink_request(
    *, theme_id: int, members: Iterable[str], reason: str, actor: User, now: datetime
) -> ApprovalRequest:
    """Asks to replace the members of a theme by these, some of today's left out."""
    return approval_request(
        action=THEME_SHRINK,
        target_type=Theme._meta.label,
        target_id=theme_id,
        payload={"members": checked_members(members)},
        reason=reason,
        actor=actor,
        now=now,
    )


def checked_members(members: Iterable[str]) -> list[str]:
    """Sorted tickers, each once; raises `Refused` for one that cannot be a ticker, or for too many."""
    found = sorted({str(member).strip() for member in members if str(member).strip()})
    bad = [member for member in found if not _TICKER.fullmatch(member)]
    if bad:
        raise Refused(f"These are no tickers: {', '.join(bad):.200}", extra={"field": "members"})
    if len(found) > MAX_MEMBERS:
        raise Refused(f"A theme has at most {MAX_MEMBERS} members", extra={"field": "members"})
    return found
