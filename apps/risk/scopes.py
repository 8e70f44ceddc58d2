"""Scopes: what a state, a limit or a restriction applies to, and which of them match an order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from apps.engine.exposure import NodeKey, NodeLevel

from .choices import Scope
from .exceptions import BadScope

EACH = "*"
UNCATEGORIZED = "uncategorized"


@dataclass(frozen=True, slots=True)
class MarketKeys:
    """What an order belongs to; None names none. A market without a category stands under `UNCATEGORIZED`."""

    account: object = None
    environment: str | None = None
    strategy_slug: str | None = None
    category: str | None = None
    themes: tuple[str, ...] = ()
    series: str | None = None
    event: str | None = None
    market: str | None = None

    @property
    def path(self) -> tuple[NodeKey, ...]:
        """Nodes from the root down to the market."""
        named: list[tuple[NodeLevel, object]] = [
            (NodeLevel.ENVIRONMENT, self.environment),
            (NodeLevel.ACCOUNT, self.account),
            (NodeLevel.STRATEGY, self.strategy_slug),
            (NodeLevel.CATEGORY, UNCATEGORIZED if self.category == "" else self.category),
            *((NodeLevel.THEME, slug) for slug in sorted(self.themes)),
            (NodeLevel.SERIES, self.series),
            (NodeLevel.EVENT, self.event),
            (NodeLevel.MARKET, self.market),
        ]
        found = [NodeKey(level, str(which)) for level, which in named if which is not None]
        return (NodeKey(NodeLevel.GLOBAL, ""), *found)


def checked_scope(scope: str, scope_id: str) -> tuple[Scope, str]:
    """Raises `BadScope` unless the scope exists and has an id exactly when it needs one; "*" is each of its kind."""
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
    """ "Everything", "Market KXBTC15M-…", "Each theme"."""
    if scope_id == EACH:
        return f"Each {Scope(scope).label.lower()}"
    return f"{Scope(scope).label} {scope_id}".strip()


def scope_keys(path: Iterable[NodeKey]) -> set[tuple[str, str]]:
    """The (scope, id) pairs that bind an order with this path, those for each of a kind included."""
    keys = {(node.level.value, node.id) for node in path}
    return keys | {(scope, EACH) for scope, which in keys if which}


def matching(path: Iterable[NodeKey]) -> Q:
    """The same as a filter. The scope that covers everything matches whatever its id."""
    found = Q(scope=Scope.GLOBAL)
    for scope, scope_id in scope_keys(path):
        found |= Q(scope=scope, scope_id=scope_id)
    return found
