"""Trading fees: formula per fee type, rounding with the per-order accumulator, and the dated schedule.

Everything is exact integers: rates and prices in $0.0001, quantities in 0.01 contract, money in $0.000001.
Sources: Kalshi docs "fee rounding", Kalshi's published fee schedules, the API's series and event fee fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from .errors import BadNumber, UnknownFeeType
from .types import ONE_DOLLAR, Money, Price, Quantity, Side, Ticker

MULTIPLIER_SCALE = 1_000_000
MAX_MULTIPLIER = 100 * MULTIPLIER_SCALE

# multiplier 1e6 x rate 1e4 x quantity 1e2 x price 1e4 x price 1e4, over money 1e6
_QUADRATIC_SCALE = 10**14
# multiplier 1e6 x rate 1e4 x quantity 1e2, over money 1e6
_FLAT_SCALE = 10**6


class Form(StrEnum):
    """Shape of a fee: `quadratic` rate*C*P*(1-P), `flat_per_contract` rate*C, `none` nothing."""

    QUADRATIC = "quadratic"
    FLAT_PER_CONTRACT = "flat_per_contract"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Formula:
    """One fee formula; `rate` in 0.0001 (0.07 is 700)."""

    form: Form
    rate: int


@dataclass(frozen=True, slots=True)
class Formulas:
    """What takers and makers pay under one fee type."""

    taker: Formula
    maker: Formula


FREE = Formula(Form.NONE, 0)
TAKER = Formula(Form.QUADRATIC, 700)
MAKER = Formula(Form.QUADRATIC, 175)
COMBO_MAKER = Formula(Form.QUADRATIC, 350)

KNOWN_FEE_TYPES: Mapping[str, Formulas] = {
    "quadratic": Formulas(TAKER, FREE),
    "quadratic_with_maker_fees": Formulas(TAKER, MAKER),
    "quadratic_with_combo_maker_fees": Formulas(TAKER, COMBO_MAKER),
}


@dataclass(frozen=True, slots=True)
class FeeRule:
    """Fee type and multiplier of a series or event; `multiplier_micro` is the multiplier x 1,000,000.

    `formulas` is given only by a schedule that knows more than the type's name says (older dates, `flat`).
    """

    fee_type: str
    multiplier_micro: int
    formulas: Formulas | None = None

    @classmethod
    def of(cls, fee_type: str, multiplier: Decimal | str | int) -> FeeRule:
        """Rule from the API's fields. Raises `BadNumber` for a float, a negative or a too fine multiplier."""
        return cls(fee_type, multiplier_micro(multiplier))

    def formula(self, *, is_taker: bool) -> Formula:
        """The formula for this role; raises `UnknownFeeType`."""
        formulas = self.formulas or KNOWN_FEE_TYPES.get(self.fee_type)
        if formulas is None:
            raise UnknownFeeType(f"no fee formula is known for fee type {self.fee_type!r}")
        return formulas.taker if is_taker else formulas.maker


def multiplier_micro(multiplier: Decimal | str | int) -> int:
    """Exact multiplier x 1,000,000; raises `BadNumber` unless 0..100 with at most six decimals."""
    if isinstance(multiplier, bool) or not isinstance(multiplier, Decimal | str | int):
        raise BadNumber(f"fee multiplier is not an exact number: {multiplier!r:.60}")
    try:
        scaled = Decimal(multiplier) * MULTIPLIER_SCALE
    except InvalidOperation:
        raise BadNumber(f"fee multiplier is not a number: {multiplier!r:.60}") from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value() or not 0 <= scaled <= MAX_MULTIPLIER:
        raise BadNumber(f"fee multiplier out of range or too fine: {multiplier!r:.60}")
    return int(scaled)


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a model fee becomes a charge; all units are money ($0.000001).

    `trade_unit`: the model fee is rounded up to it. `grain`: the balance change (or, with `aligns_balance`
    False, the fee itself) is rounded against the member to it. `rebate_unit`: what the accumulator gives back
    in. `rebate_at_unit`: whether holding exactly one unit is enough, or it must be exceeded.
    """

    name: str
    trade_unit: Money
    grain: Money
    rebate_unit: Money
    rebate_at_unit: bool
    aligns_balance: bool = True


DIRECT = Rounding("direct", 1, 100, 100, True)
FCM = Rounding("fcm", 1, 10_000, 10_000, True)
DIRECT_JUNE_2026 = Rounding("direct_june_2026", 100, 100, 10_000, False)
CENT_BALANCE_MARCH_2026 = Rounding("cent_balance_march_2026", 100, 10_000, 10_000, False)
NEXT_CENT = Rounding("next_cent", 1, 10_000, 10_000, True, aligns_balance=False)

# The exchange published no dates. Each start lies inside what was observed: the docs page of 2026-03-20 has
# the March rule; recorded fills of 2026-06-11 no longer follow it; those of 2026-08-18 still follow the June
# rule, which the docs showed until 2026-08-22; the page of early October has today's.
_DIRECT_SINCE: tuple[tuple[datetime, Rounding], ...] = (
    (datetime(2026, 9, 1, tzinfo=UTC), DIRECT),
    (datetime(2026, 6, 11, tzinfo=UTC), DIRECT_JUNE_2026),
    (datetime(2026, 3, 7, tzinfo=UTC), CENT_BALANCE_MARCH_2026),
)
_FCM_SINCE: tuple[tuple[datetime, Rounding], ...] = (
    (datetime(2026, 9, 1, tzinfo=UTC), FCM),
    (datetime(2026, 3, 7, tzinfo=UTC), CENT_BALANCE_MARCH_2026),
)


def rounding_at(at: datetime, *, direct: bool = True) -> Rounding:
    """The rounding in force at an aware time, for a direct member or for one cleared through an FCM."""
    _require_aware(at)
    for since, rounding in _DIRECT_SINCE if direct else _FCM_SINCE:
        if at >= since:
            return rounding
    return NEXT_CENT


def _require_aware(at: datetime) -> None:
    if at.tzinfo is None:
        raise BadNumber(f"time without a zone: {at.isoformat()}")


@dataclass(frozen=True, slots=True)
class FeeCharge:
    """What one fill is charged: `fee` = trade_fee + rounding_fee - rebate; pass `accumulator` to the next."""

    fee: Money
    trade_fee: Money
    rounding_fee: Money
    rebate: Money
    accumulator: Money


def _check_fill(price: Price, quantity: Quantity) -> None:
    if type(price) is not int or not 0 < price < ONE_DOLLAR:
        raise BadNumber(f"fill price outside 0..1: {price!r:.60}")
    if type(quantity) is not int or quantity <= 0:
        raise BadNumber(f"fill quantity not above zero: {quantity!r:.60}")


def model_fee(rule: FeeRule, *, price: Price, quantity: Quantity, is_taker: bool, unit: Money = 1) -> Money:
    """Multiplier x formula, rounded up to `unit` ($0.000001). Raises `UnknownFeeType`, `BadNumber`."""
    _check_fill(price, quantity)
    formula = rule.formula(is_taker=is_taker)
    if formula.form is Form.NONE:
        return 0
    amount = rule.multiplier_micro * formula.rate * quantity
    if formula.form is Form.FLAT_PER_CONTRACT:
        return -(-amount // (_FLAT_SCALE * unit)) * unit
    return -(-amount * price * (ONE_DOLLAR - price) // (_QUADRATIC_SCALE * unit)) * unit


def charge_fill(
    rule: FeeRule,
    *,
    side: Side,
    price: Price,
    quantity: Quantity,
    is_taker: bool,
    accumulator: Money = 0,
    rounding: Rounding = DIRECT,
) -> FeeCharge:
    """Fee of one fill and the order's accumulator after it (start each order at 0).

    1. trade fee = model fee up to `rounding.trade_unit`
    2. balance change = revenue - trade fee, down to `rounding.grain`; the loss is the rounding fee
    3. the accumulator takes the rounding fee and gives whole `rebate_unit`s back, never below a zero net fee

    An `ask` counts p*q as revenue even where it opens NO at 1-p: the two differ by whole cents, so they round
    alike. Raises `UnknownFeeType`, `BadNumber`.
    """
    if accumulator < 0:
        raise BadNumber(f"fee accumulator below zero: {accumulator}")
    trade_fee = model_fee(rule, price=price, quantity=quantity, is_taker=is_taker, unit=rounding.trade_unit)
    revenue = -side.sign * price * quantity if rounding.aligns_balance else 0
    rounding_fee = (revenue - trade_fee) % rounding.grain
    held = accumulator + rounding_fee
    gross = trade_fee + rounding_fee
    spendable = held if rounding.rebate_at_unit else max(held - 1, 0)
    rebate = min(spendable, gross) // rounding.rebate_unit * rounding.rebate_unit
    return FeeCharge(gross - rebate, trade_fee, rounding_fee, rebate, held - rebate)


@dataclass(frozen=True, slots=True)
class SeriesFee:
    """A series' fee fields from `valid_from` on."""

    series: str
    valid_from: datetime
    rule: FeeRule


@dataclass(frozen=True, slots=True)
class EventFee:
    """An event's override from `valid_from` on; a field that is None is cleared and the series' one holds."""

    event: str
    valid_from: datetime
    fee_type: str | None
    multiplier_micro: int | None


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Dated fee rules: event override over series, a market's waiver over both."""

    series: tuple[SeriesFee, ...] = ()
    events: tuple[EventFee, ...] = ()
    waived_until: Mapping[Ticker, datetime] = field(default_factory=dict)

    def rule_at(self, series: str, event: str | None, at: datetime, market: Ticker | None = None) -> FeeRule:
        """The rule in force at an aware time.

        `UnknownFeeType` when the series has no rule yet at that time or the rule's type has no formula.
        """
        _require_aware(at)
        found = _latest((s for s in self.series if s.series == series), at)
        if found is None:
            raise UnknownFeeType(f"no fee rule is known for series {series!r} at {at.isoformat()}")
        rule = found.rule
        override = _latest((e for e in self.events if e.event == event), at)
        if override is not None:
            rule = _overridden(rule, override)
        rule.formula(is_taker=True)
        until = self.waived_until.get(market) if market is not None else None
        if until is not None and at < until:
            return replace(rule, multiplier_micro=0)
        return rule


_Dated = TypeVar("_Dated", SeriesFee, EventFee)


def _overridden(rule: FeeRule, override: EventFee) -> FeeRule:
    if override.fee_type is not None and override.fee_type != rule.fee_type:
        rule = FeeRule(override.fee_type, rule.multiplier_micro)
    if override.multiplier_micro is not None:
        rule = replace(rule, multiplier_micro=override.multiplier_micro)
    return rule


def _latest(entries: Iterable[_Dated], at: datetime) -> _Dated | None:
    in_force = [e for e in entries if e.valid_from <= at]
    return max(in_force, key=lambda e: e.valid_from, default=None)
