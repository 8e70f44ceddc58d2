"""Pre-trade rules: may this order be sent now? Denied by default, and the denial says which rule with numbers.

Pure: the caller hands in the limits and what it knows of the account. A value that is missing or is not an integer
denies; exactly at a limit is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum

from .portfolio import worst_case_cost
from .types import MONEY_SCALE, ONE_DOLLAR, Money, OrderIntent, Price, Quantity


class TradingState(StrEnum):
    """`reducing` allows only orders that bring a position towards zero; `halted` allows none."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class LimitRule(StrEnum):
    """Name of the rule that decided; `allowed` when none objected."""

    ALLOWED = "allowed"
    INPUT_MISSING = "input_missing"
    INPUT_INVALID = "input_invalid"
    TRADING_STATE = "trading_state"
    REDUCING_ONLY = "reducing_only"
    MIN_PRICE = "min_price"
    MAX_PRICE = "max_price"
    MAX_ORDER_DOLLARS = "max_order_dollars"
    MAX_CONTRACTS_PER_MARKET = "max_contracts_per_market"
    MAX_TOTAL_EXPOSURE = "max_total_exposure"


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits in engine units. An order counts at what it can lose: p*q for a bid, (1-p)*q for an ask.

    `max_contracts_per_market` bounds the position after all resting orders of one side and the new one filled;
    `max_total_exposure` bounds open cost plus resting orders plus the new one over the whole account.
    """

    max_contracts_per_market: Quantity
    max_total_exposure: Money
    max_order_dollars: Money = 500 * MONEY_SCALE
    min_price: Price = 100
    max_price: Price = ONE_DOLLAR - 100


@dataclass(frozen=True, slots=True)
class RiskView:
    """What is known when an order is judged; None means not known, and denies.

    `position` is signed; `resting_bids` and `resting_asks` are our own open quantities in this market, orders in
    flight included; `total_exposure` is open cost plus the worst case of every open order of the account.
    """

    trading_state: TradingState | None
    position: Quantity | None
    resting_bids: Quantity | None
    resting_asks: Quantity | None
    total_exposure: Money | None


@dataclass(frozen=True, slots=True)
class RiskDecision:
    """`observed` and `limit` are in the rule's own unit, None where the rule has no number."""

    allowed: bool
    rule: LimitRule
    observed: int | None
    limit: int | None
    reason: str


def check_intent(intent: OrderIntent, limits: RiskLimits | None, view: RiskView | None) -> RiskDecision:
    """Judge one order: the first rule that objects denies it. Never raises for bad input; it denies."""
    if limits is None or view is None:
        return _deny(LimitRule.INPUT_MISSING, None, None, "no limits" if limits is None else "no risk view")
    bad = _input_problem(intent, limits, view)
    if bad is not None:
        return bad
    state = _Known(intent, limits, view)
    for rule in RULES:
        decision = rule(state)
        if decision is not None:
            return decision
    return RiskDecision(True, LimitRule.ALLOWED, None, None, "within all limits")


@dataclass(frozen=True, slots=True)
class _Known:
    """The inputs after it was checked that all are there."""

    intent: OrderIntent
    limits: RiskLimits
    view: RiskView

    @property
    def same_side_position(self) -> Quantity:
        """Signed position if everything of ours resting on the intent's side had filled."""
        sign = self.intent.side.sign
        resting = self.view.resting_bids if sign > 0 else self.view.resting_asks
        return (self.view.position or 0) + sign * (resting or 0)

    @property
    def added_cost(self) -> Money:
        """Dollars at risk this order adds, after what our resting orders of its side already use up."""
        intent = self.intent
        return worst_case_cost(intent.side, intent.price, intent.quantity, self.same_side_position)


def _deny(rule: LimitRule, observed: int | None, limit: int | None, reason: str) -> RiskDecision:
    return RiskDecision(False, rule, observed, limit, reason)


def _input_problem(intent: OrderIntent, limits: RiskLimits, view: RiskView) -> RiskDecision | None:
    numbers: dict[str, object] = {"price": intent.price, "quantity": intent.quantity}
    numbers |= {f.name: getattr(limits, f.name) for f in fields(limits)}
    numbers |= {f.name: getattr(view, f.name) for f in fields(view) if f.name != "trading_state"}
    for name, value in numbers.items():
        if value is None:
            return _deny(LimitRule.INPUT_MISSING, None, None, f"{name} is not known")
        if type(value) is not int:
            return _deny(LimitRule.INPUT_INVALID, None, None, f"{name} is not an integer: {value!r}")
        if value < 0 and name != "position":
            return _deny(LimitRule.INPUT_INVALID, value, 0, f"{name} is below zero: {value}")
    if view.trading_state is None:
        return _deny(LimitRule.INPUT_MISSING, None, None, "trading_state is not known")
    if intent.quantity == 0:
        return _deny(LimitRule.INPUT_INVALID, 0, 1, "quantity is zero")
    if not 0 < intent.price < ONE_DOLLAR:
        return _deny(LimitRule.INPUT_INVALID, intent.price, ONE_DOLLAR, f"price {intent.price} outside 0..1")
    return None


def check_trading_state(known: _Known) -> RiskDecision | None:
    """Anything but active or reducing denies, unknown states included."""
    state = known.view.trading_state
    if state in (TradingState.ACTIVE, TradingState.REDUCING):
        return None
    return _deny(LimitRule.TRADING_STATE, None, None, f"trading is {state}")


def check_reducing(known: _Known) -> RiskDecision | None:
    """While reducing, an order and all resting on its side must not carry the position past zero."""
    if known.view.trading_state is not TradingState.REDUCING:
        return None
    sign = known.intent.side.sign
    reducible = max(-sign * known.same_side_position, 0)
    if known.intent.quantity <= reducible:
        return None
    reason = f"only reducing: {known.intent.quantity} would pass the {reducible} left to close"
    return _deny(LimitRule.REDUCING_ONLY, known.intent.quantity, reducible, reason)


def check_price_band(known: _Known) -> RiskDecision | None:
    """The price must stand within [min_price, max_price]."""
    price, limits = known.intent.price, known.limits
    if price < limits.min_price:
        reason = f"price {price} below the band's {limits.min_price}"
        return _deny(LimitRule.MIN_PRICE, price, limits.min_price, reason)
    if price > limits.max_price:
        reason = f"price {price} above the band's {limits.max_price}"
        return _deny(LimitRule.MAX_PRICE, price, limits.max_price, reason)
    return None


def check_order_dollars(known: _Known) -> RiskDecision | None:
    """What the order alone would cost to fill: a bid p*q, an ask (1-p)*q."""
    intent, limit = known.intent, known.limits.max_order_dollars
    cost = worst_case_cost(intent.side, intent.price, intent.quantity, 0)
    if cost <= limit:
        return None
    return _deny(LimitRule.MAX_ORDER_DOLLARS, cost, limit, f"order costs {cost}, limit {limit} ($0.000001)")


def check_contracts(known: _Known) -> RiskDecision | None:
    """The position after all resting orders of this side and the new one, in absolute size."""
    after = known.same_side_position + known.intent.side.sign * known.intent.quantity
    limit = known.limits.max_contracts_per_market
    if abs(after) <= limit or after * known.intent.side.sign <= 0:
        return None
    reason = f"position could reach {after}, limit {limit} (0.01 contract)"
    return _deny(LimitRule.MAX_CONTRACTS_PER_MARKET, abs(after), limit, reason)


def check_total_exposure(known: _Known) -> RiskDecision | None:
    """Account exposure with the new order; an order that adds nothing at risk is not held back."""
    added = known.added_cost
    observed, limit = (known.view.total_exposure or 0) + added, known.limits.max_total_exposure
    if added == 0 or observed <= limit:
        return None
    reason = f"exposure would be {observed}, limit {limit} ($0.000001)"
    return _deny(LimitRule.MAX_TOTAL_EXPOSURE, observed, limit, reason)


RULES: tuple[Callable[[_Known], RiskDecision | None], ...] = (
    check_trading_state,
    check_reducing,
    check_price_band,
    check_order_dollars,
    check_contracts,
    check_total_exposure,
)
