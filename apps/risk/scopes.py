"""Scopes: what a state or a limit applies to, and which of them match an order."""

from __future__ import annotations

from django.db.models import Q

from .choices import Scope
from .exceptions import BadScope


def checked_scope(scope: str, scope_id: str) -> tuple[Scope, str]:
    """Raises `BadScope` unless the scope exists and has an id exactly when it needs one."""
    try:
        kind = Scope(scope)
    except ValueError:
        raise BadScope(f"There is no scope {scope!r}") from None
    scope_id = str(scope_id).strip()
    if kind is Scope.GLOBAL and scope_id:
        raise BadScope("The scope that covers everything has no id")
    if kind is not Scope.GLOBAL and not scope_id:
        raise BadScope(f"The scope {kind.label.lower()} needs to say which one")
    return kind, scope_id


def scope_text(scope: str, scope_id: str) -> str:
    """ "Everything", "Market KXBTC15M-…"."""
    return f"{Scope(scope).label} {scope_id}".strip()


def scope_keys(
    *, account: object = None, strategy_slug: str | None = None, series: str | None = None, market: str | None = None
) -> set[tuple[str, str]]:
    """The (scope, id) pairs that bind an order of this account, strategy, series and market; None names none."""
    named = (
        (Scope.ACCOUNT, account),
        (Scope.STRATEGY, strategy_slug),
        (Scope.SERIES, series),
        (Scope.MARKET, market),
    )
    return {(Scope.GLOBAL.value, "")} | {(scope.value, str(sid)) for scope, sid in named if sid is not None}


def matching(*, account: object, strategy_slug: str | None, series: str | None, market: str | None) -> Q:
    """The same as a filter. The scope that covers everything matches whatever its id."""
    found = Q(scope=Scope.GLOBAL)
    for scope, scope_id in scope_keys(account=account, strategy_slug=strategy_slug, series=series, market=market):
        found |= Q(scope=scope, scope_id=scope_id)
    return found
