"""Parameters as people write them, their bounds, their hash, and the catalogue of strategies."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from apps.engine.errors import BadNumber, InvariantBroken
from apps.engine.rollout import ExecutionMode
from apps.engine.strategies.base import Decision
from apps.engine.strategies.execution import TakerTimeInForce
from apps.engine.strategies.maker_inside import MakerParams, params_from_mapping
from apps.engine.strategies.params import BadParameter, Unit, describe, params_hash, params_to_mapping
from apps.engine.strategies.registry import STRATEGIES, Strategy, UnknownStrategy, by_slug, strategy


def test_texts_become_engine_integers() -> None:
    params = params_from_mapping(
        {
            "min_spread": "0.03",
            "order_quantity": Decimal("2.5"),
            "max_position": 50,
            "quote_ask": "False",
            "quote_bid": True,
            "refresh_tolerance_ticks": " 2 ",
            "max_feed_age_ms": "5000",
        }
    )
    assert (params.min_spread, params.order_quantity, params.max_position) == (300, 250, 5000)
    assert (params.quote_bid, params.quote_ask) == (True, False)
    assert (params.refresh_tolerance_ticks, params.max_feed_age_ms) == (2, 5000)
    assert params.min_price == MakerParams().min_price


def test_mapping_goes_both_ways_and_keeps_the_base() -> None:
    params = MakerParams(min_spread=777, quote_ask=False)
    assert params_from_mapping(params_to_mapping(params)) == params
    assert params_from_mapping({"min_price": "0.05"}, params) == MakerParams(
        min_spread=777, quote_ask=False, min_price=500
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_sprad", "0.02"),
        ("min_spread", "0"),
        ("min_spread", "1"),
        ("min_spread", "NaN"),
        ("min_spread", "0.00001"),
        ("min_spread", ""),
        ("min_spread", Decimal("Infinity")),
        ("order_quantity", "0"),
        ("order_quantity", "-1"),
        ("order_quantity", "100000.01"),
        ("max_position", "0.001"),
        ("refresh_tolerance_ticks", "101"),
        ("refresh_tolerance_ticks", "1.5"),
        ("refresh_tolerance_ticks", "-1"),
        ("refresh_tolerance_ticks", "٣"),
        ("max_feed_age_ms", "0"),
        ("max_feed_age_ms", "9" * 40),
        ("quote_bid", "yes"),
        ("quote_bid", "1"),
        ("min_price", "0.995"),
        ("execution_mode", "taker"),
        ("execution_mode", ""),
        ("taker_time_in_force", "gtc"),
        ("taker_share_bps", "10001"),
        ("max_slippage", "0.1001"),
        ("reference_ms", "999"),
        ("fade_ticks", "101"),
    ],
)
def test_bad_value_names_its_parameter(name: str, value: str) -> None:
    with pytest.raises(BadParameter) as caught:
        params_from_mapping({name: value})
    assert caught.value.name == name
    assert isinstance(caught.value, BadNumber)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_spread", 200.0),
        ("min_spread", True),
        ("quote_bid", 1),
        ("execution_mode", "sniper"),
        ("execution_mode", TakerTimeInForce.FOK),
    ],
)
def test_params_cannot_be_built_with_other_types(name: str, value: object) -> None:
    with pytest.raises(BadParameter):
        MakerParams(**{name: value})  # type: ignore[arg-type]


def test_out_of_bounds_message_gives_the_bounds_in_the_persons_unit() -> None:
    with pytest.raises(BadParameter, match=r"0\.0000 is outside 0\.0001 to 0\.9999"):
        MakerParams(min_spread=0)


def test_description_has_unit_bounds_and_meaning_for_every_parameter() -> None:
    rows = {row.name: row for row in describe(MakerParams(min_spread=300))}
    assert set(rows) == set(params_to_mapping(MakerParams()))
    spread = rows["min_spread"]
    assert (spread.unit, spread.value, spread.default) == (Unit.PRICE, "0.0300", "0.0200")
    assert (spread.low, spread.high) == ("0.0001", "0.9999")
    assert (rows["quote_bid"].low, rows["quote_bid"].high) == (None, None)
    assert all(row.help for row in rows.values())


def test_a_choice_is_written_as_its_word() -> None:
    params = params_from_mapping(
        {"execution_mode": " Hybrid ", "taker_time_in_force": "fok", "taker_share_bps": "2000"}
    )
    assert (params.execution_mode, params.taker_time_in_force) == (ExecutionMode.HYBRID, TakerTimeInForce.FOK)
    assert params_to_mapping(params)["execution_mode"] == "hybrid"
    row = next(row for row in describe(params) if row.name == "execution_mode")
    assert (row.unit, row.value, row.default, row.low) == (Unit.CHOICE, "hybrid", "maker", None)
    assert row.choices == ("maker", "hybrid", "sniper")
    with pytest.raises(BadParameter, match="not one of maker, hybrid, sniper: 'market'"):
        params_from_mapping({"execution_mode": "market"})


def test_hash_is_fixed_and_tells_values_apart() -> None:
    assert params_hash(MakerParams()) == params_hash(MakerParams())
    hashes = {
        params_hash(p)
        for p in (
            MakerParams(),
            MakerParams(min_spread=201),
            MakerParams(quote_bid=False),
            MakerParams(min_price=101),
            MakerParams(execution_mode=ExecutionMode.SNIPER),
            MakerParams(execution_mode=ExecutionMode.HYBRID),
        )
    }
    assert len(hashes) == 6
    assert len(params_hash(MakerParams())) == 64


def test_catalogue() -> None:
    found = strategy("maker_inside")
    assert found.params_type() == MakerParams()
    assert len(found.code_hash) == 64
    assert STRATEGIES["maker_inside"] is found
    with pytest.raises(UnknownStrategy):
        strategy("maker_outside")


def test_the_code_hash_covers_every_module_that_decides() -> None:
    found = strategy("maker_inside")
    names = {part.__name__.rsplit(".", 1)[1] for part in found.parts}
    assert names == {"taking", "execution", "rollout", "fees"}
    for part in found.parts:
        others = tuple(other for other in found.parts if other is not part)
        assert replace(found, parts=others).code_hash != found.code_hash


def test_slug_twice_is_an_error() -> None:
    found = strategy("maker_inside")
    with pytest.raises(InvariantBroken):
        by_slug((found, found))


def test_kernel_without_a_module_has_no_hash() -> None:
    namespace: dict[str, object] = {"__name__": "nowhere"}
    exec("def decide(view, params): return None", namespace)  # noqa: S102 - a function of no module
    kernel = namespace["decide"]
    nowhere = Strategy("x", "x", "1", kernel, MakerParams)  # type: ignore[arg-type]
    with pytest.raises(InvariantBroken):
        _ = nowhere.code_hash
    assert Decision.__slots__
