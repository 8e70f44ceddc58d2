"""Values of limits as people type and read them, and whether a change allows more."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from django.db.models import Q

from apps.core.exceptions import Refused
from apps.engine.errors import BadNumber
from apps.engine.limits import REQUIRED_RULES, LimitUnit, unit_of
from apps.engine.limits import LimitRule as EngineRule
from apps.governance.choices import Direction

from .choices import LimitRule, Scope
from .models import RiskLimit
from .scopes import EACH
from .selectors import engine_value

_WORDS = {
    LimitUnit.MONEY: "dollars",
    LimitUnit.PRICE: "dollars per contract",
    LimitUnit.QUANTITY: "contracts",
    LimitUnit.COUNT: "orders",
    LimitUnit.SHARE: "share (1 is all)",
}


def unit_words(rule: LimitRule) -> str:
    return _WORDS[unit_of(EngineRule(rule.value)) or LimitUnit.COUNT]


def limit_value(rule: LimitRule, text: object) -> Decimal:
    """What a person typed, as a positive number the engine can hold; raises `Refused` for anything else."""
    try:
        value = Decimal(text) if isinstance(text, str) else None
        if value is None or engine_value(rule, value) <= 0 or abs(value) >= Decimal(10) ** 12:
            raise BadNumber(f"{rule.label}: not a positive number of {unit_words(rule)}: {text!r}")
    except (InvalidOperation, BadNumber) as error:
        words = f"{rule.label}: {text!r} is not a usable number of {unit_words(rule)}"
        raise Refused(words, code="bad_number") from error
    if rule in (LimitRule.MIN_PRICE, LimitRule.MAX_PRICE) and not 0 < value < 1:
        raise Refused("A price limit stands between 0 and 1 dollar", code="bad_number")
    return value


def limit_bounds(rule: LimitRule) -> str:
    """What `limit_value` takes, in words."""
    return "between 0 and 1" if rule in (LimitRule.MIN_PRICE, LimitRule.MAX_PRICE) else "more than 0"


def check_band(rule: LimitRule, scope: str, scope_id: str, value: Decimal) -> None:
    """Raises `Refused` when no price would be left between the lowest and the highest of a scope."""
    other = {LimitRule.MIN_PRICE: LimitRule.MAX_PRICE, LimitRule.MAX_PRICE: LimitRule.MIN_PRICE}.get(rule)
    if other is None:
        return
    edge = RiskLimit.objects.filter(rule=other, scope=scope, scope_id=scope_id).values_list("value", flat=True).first()
    if edge is not None and (value > edge if rule is LimitRule.MIN_PRICE else value < edge):
        raise Refused(f"The price band would be empty: {other.label.lower()} is {limit_text(edge)}", code="empty_band")


def limit_direction(rule: LimitRule, old: Decimal, new: Decimal) -> Direction:
    if new == old:
        return Direction.UNCHANGED
    loosens = new < old if rule is LimitRule.MIN_PRICE else new > old
    return Direction.RAISES if loosens else Direction.LOWERS


def first_direction(rule: LimitRule, scope: str, scope_id: str) -> Direction:
    """A first limit of a scope can only tighten, unless the rule must have one and none stands above it yet.

    Without a limit of such a rule nothing is sent, so the first one is what lets orders through.
    """
    if EngineRule(rule.value) not in REQUIRED_RULES:
        return Direction.LOWERS
    above = Q(scope=Scope.GLOBAL)
    if scope == Scope.ACCOUNT:
        above |= Q(scope=Scope.ACCOUNT, scope_id=EACH)
    elif scope != Scope.GLOBAL:
        above |= Q(scope=Scope.ACCOUNT)
    is_bound = RiskLimit.objects.filter(above, rule=rule).exclude(scope=scope, scope_id=scope_id).exists()
    return Direction.LOWERS if is_bound else Direction.RAISES


def limit_text(value: Decimal) -> str:
    return f"{value.normalize():f}"
