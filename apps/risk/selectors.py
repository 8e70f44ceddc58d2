from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.engine.decimals import money_from_decimal, price_from_decimal, quantity_from_decimal
from apps.engine.limits import RiskLimits
from apps.engine.limits import TradingState as EngineState

from .choices import LimitRule, Scope, State
from .exceptions import LimitMissing
from .models import KillRun, RiskLimit, TradingState
from .scopes import matching, scope_keys

_STRICTNESS: dict[str, int] = {State.ACTIVE: 0, State.REDUCING: 1, State.HALTED: 2}
_HALTED = (
    f"SELECT scope FROM {TradingState._meta.db_table} "  # noqa: S608  the name comes from the model
    "WHERE state NOT IN (%s, %s) AND (scope = %s OR (scope = %s AND scope_id = %s))"
)


def state_for(
    *, account: object, strategy_slug: str | None = None, series: str | None = None, market: str | None = None
) -> EngineState:
    """The strictest state of all matching scopes; a stored state that is not known counts as halted."""
    rows = TradingState.objects.filter(
        matching(account=account, strategy_slug=strategy_slug, series=series, market=market)
    ).values_list("state", flat=True)
    return strictest(rows)


def halted_scopes(*, account: str) -> list[str]:
    """Scopes that halt a whole account, for the transaction that commits an intent; hence plain SQL.

    A stored state that is not known counts as halted.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HALTED, [State.ACTIVE, State.REDUCING, Scope.GLOBAL, Scope.ACCOUNT, account])
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


def limits_for(*, account: object, strategy_slug: str | None, series: str | None, market: str | None) -> RiskLimits:
    """The tightest matching value of every rule, in engine units. Raises `LimitMissing` when a rule has none."""
    rows = RiskLimit.objects.filter(
        matching(account=account, strategy_slug=strategy_slug, series=series, market=market)
    ).values_list("rule", "value")
    return tightest_limits(rows)


def tightest_limits(rows: Iterable[tuple[str, Decimal]]) -> RiskLimits:
    """Of (rule, value) pairs the tightest of each rule. Raises `LimitMissing` when a rule has none."""
    tightest: dict[str, Decimal] = {}
    for rule, value in rows:
        pick = max if rule == LimitRule.MIN_PRICE else min
        tightest[rule] = pick(tightest.get(rule, value), value)
    missing = [rule.label for rule in LimitRule if rule not in tightest]
    if missing:
        raise LimitMissing(f"No limit is set for: {', '.join(missing)}", extra={"missing": missing})
    return RiskLimits(**{rule.value: engine_value(rule, tightest[rule]) for rule in LimitRule})


def engine_value(rule: LimitRule, value: Decimal) -> int:
    """Dollars, contracts or price in the engine's integers; raises `BadNumber` for what they cannot hold."""
    if rule in (LimitRule.MIN_PRICE, LimitRule.MAX_PRICE):
        return price_from_decimal(value)
    if rule is LimitRule.MAX_CONTRACTS_PER_MARKET:
        return quantity_from_decimal(value)
    return money_from_decimal(value)


def kill_run_latest() -> KillRun | None:
    return KillRun.objects.select_related("pressed_by").first()


@dataclass(frozen=True, slots=True)
class RiskRows:
    """All limits and states, read once and matched in memory: for callers that judge many markets at a time."""

    limits: tuple[tuple[str, str, str, Decimal], ...]
    states: tuple[tuple[str, str, str], ...]

    @classmethod
    def load(cls) -> RiskRows:
        return cls(
            tuple(RiskLimit.objects.values_list("scope", "scope_id", "rule", "value")),
            tuple(TradingState.objects.values_list("scope", "scope_id", "state")),
        )

    def limits_for(self, **keys: str | None) -> RiskLimits:
        """As `limits_for`; raises `LimitMissing`."""
        bound = scope_keys(**keys)
        return tightest_limits((rule, value) for scope, sid, rule, value in self.limits if (scope, sid) in bound)

    def state_for(self, **keys: str | None) -> EngineState:
        """As `state_for`."""
        bound = scope_keys(**keys)
        return strictest(state for scope, sid, state in self.states if (scope, sid) in bound)
