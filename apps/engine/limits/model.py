"""What the gate is given and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.engine.exposure import NodeKey, NodeUse
from apps.engine.types import Money, Price, Quantity

from .rules import INHERITED_RULES, NODE_RULES, REQUIRED_RULES, LimitRule, TradingState


@dataclass(frozen=True, slots=True)
class Limit:
    """One number of one rule, and the node it was set on; in the rule's own unit (`rules.unit_of`)."""

    rule: LimitRule
    node: NodeKey
    value: int


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Every limit that binds one market. An order counts at what it can lose: p*q for a bid, (1-p)*q for an ask.

    `inherited` holds the tightest of each rule that binds an order, `measured` those and the limits of nodes without
    the price band. `problem` is why these limits cannot be used; then everything is denied.
    """

    limits: tuple[Limit, ...]
    inherited: dict[LimitRule, Limit] = field(init=False, repr=False, compare=False)
    measured: tuple[Limit, ...] = field(init=False, repr=False, compare=False)
    problem: tuple[LimitRule, str] | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        problem = _first_problem(self.limits)
        inherited: dict[LimitRule, Limit] = {}
        measured: list[Limit] = []
        if problem is None:
            for limit in self.limits:
                if limit.rule in INHERITED_RULES:
                    inherited[limit.rule] = _tighter(limit, inherited.get(limit.rule))
            band = (LimitRule.MIN_PRICE, LimitRule.MAX_PRICE)
            measured = [limit for rule, limit in inherited.items() if rule not in band]
            measured += [limit for limit in self.limits if limit.rule in NODE_RULES]
        object.__setattr__(self, "inherited", inherited)
        object.__setattr__(self, "measured", tuple(measured))
        object.__setattr__(self, "problem", problem)

    def value(self, rule: LimitRule) -> int | None:
        """The tightest value of a rule, whatever node it was set on; None when it is not set."""
        values = [limit.value for limit in self.limits if limit.rule is rule]
        if not values:
            return None
        return max(values) if rule is LimitRule.MIN_PRICE else min(values)


@dataclass(frozen=True, slots=True)
class RiskView:
    """What is known when an order is judged; None means not known, and denies.

    `position` is signed; `resting_bids` and `resting_asks` are our own open quantities in this market, orders in
    flight included; `nodes` is the use of every node of the market's path (`ExposureTree.path_use`);
    `own_opposite` are the prices of our open orders on the other side of the market; `restrictions` are the reasons
    why the market may not be traded. `depth` is what others show on the side of the book the order would rest on or
    take from, `nav` the net asset value: needed only where a limit on a share of it is set.
    """

    trading_state: TradingState | None
    position: Quantity | None
    resting_bids: Quantity | None
    resting_asks: Quantity | None
    nodes: tuple[NodeUse, ...] | None
    own_opposite: tuple[Price, ...] | None
    restrictions: tuple[str, ...] | None
    depth: Quantity | None = None
    nav: Money | None = None


@dataclass(frozen=True, slots=True)
class RiskDecision:
    """The verdict, with the tightest limit even when it allows.

    `rule` is what denied, or `allowed`. `binding`, `node`, `observed`, `limit` name the limit with the least room
    left after this order; `headroom` is that room in the rule's unit, `used_ppm` the used share in millionths,
    above 1,000,000 exactly when the limit is broken. All are None where no number decided.
    """

    allowed: bool
    rule: LimitRule
    observed: int | None
    limit: int | None
    reason: str
    node: NodeKey | None = None
    binding: LimitRule | None = None
    used_ppm: int | None = None

    @property
    def headroom(self) -> int | None:
        """What is left of the binding limit, below zero when it is broken; None without numbers."""
        if self.observed is None or self.limit is None:
            return None
        return self.observed - self.limit if self.binding is LimitRule.MIN_PRICE else self.limit - self.observed


def _tighter(limit: Limit, other: Limit | None) -> Limit:
    if other is None:
        return limit
    if limit.rule is LimitRule.MIN_PRICE:
        return limit if limit.value > other.value else other
    return limit if limit.value < other.value else other


def _first_problem(limits: tuple[Limit, ...]) -> tuple[LimitRule, str] | None:
    for limit in limits:
        rule, value = limit.rule, limit.value
        if value is None:
            return LimitRule.INPUT_MISSING, f"{rule} of {limit.node} is not known"
        if type(value) is not int:
            return LimitRule.INPUT_INVALID, f"{rule} of {limit.node} is not an integer: {value!r:.40}"
        if value < 0:
            return LimitRule.INPUT_INVALID, f"{rule} of {limit.node} is below zero: {value}"
        if rule not in INHERITED_RULES and rule not in NODE_RULES:
            return LimitRule.INPUT_INVALID, f"{rule} of {limit.node} is no limit"
    given = {limit.rule for limit in limits}
    missing = [rule.value for rule in REQUIRED_RULES if rule not in given]
    return (LimitRule.INPUT_MISSING, f"no limit is set for {', '.join(missing)}") if missing else None
