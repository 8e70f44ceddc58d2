"""Fee formulas, rounding with the accumulator, and the dated schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.engine.errors import BadNumber, UnknownFeeType
from apps.engine.fees import (
    CENT_BALANCE_MARCH_2026,
    DIRECT,
    DIRECT_JUNE_2026,
    FCM,
    FREE,
    NEXT_CENT,
    TAKER,
    EventFee,
    FeeRule,
    FeeSchedule,
    Form,
    Formula,
    Formulas,
    Rounding,
    SeriesFee,
    charge_fill,
    model_fee,
    multiplier_micro,
    rounding_at,
)
from apps.engine.types import Side

QUADRATIC = FeeRule.of("quadratic", 1)
MAKER_FEES = FeeRule.of("quadratic_with_maker_fees", "1")
COMBO = FeeRule.of("quadratic_with_combo_maker_fees", Decimal(1))
HALF = FeeRule.of("quadratic", "0.5")
DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "quantity", "price", "is_taker", "model", "fee"),
    [
        (QUADRATIC, 100, 5200, True, 17_472, 17_500),
        (QUADRATIC, 100, 9900, True, 693, 700),
        (QUADRATIC, 10_000, 5000, True, 1_750_000, 1_750_000),
        (QUADRATIC, 1000, 550, True, 36_383, 36_400),
        (MAKER_FEES, 10_000, 4000, False, 420_000, 420_000),
        (HALF, 10_000, 4000, True, 840_000, 840_000),
        (COMBO, 1000, 2500, False, 65_625, 65_700),
        (QUADRATIC, 10_000, 5000, False, 0, 0),
        (MAKER_FEES, 100, 5200, True, 17_472, 17_500),
    ],
)
def test_direct_member_check_values(
    rule: FeeRule, quantity: int, price: int, is_taker: bool, model: int, fee: int
) -> None:
    assert model_fee(rule, price=price, quantity=quantity, is_taker=is_taker) == model
    charge = charge_fill(rule, side=Side.BID, price=price, quantity=quantity, is_taker=is_taker)
    assert charge.fee == fee
    assert charge.fee == charge.trade_fee + charge.rounding_fee - charge.rebate


def test_fcm_check_value() -> None:
    charge = charge_fill(QUADRATIC, side=Side.BID, price=550, quantity=100, is_taker=True, rounding=FCM)
    assert (charge.trade_fee, charge.rounding_fee, charge.fee) == (3_639, 1_361, 5_000)


def test_accumulator_gives_back_over_the_fills_of_one_order() -> None:
    assert _fees_of_order(QUADRATIC, 5000, [30, 30, 30], DIRECT) == [5_300, 5_200, 5_300]


def _flat(rate: int) -> FeeRule:
    return FeeRule("flat", 1_000_000, Formulas(Formula(Form.FLAT_PER_CONTRACT, rate), FREE))


@pytest.mark.parametrize(
    ("rule", "price", "fills", "expected"),
    [
        # The worked examples of the exchange's page of March 2026. The first two print trade fees (0.0085 and
        # 0.0041) that no known rate gives; the flat rates here reproduce them, the rounding is what is checked.
        (_flat(85), 550, [100, 100, 100], [15_000, 5_000, 15_000]),
        (_flat(136), 5000, [30, 30, 30], [10_000, 0, 10_000]),
        (QUADRATIC, 3301, [3, 3, 3], [10_097, 97, 97]),
    ],
)
def test_march_2026_worked_examples(rule: FeeRule, price: int, fills: list[int], expected: list[int]) -> None:
    assert _fees_of_order(rule, price, fills, CENT_BALANCE_MARCH_2026) == expected


def test_next_cent_rounds_the_order_as_a_whole() -> None:
    # 1.00 @ 0.55: 0.017325 -> 0.02; three such fills of one order: 0.051975 -> 0.06
    assert _fees_of_order(QUADRATIC, 5500, [100], NEXT_CENT) == [20_000]
    assert sum(_fees_of_order(QUADRATIC, 5500, [100, 100, 100], NEXT_CENT)) == 60_000


def _fees_of_order(rule: FeeRule, price: int, fills: list[int], rounding: Rounding) -> list[int]:
    accumulator, fees = 0, []
    for quantity in fills:
        charge = charge_fill(
            rule,
            side=Side.BID,
            price=price,
            quantity=quantity,
            is_taker=True,
            accumulator=accumulator,
            rounding=rounding,
        )
        accumulator = charge.accumulator
        fees.append(charge.fee)
    return fees


def test_rebate_at_exact_equality_by_rule() -> None:
    # 0.01 of fee held exactly: today's rule gives a whole unit back, the rule of March wanted more than one
    now, then = (
        charge_fill(
            _flat(100),
            side=Side.BID,
            price=5000,
            quantity=100,
            is_taker=True,
            accumulator=10_000,
            rounding=rounding,
        )
        for rounding in (FCM, CENT_BALANCE_MARCH_2026)
    )
    assert (now.fee, now.rebate, now.accumulator) == (0, 10_000, 0)
    assert (then.fee, then.rebate, then.accumulator) == (10_000, 0, 10_000)


@pytest.mark.parametrize(
    ("at", "direct", "expected"),
    [
        (datetime(2025, 1, 1, tzinfo=UTC), True, NEXT_CENT),
        (datetime(2026, 3, 6, 23, tzinfo=UTC), False, NEXT_CENT),
        (datetime(2026, 3, 20, tzinfo=UTC), True, CENT_BALANCE_MARCH_2026),
        (datetime(2026, 6, 11, tzinfo=UTC), True, DIRECT_JUNE_2026),
        (datetime(2026, 8, 18, tzinfo=UTC), True, DIRECT_JUNE_2026),
        (datetime(2026, 8, 18, tzinfo=UTC), False, CENT_BALANCE_MARCH_2026),
        (DAY, True, DIRECT),
        (DAY, False, FCM),
    ],
)
def test_rounding_by_date(at: datetime, direct: bool, expected: Rounding) -> None:
    assert rounding_at(at, direct=direct) is expected


def test_time_without_zone_is_refused() -> None:
    with pytest.raises(BadNumber):
        rounding_at(DAY.replace(tzinfo=None))
    with pytest.raises(BadNumber):
        FeeSchedule().rule_at("KXA", None, DAY.replace(tzinfo=None))


@pytest.mark.parametrize("fee_type", ["flat", "cubic", ""])
def test_unknown_fee_type_refuses_both_roles(fee_type: str) -> None:
    for is_taker in (True, False):
        with pytest.raises(UnknownFeeType):
            charge_fill(FeeRule.of(fee_type, 1), side=Side.BID, price=5000, quantity=100, is_taker=is_taker)


def test_flat_with_a_formula_of_its_schedule_is_charged() -> None:
    rule = FeeRule("flat", 2_000_000, Formulas(TAKER, Formula(Form.FLAT_PER_CONTRACT, 25)))
    assert model_fee(rule, price=5000, quantity=500, is_taker=False) == 25_000


@pytest.mark.parametrize(
    "multiplier", [0.5, True, None, "NaN", "sNaN", "Infinity", "-1", "101", "0.0000001", "one", ""]
)
def test_bad_multiplier_is_refused(multiplier: object) -> None:
    with pytest.raises(BadNumber):
        FeeRule.of("quadratic", multiplier)  # type: ignore[arg-type]


@pytest.mark.parametrize(("multiplier", "micro"), [("0", 0), ("0.000001", 1), ("100", 100_000_000)])
def test_multipliers_at_the_edge_are_taken(multiplier: str, micro: int) -> None:
    assert multiplier_micro(multiplier) == micro


@pytest.mark.parametrize("multiplier", ["-0.000001", "100.000001"])
def test_multipliers_just_beyond_it_are_not(multiplier: str) -> None:
    with pytest.raises(BadNumber):
        multiplier_micro(multiplier)


@pytest.mark.parametrize(
    ("price", "quantity", "accumulator"),
    [(0, 100, 0), (10_000, 100, 0), (-5, 100, 0), (5000, 0, 0), (5000, -1, 0), (5000, 100, -1)],
)
def test_absurd_fill_is_refused(price: int, quantity: int, accumulator: int) -> None:
    with pytest.raises(BadNumber):
        charge_fill(
            QUADRATIC,
            side=Side.ASK,
            price=price,
            quantity=quantity,
            is_taker=True,
            accumulator=accumulator,
        )


@pytest.mark.parametrize("value", [5000.0, float("nan"), "5000", True])
def test_only_whole_numbers_are_prices_and_quantities(value: object) -> None:
    with pytest.raises(BadNumber):
        model_fee(QUADRATIC, price=value, quantity=100, is_taker=True)  # type: ignore[arg-type]
    with pytest.raises(BadNumber):
        model_fee(QUADRATIC, price=5000, quantity=value, is_taker=True)  # type: ignore[arg-type]


def test_ask_rounds_alike_whether_it_sells_yes_or_buys_no() -> None:
    ask = charge_fill(QUADRATIC, side=Side.ASK, price=8405, quantity=37, is_taker=True)
    no_bid = charge_fill(QUADRATIC, side=Side.BID, price=10_000 - 8405, quantity=37, is_taker=True)
    assert ask == no_bid


ROUNDINGS = st.sampled_from([DIRECT, FCM, DIRECT_JUNE_2026, CENT_BALANCE_MARCH_2026, NEXT_CENT])


@given(
    st.sampled_from([QUADRATIC, MAKER_FEES, COMBO, HALF]),
    st.sampled_from(list(Side)),
    ROUNDINGS,
    st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 100_000), st.booleans()), max_size=8),
)
def test_fees_never_fall_below_the_model_nor_below_zero(
    rule: FeeRule, side: Side, rounding: Rounding, fills: list[tuple[int, int, bool]]
) -> None:
    accumulator = model = paid = 0
    for price, quantity, is_taker in fills:
        charge = charge_fill(
            rule,
            side=side,
            price=price,
            quantity=quantity,
            is_taker=is_taker,
            accumulator=accumulator,
            rounding=rounding,
        )
        model += model_fee(rule, price=price, quantity=quantity, is_taker=is_taker)
        paid += charge.fee
        accumulator = charge.accumulator
        assert charge.fee >= 0
        if rounding.aligns_balance:
            assert (side.sign * price * quantity + charge.fee) % rounding.grain == 0
    assert model <= paid
    assert accumulator >= 0


@given(st.integers(1, 9999), st.integers(1, 10_000), st.integers(1, 10_000))
def test_model_fee_rises_with_quantity_and_is_symmetric(price: int, quantity: int, more: int) -> None:
    fee = model_fee(QUADRATIC, price=price, quantity=quantity, is_taker=True)
    assert fee <= model_fee(QUADRATIC, price=price, quantity=quantity + more, is_taker=True)
    assert fee == model_fee(QUADRATIC, price=10_000 - price, quantity=quantity, is_taker=True)


def _schedule() -> FeeSchedule:
    return FeeSchedule(
        series=(
            SeriesFee("KXA", DAY, QUADRATIC),
            SeriesFee("KXA", DAY + timedelta(days=10), MAKER_FEES),
            SeriesFee("KXFLAT", DAY, FeeRule.of("flat", 1)),
        ),
        events=(
            EventFee("KXA-1", DAY + timedelta(days=1), "quadratic_with_combo_maker_fees", None),
            EventFee("KXA-1", DAY + timedelta(days=2), None, 500_000),
            EventFee("KXA-1", DAY + timedelta(days=3), None, None),
        ),
        waived_until={"KXA-1-T1": DAY + timedelta(days=1)},
    )


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, QUADRATIC),
        (1, COMBO),
        (2, HALF),
        (3, QUADRATIC),
        (10, MAKER_FEES),
    ],
)
def test_event_override_comes_and_goes(days: int, expected: FeeRule) -> None:
    assert _schedule().rule_at("KXA", "KXA-1", DAY + timedelta(days=days)) == expected


def test_override_leaves_other_events_alone() -> None:
    assert _schedule().rule_at("KXA", "KXA-2", DAY + timedelta(days=1)) == QUADRATIC
    assert _schedule().rule_at("KXA", None, DAY + timedelta(days=1)) == QUADRATIC


def test_override_with_the_same_type_keeps_the_rule() -> None:
    schedule = FeeSchedule((SeriesFee("KXA", DAY, HALF),), (EventFee("E", DAY, "quadratic", None),))
    assert schedule.rule_at("KXA", "E", DAY) == HALF


def test_waiver_ends_at_its_time() -> None:
    at = DAY + timedelta(hours=23)
    assert _schedule().rule_at("KXA", None, at, "KXA-1-T1").multiplier_micro == 0
    assert _schedule().rule_at("KXA", None, DAY + timedelta(days=1), "KXA-1-T1") == QUADRATIC
    assert _schedule().rule_at("KXA", None, at, "KXA-1-T2") == QUADRATIC


@pytest.mark.parametrize(("series", "at"), [("KXB", DAY), ("KXA", DAY - timedelta(seconds=1)), ("KXFLAT", DAY)])
def test_rule_that_is_not_known_refuses(series: str, at: datetime) -> None:
    with pytest.raises(UnknownFeeType):
        _schedule().rule_at(series, None, at)
