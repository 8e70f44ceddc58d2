"""How much to stake on a binary contract: a fraction of Kelly after fees, never more than the limits allow.

A contract that costs u (price and fee) and pays a dollar with probability p has the Kelly share (p - u) / (1 - u) of
the bankroll. Everything is exact: probabilities are fractions, sizes and money integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from .drawdown import PPM
from .errors import BadNumber
from .fees import DIRECT, FeeRule, Rounding, charge_fill, model_fee
from .limits import RiskDecision, RiskLimits, RiskView, check_intent
from .types import ONE_DOLLAR, Money, OrderIntent, Price, Quantity, Side

# The fee per contract is taken from a quantity at which rounding up to $0.000001 is below a trillionth of a dollar.
_FEE_SAMPLE: Quantity = 1_000_000


class SizeReason(StrEnum):
    SIZED = "sized"
    NO_EDGE = "no_edge_after_fees"
    NO_BANKROLL = "no_bankroll"
    NO_FRACTION = "no_new_risk_in_drawdown"
    TOO_SMALL = "stake_below_one_unit"


@dataclass(frozen=True, slots=True)
class Size:
    """`stake` is what the size costs with its fee, never above bankroll x fraction; `kelly_ppm` is full Kelly.

    `edge_ppm` is probability less cost with fee, in millionths of a dollar per contract, rounded down.
    """

    quantity: Quantity
    stake: Money
    edge_ppm: int
    kelly_ppm: int
    reason: SizeReason


def kelly_size(
    *,
    side: Side,
    price: Price,
    probability: int | Fraction | Decimal,
    bankroll: Money,
    fraction_ppm: int,
    fee_rule: FeeRule,
    is_taker: bool,
    min_edge_ppm: int = 0,
    rounding: Rounding = DIRECT,
) -> Size:
    """Contracts to buy (bid) or sell (ask) at a YES price when YES has this probability.

    An integer probability is in millionths. `fraction_ppm` is the share of Kelly (`DrawdownLadder.fraction_ppm`),
    `min_edge_ppm` the edge after fees below which nothing is invested. Raises `BadNumber` for a float, NaN, infinity
    or anything out of range, and `UnknownFeeType`.
    """
    chance = probability_of(probability)
    _check_inputs(price, bankroll, fraction_ppm, min_edge_ppm)
    wins, unit = (chance, price) if side is Side.BID else (1 - chance, ONE_DOLLAR - price)
    fee = model_fee(fee_rule, price=price, quantity=_FEE_SAMPLE, is_taker=is_taker)
    cost = Fraction(unit * _FEE_SAMPLE + fee, ONE_DOLLAR * _FEE_SAMPLE)
    edge = wins - cost
    edge_ppm = edge.numerator * PPM // edge.denominator
    if edge <= 0 or edge_ppm < min_edge_ppm:
        return Size(0, 0, edge_ppm, 0, SizeReason.NO_EDGE)
    kelly = edge / (1 - cost)
    kelly_ppm = kelly.numerator * PPM // kelly.denominator
    if not fraction_ppm or not bankroll:
        reason = SizeReason.NO_BANKROLL if fraction_ppm else SizeReason.NO_FRACTION
        return Size(0, 0, edge_ppm, kelly_ppm, reason)
    budget = bankroll * kelly * Fraction(fraction_ppm, PPM)
    most = budget.numerator // budget.denominator

    def spent(quantity: Quantity) -> Money:
        if not quantity:
            return 0
        charge = charge_fill(fee_rule, side=side, price=price, quantity=quantity, is_taker=is_taker, rounding=rounding)
        return unit * quantity + charge.fee

    quantity = _largest(most // unit, lambda quantity: spent(quantity) <= most)
    reason = SizeReason.SIZED if quantity else SizeReason.TOO_SMALL
    return Size(quantity, spent(quantity), edge_ppm, kelly_ppm, reason)


def _largest(most: Quantity, fits: Callable[[Quantity], bool]) -> Quantity:
    """The largest quantity up to `most` that fits, where smaller ones fit too; zero when none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def probability_of(value: int | Fraction | Decimal) -> Fraction:
    """An exact probability from millionths, a fraction or a decimal; raises `BadNumber`."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise BadNumber(f"probability is not finite: {value}")
        chance = Fraction(value)
    elif isinstance(value, Fraction):
        chance = value
    elif type(value) is int:
        chance = Fraction(value, PPM)
    else:
        raise BadNumber(f"probability is not exact: {value!r:.40}")
    if not 0 <= chance <= 1:
        raise BadNumber(f"probability outside 0..1: {value!r:.40}")
    return chance


def fit_to_limits(
    intent: OrderIntent, limits: RiskLimits | None, view: RiskView | None
) -> tuple[OrderIntent | None, RiskDecision]:
    """The largest order up to this one that the gate allows, with its verdict; None and the denial where none is."""
    verdict = check_intent(intent, limits, view)
    if verdict.allowed or type(intent.quantity) is not int:
        return (intent if verdict.allowed else None), verdict
    most = _largest(intent.quantity, lambda q: check_intent(replace(intent, quantity=q), limits, view).allowed)
    if most <= 0:
        return None, verdict
    smaller = replace(intent, quantity=most)
    return smaller, check_intent(smaller, limits, view)


def _check_inputs(price: Price, bankroll: Money, fraction_ppm: int, min_edge_ppm: int) -> None:
    if type(price) is not int or not 0 < price < ONE_DOLLAR:
        raise BadNumber(f"price outside 0..1: {price!r:.40}")
    if type(bankroll) is not int:
        raise BadNumber(f"bankroll is not an integer: {bankroll!r:.40}")
    if bankroll < 0:
        raise BadNumber(f"bankroll is below zero: {bankroll}")
    for name, value in (("fraction", fraction_ppm), ("least edge", min_edge_ppm)):
        if type(value) is not int or not 0 <= value <= PPM:
            raise BadNumber(f"{name} outside 0..1,000,000: {value!r:.40}")
