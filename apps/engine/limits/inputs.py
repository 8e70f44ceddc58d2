"""What the gate is given must be known and be integers; floats, NaN and None never pass."""

from __future__ import annotations

from apps.engine.exposure import NodeUse
from apps.engine.types import ONE_DOLLAR, OrderIntent, Side

from .model import RiskView
from .rules import LimitRule

Problem = tuple[LimitRule, str]

_KNOWN = ("trading_state", "position", "resting_bids", "resting_asks", "nodes", "own_opposite", "restrictions")
_AMOUNTS = ("resting_bids", "resting_asks", "depth", "nav")


def intent_problem(intent: OrderIntent) -> Problem | None:
    """Why this is no order at all."""
    for name, value in (("price", intent.price), ("quantity", intent.quantity)):
        if value is None:
            return LimitRule.INPUT_MISSING, f"{name} is not known"
        if type(value) is not int:
            return LimitRule.INPUT_INVALID, f"{name} is not an integer: {value!r:.40}"
    if not isinstance(intent.side, Side):
        return LimitRule.INPUT_INVALID, f"side is neither bid nor ask: {intent.side!r:.40}"
    if intent.quantity <= 0:
        return LimitRule.INPUT_INVALID, f"quantity is not above zero: {intent.quantity}"
    if not 0 < intent.price < ONE_DOLLAR:
        return LimitRule.INPUT_INVALID, f"price {intent.price} outside 0..1"
    return None


def view_problem(view: RiskView) -> Problem | None:
    """What is missing from the view, or is no number it could be."""
    for name in _KNOWN:
        if getattr(view, name) is None:
            return LimitRule.INPUT_MISSING, f"{name} is not known"
    if type(view.position) is not int:
        return LimitRule.INPUT_INVALID, f"position is not an integer: {view.position!r:.40}"
    for name in _AMOUNTS:
        problem = _bad_amount(name, getattr(view, name))
        if problem is not None:
            return problem
    for price in view.own_opposite or ():
        if type(price) is not int:
            return LimitRule.INPUT_INVALID, f"own_opposite holds no integer: {price!r:.40}"
    return _uses_problem(view.nodes or ())


def _uses_problem(uses: tuple[NodeUse, ...]) -> Problem | None:
    for key, dollars, contracts, orders in uses:
        if type(dollars) is not int or type(contracts) is not int or type(orders) is not int:
            numbers = (dollars, contracts, orders)
            return LimitRule.INPUT_INVALID, f"use of {key} is not an integer: {numbers!r:.80}"
        if dollars < 0 or contracts < 0 or orders < 0:
            return LimitRule.INPUT_INVALID, f"use of {key} is below zero"
    return None


def _bad_amount(name: str, value: object) -> Problem | None:
    if value is None:
        return None
    if type(value) is not int:
        return LimitRule.INPUT_INVALID, f"{name} is not an integer: {value!r:.40}"
    return (LimitRule.INPUT_INVALID, f"{name} is below zero: {value}") if value < 0 else None
