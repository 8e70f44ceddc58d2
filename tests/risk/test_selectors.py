"""What binds an order: strictest state, tightest limit, and no limit means no order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.engine.errors import BadNumber
from apps.engine.limits import RiskLimits
from apps.engine.limits import TradingState as EngineState
from apps.risk.exceptions import LimitMissing
from apps.risk.models import RiskLimit, TradingState
from apps.risk.selectors import RiskRows, limits_for, state_for, states_all, states_restricting
from tests.factories import NOW

pytestmark = pytest.mark.django_db
KEYS = {"account": "main", "strategy_slug": "maker_inside", "series": "KXTEST", "market": "KXTEST-1"}
ALL = {
    "max_order_dollars": "500",
    "max_contracts_per_market": "30",
    "min_price": "0.02",
    "max_price": "0.98",
    "max_total_exposure": "2000",
}


def state(scope: str, scope_id: str, value: str) -> None:
    TradingState.objects.create(scope=scope, scope_id=scope_id, state=value, reason="x", changed_at=NOW)


def limits(scope: str, scope_id: str, **values: str) -> None:
    for rule, value in values.items():
        RiskLimit.objects.create(scope=scope, scope_id=scope_id, rule=rule, value=Decimal(value), updated_at=NOW)


def both_states(**keys: str) -> EngineState:
    """The selector and its in-memory twin must agree."""
    found = state_for(**keys)
    assert RiskRows.load().state_for(**keys) is found
    return found


def test_scope_without_a_row_is_active() -> None:
    assert both_states(**KEYS) is EngineState.ACTIVE


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [
        ("global", ""),
        ("account", "main"),
        ("strategy", "maker_inside"),
        ("series", "KXTEST"),
        ("market", "KXTEST-1"),
    ],
)
def test_every_scope_can_stop_an_order(scope: str, scope_id: str) -> None:
    state(scope, scope_id, "halted")
    assert both_states(**KEYS) is EngineState.HALTED


def test_stop_elsewhere_does_not_bind() -> None:
    state("account", "other", "halted")
    state("market", "KXTEST-2", "halted")
    state("series", "main", "halted")
    assert both_states(**KEYS) is EngineState.ACTIVE


def test_strictest_state_wins() -> None:
    state("global", "", "active")
    state("series", "KXTEST", "reducing")
    assert both_states(**KEYS) is EngineState.REDUCING
    state("market", "KXTEST-1", "halted")
    assert both_states(**KEYS) is EngineState.HALTED


def test_state_that_is_not_known_counts_as_halted() -> None:
    state("global", "", "resting")
    assert both_states(**KEYS) is EngineState.HALTED


def test_states_lists() -> None:
    state("global", "", "active")
    state("market", "KXTEST-1", "halted")
    assert [row.scope for row in states_all()] == ["global", "market"]
    assert [row.scope for row in states_restricting()] == ["market"]


def test_limits_come_in_engine_units() -> None:
    limits("account", "main", **ALL)
    expected = RiskLimits(
        max_order_dollars=500_000_000,
        max_contracts_per_market=3_000,
        min_price=200,
        max_price=9_800,
        max_total_exposure=2_000_000_000,
    )
    assert limits_for(**KEYS) == expected
    assert RiskRows.load().limits_for(**KEYS) == expected


def test_tightest_limit_of_all_scopes_wins() -> None:
    limits("global", "", **ALL)
    limits("account", "main", max_order_dollars="600", min_price="0.01", max_price="0.99")
    limits("market", "KXTEST-1", max_order_dollars="40", min_price="0.05", max_price="0.9")
    limits("market", "KXTEST-2", max_order_dollars="1")
    found = limits_for(**KEYS)
    assert (found.max_order_dollars, found.min_price, found.max_price) == (40_000_000, 500, 9_000)
    assert RiskRows.load().limits_for(**KEYS) == found


@pytest.mark.parametrize("missing", list(ALL))
def test_rule_without_a_limit_is_an_error_and_not_a_default(missing: str) -> None:
    limits("account", "main", **{rule: value for rule, value in ALL.items() if rule != missing})
    for ask in (limits_for, RiskRows.load().limits_for):
        with pytest.raises(LimitMissing):
            ask(**KEYS)


def test_limit_finer_than_the_engine_counts_is_an_error() -> None:
    limits("account", "main", **(ALL | {"max_price": "0.980001"}))
    with pytest.raises(BadNumber):
        limits_for(**KEYS)


def test_each_selector_asks_the_database_once(django_assert_num_queries: object) -> None:
    limits("account", "main", **ALL)
    with django_assert_num_queries(1):  # type: ignore[operator]
        limits_for(**KEYS)
    with django_assert_num_queries(1):  # type: ignore[operator]
        state_for(**KEYS)
