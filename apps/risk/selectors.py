from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import connection

from apps.engine.decimals import money_from_decimal, price_from_decimal, quantity_from_decimal
from apps.engine.errors import BadNumber
from apps.engine.exposure import NodeKey
from apps.engine.limits import REQUIRED_RULES, Limit, LimitUnit, RiskLimits, unit_of
from apps.engine.limits import LimitRule as EngineRule
from apps.engine.limits import TradingState as EngineState

from .choices import LimitRule, Scope, State
from .exceptions import LimitMissing
from .models import KillRun, RestrictedMarket, RiskLimit, Theme, TradingState
from .scopes import EACH, MarketKeys, matching, scope_keys

_STRICTNESS: dict[str, int] = {State.ACTIVE: 0, State.REDUCING: 1, State.HALTED: 2}
_HALTED = (
    f"SELECT scope FROM {TradingState._meta.db_table} "  # noqa: S608  the name comes from the model
    "WHERE state NOT IN (%s, %s) AND (scope = %s OR (scope = %s AND scope_id IN (%s, %s)) "
    "OR (scope = %s AND scope_id IN (%s, %s)))"
)
LimitRow = tuple[str, str, str, Decimal]


def state_for(**keys: object) -> EngineState:
    """The strictest state of all scopes that match `MarketKeys(**keys)`; one that is not known counts as halted."""
    rows = TradingState.objects.filter(matching(MarketKeys(**keys).path)).values_list("state", flat=True)  # type: ignore[arg-type]
    return strictest(rows)


def halted_scopes(*, account: str, environment: str = "") -> list[str]:
    """Scopes that halt a whole account, for the transaction that commits an intent; hence plain SQL.

    A stored state that is not known counts as halted.
    """
    with connection.cursor() as cursor:
        whole = [Scope.GLOBAL, Scope.ACCOUNT, account, EACH, Scope.ENVIRONMENT, environment, EACH]
        cursor.execute(_HALTED, [State.ACTIVE, State.REDUCING, *whole])
        return [row[0] for row in cursor.fetchall()]


def strictest(states: Iterable[str]) -> EngineState:
    worst = max((_STRICTNESS.get(state, 2) for state in states), default=0)
    return (EngineState.ACTIVE, EngineState.REDUCING, EngineState.HALTED)[worst]


def states_all() -> list[TradingState]:
    """Every scope that was ever halted or reduced, and its state now."""
    return list(TradingState.objects.select_related("changed_by"))


def states_restricting() -> list[TradingState]:
    """The scopes that are not active at the moment."""
    return list(TradingState.objects.exclude(state=State.ACTIVE).select_related("changed_by"))


def limits_for(**keys: object) -> RiskLimits:
    """All limits that match `MarketKeys(**keys)`, in engine units. Raises `LimitMissing` when a rule has none."""
    path = MarketKeys(**keys).path  # type: ignore[arg-type]
    rows = RiskLimit.objects.filter(matching(path)).values_list("scope", "scope_id", "rule", "value")
    return limits_on(path, rows)


def limits_on(path: tuple[NodeKey, ...], rows: Iterable[LimitRow]) -> RiskLimits:
    """The rows that bind a path, each on its node; a row for each of a kind binds every such node on its own.

    Raises `LimitMissing` when a rule that must have a limit has none, and `BadNumber`.
    """
    nodes: dict[tuple[str, str], list[NodeKey]] = {}
    for node in path:
        nodes.setdefault((node.level.value, node.id), []).append(node)
        if node.id:
            nodes.setdefault((node.level.value, EACH), []).append(node)
    found = [
        Limit(EngineRule(rule), node, engine_value(LimitRule(rule), value))
        for scope, scope_id, rule, value in rows
        for node in nodes.get((scope, "" if scope == Scope.GLOBAL else scope_id), ())
    ]
    given = {limit.rule for limit in found}
    missing = [LimitRule(rule.value).label for rule in REQUIRED_RULES if rule not in given]
    if missing:
        raise LimitMissing(f"No limit is set for: {', '.join(missing)}", extra={"missing": missing})
    return RiskLimits(tuple(found))


def engine_value(rule: LimitRule, value: Decimal) -> int:
    """Dollars, contracts, price, share or count as the engine's integer; raises `BadNumber` for what it cannot hold."""
    unit = unit_of(EngineRule(rule.value))
    if unit is LimitUnit.PRICE:
        return price_from_decimal(value)
    if unit is LimitUnit.QUANTITY:
        return quantity_from_decimal(value)
    if unit is LimitUnit.COUNT:
        if not value.is_finite() or value != value.to_integral_value():
            raise BadNumber(f"{rule}: not a whole number: {value}")
        return int(value)
    return money_from_decimal(value)


def kill_run_latest() -> KillRun | None:
    return KillRun.objects.select_related("pressed_by").first()


def restricted_reason(*, user: User | None = None, **keys: object) -> str | None:
    """Why these keys may not be traded, None if they may; see `RiskRows.restrictions_on`."""
    reasons = RiskRows.load().restrictions_on(MarketKeys(**keys).path, user_id=None if user is None else user.pk)  # type: ignore[arg-type]
    return "; ".join(reasons) or None


@dataclass(frozen=True, slots=True)
class RiskRows:
    """All limits, states, themes and restrictions, read once and matched in memory, for judging many markets."""

    limits: tuple[LimitRow, ...]
    states: tuple[tuple[str, str, str], ...]
    themes: tuple[tuple[str, frozenset[str]], ...] = ()
    restrictions: tuple[tuple[str, str, int | None, str, str], ...] = ()

    @classmethod
    def load(cls) -> RiskRows:
        restricted = RestrictedMarket.objects.filter(lifted_at=None).order_by("id")
        return cls(
            tuple(RiskLimit.objects.values_list("scope", "scope_id", "rule", "value")),
            tuple(TradingState.objects.values_list("scope", "scope_id", "state")),
            tuple((slug, frozenset(members)) for slug, members in Theme.objects.values_list("slug", "members")),
            tuple(restricted.values_list("scope", "scope_id", "user_id", "user__username", "reason")),
        )

    def themes_of(self, *tickers: str) -> tuple[str, ...]:
        """Themes that name any of these series, event and market tickers."""
        return tuple(sorted(slug for slug, members in self.themes if not members.isdisjoint(tickers)))

    def limits_on(self, path: tuple[NodeKey, ...]) -> RiskLimits:
        """As the function of this name; raises `LimitMissing`, `BadNumber`."""
        return limits_on(path, self.limits)

    def limits_for(self, **keys: object) -> RiskLimits:
        """As the function of this name; raises `LimitMissing`, `BadNumber`."""
        return limits_on(MarketKeys(**keys).path, self.limits)  # type: ignore[arg-type]

    def state_on(self, path: tuple[NodeKey, ...]) -> EngineState:
        """The strictest state on a path."""
        bound = scope_keys(path) | {(Scope.GLOBAL.value, "")}
        return strictest(state for scope, sid, state in self.states if (scope, sid) in bound)

    def state_for(self, **keys: object) -> EngineState:
        """As the function of this name."""
        return self.state_on(MarketKeys(**keys).path)  # type: ignore[arg-type]

    def restrictions_on(self, path: tuple[NodeKey, ...], *, user_id: int | None = None) -> tuple[str, ...]:
        """Why a path may not be traded, one reason for each entry.

        An order of the platform (`user_id` None) is held back by what is restricted for anybody, an order that a
        person places by what is restricted for the firm or for that person.
        """
        bound = scope_keys(path)
        return tuple(
            f"{person or 'firm'}: {reason}"
            for scope, sid, owner, person, reason in self.restrictions
            if (scope, sid) in bound and (user_id is None or owner is None or owner == user_id)
        )
