"""Names of the rules, what each counts in, and how its numbers read."""

from __future__ import annotations

from enum import StrEnum

from apps.engine.decimals import format_money, format_price, format_quantity

SHARE_SCALE = 1_000_000


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
    RESTRICTED = "restricted"
    REDUCING_ONLY = "reducing_only"
    SELF_TRADE = "self_trade"
    MIN_PRICE = "min_price"
    MAX_PRICE = "max_price"
    MAX_ORDER_DOLLARS = "max_order_dollars"
    MAX_ORDER_CONTRACTS = "max_order_contracts"
    MAX_DEPTH_SHARE = "max_depth_share"
    MAX_CONTRACTS_PER_MARKET = "max_contracts_per_market"
    MAX_TOTAL_EXPOSURE = "max_total_exposure"
    MAX_CONTRACTS = "max_contracts"
    MAX_ORDERS_PER_MINUTE = "max_orders_per_minute"
    MAX_NAV_SHARE = "max_nav_share"

    # The enum's own hash is a Python call, and rules are looked up for every limit of every check.
    __hash__ = str.__hash__


class LimitUnit(StrEnum):
    """Unit of a rule's integers: $0.000001, $0.0001, 0.01 contract, pieces, or a millionth of the whole."""

    MONEY = "money"
    PRICE = "price"
    QUANTITY = "quantity"
    COUNT = "count"
    SHARE = "share"


_UNITS = {
    LimitRule.REDUCING_ONLY: LimitUnit.QUANTITY,
    LimitRule.SELF_TRADE: LimitUnit.PRICE,
    LimitRule.MIN_PRICE: LimitUnit.PRICE,
    LimitRule.MAX_PRICE: LimitUnit.PRICE,
    LimitRule.MAX_ORDER_DOLLARS: LimitUnit.MONEY,
    LimitRule.MAX_ORDER_CONTRACTS: LimitUnit.QUANTITY,
    LimitRule.MAX_DEPTH_SHARE: LimitUnit.SHARE,
    LimitRule.MAX_CONTRACTS_PER_MARKET: LimitUnit.QUANTITY,
    LimitRule.MAX_TOTAL_EXPOSURE: LimitUnit.MONEY,
    LimitRule.MAX_CONTRACTS: LimitUnit.QUANTITY,
    LimitRule.MAX_ORDERS_PER_MINUTE: LimitUnit.COUNT,
    LimitRule.MAX_NAV_SHARE: LimitUnit.SHARE,
}

INHERITED_RULES = frozenset(
    {
        LimitRule.MIN_PRICE,
        LimitRule.MAX_PRICE,
        LimitRule.MAX_ORDER_DOLLARS,
        LimitRule.MAX_ORDER_CONTRACTS,
        LimitRule.MAX_DEPTH_SHARE,
        LimitRule.MAX_CONTRACTS_PER_MARKET,
    }
)
"""Bind the order, or its market, wherever in the tree they were set."""

NODE_RULES = frozenset(
    {
        LimitRule.MAX_TOTAL_EXPOSURE,
        LimitRule.MAX_CONTRACTS,
        LimitRule.MAX_ORDERS_PER_MINUTE,
        LimitRule.MAX_NAV_SHARE,
    }
)
"""Bind the sum over all markets under the node they were set on."""

REQUIRED_RULES = (
    LimitRule.MAX_ORDER_DOLLARS,
    LimitRule.MAX_CONTRACTS_PER_MARKET,
    LimitRule.MIN_PRICE,
    LimitRule.MAX_PRICE,
    LimitRule.MAX_TOTAL_EXPOSURE,
)
"""Without at least one limit of each of these nothing is sent."""


def unit_of(rule: LimitRule) -> LimitUnit | None:
    """The unit of a rule's numbers, None where it has none."""
    return _UNITS.get(rule)


def limit_text(rule: LimitRule, value: int) -> str:
    """A rule's number for people: "$12.500000", "5.00 contracts", "15.0000 %", "$0.9800", "600"."""
    unit = _UNITS.get(rule)
    if unit is LimitUnit.MONEY:
        return f"${format_money(value)}"
    if unit is LimitUnit.PRICE:
        return f"${format_price(value)}"
    if unit is LimitUnit.QUANTITY:
        return f"{format_quantity(value)} contracts"
    if unit is LimitUnit.SHARE:
        return f"{format_price(value)} %"
    return str(value)
